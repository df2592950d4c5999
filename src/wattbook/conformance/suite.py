"""The suite: all checks, in every version asked for, one after the other, because they share one station."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from wattbook.conformance.bench import Bench, Target
from wattbook.conformance.check import Check
from wattbook.conformance.checks import CHECKS
from wattbook.conformance.outcome import Finding, Outcome
from wattbook.conformance.versions import VERSIONS, Version


def plan(versions: Iterable[Version], wanted: str = "") -> Iterator[tuple[Version, Check]]:
    """What there is to check; `wanted` is a part of the titles meant."""
    for version in versions:
        for check in CHECKS:
            if version.name in check.demands and wanted.lower() in check.title(version.name).lower():
                yield version, check


async def run_suite(
    target: Target,
    versions: Sequence[str] = (),
    *,
    wanted: str = "",
    watch: Callable[[Finding], None] = lambda _: None,
) -> list[Finding]:
    """Make every check; without `versions` in those that the system speaks. `watch` hears of each finding."""
    findings = []
    asked_for = [VERSIONS[name] for name in versions] if versions else await spoken(target)
    for version, check in plan(asked_for, wanted):
        finding = await check.make(Bench(target, version))
        watch(finding)
        findings.append(finding)
    return findings


async def spoken(target: Target) -> list[Version]:
    """The versions the system under test speaks.

    Raises:
        Failed: nobody is there.
    """
    return [version for version in VERSIONS.values() if await Bench(target, version).speaks(version)]


def failed(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.outcome is Outcome.FAILED]


def document(findings: Sequence[Finding]) -> str:
    """The findings as one JSON object: `checks`, each with its outcome, and how many of each there are."""
    counts = {outcome.value: sum(each.outcome is outcome for each in findings) for outcome in Outcome}
    checks = [
        {
            "check": each.check,
            "version": each.version,
            "outcome": each.outcome.value,
            "expected": each.expected,
            "seen": each.seen,
            "source": each.source,
        }
        for each in findings
    ]
    return json.dumps({"counts": counts, "checks": checks}, ensure_ascii=False)
