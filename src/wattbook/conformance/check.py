"""A check: something a station does, and what a management system must make of it, version by version."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from wattbook.conformance.bench import Bench
from wattbook.conformance.outcome import Failed, Finding, NotApplicable, Outcome
from wattbook.conformance.versions import VERSIONS

Run = Callable[[Bench], Awaitable[str]]
"""Makes the check and tells what was seen. Raises Failed or NotApplicable."""

ALL = tuple(VERSIONS)
SINCE_201 = ("2.0.1", "2.1")


@dataclass(frozen=True)
class Demand:
    """What one version asks: the clause (`4.1.3`) or the requirement (`R19`), the behaviour, and who says so."""

    clause: str
    expected: str
    source: str


@dataclass(frozen=True)
class Check:
    """A named check; `demands` holds the versions it applies to."""

    name: str
    demands: Mapping[str, Demand]
    run: Run

    def title(self, version: str) -> str:
        """`R19 empty frame`, or `1.6:4.1.3 unknown type`."""
        clause = self.demands[version].clause
        is_requirement = clause[:1] == "R" and clause[1:].isdigit()
        return f"{clause} {self.name}" if is_requirement else f"{version}:{clause} {self.name}"

    async def make(self, bench: Bench) -> Finding:
        """Make it in the bench's version."""
        version = bench.version.name
        demand = self.demands[version]
        try:
            outcome, seen = Outcome.PASSED, await self.run(bench)
        except Failed as failed:
            outcome, seen = Outcome.FAILED, str(failed)
        except NotApplicable as missing:
            outcome, seen = Outcome.NOT_APPLICABLE, str(missing)
        return Finding(self.title(version), version, demand.expected, demand.source, outcome, seen)


class Checks:
    """A list of checks that a module fills, in the order in which they stand there."""

    def __init__(self) -> None:
        self.all: list[Check] = []

    def rule(
        self, name: str, expected: Mapping[str, str] | str, clauses: Mapping[str, str] | str
    ) -> Callable[[Run], Run]:
        """A rule of the specification; one text for all versions, or one for each."""
        versions = [v for v in ALL if (isinstance(expected, str) or v in expected)]
        versions = [v for v in versions if isinstance(clauses, str) or v in clauses]
        demands = {}
        for version in versions:
            clause = clauses if isinstance(clauses, str) else clauses[version]
            behaviour = expected if isinstance(expected, str) else expected[version]
            demands[version] = Demand(clause, behaviour, f"OCPP-J {version}, {clause}")
        return self._add(name, demands)

    def requirement(
        self, number: str, name: str, expected: str, source: str, versions: tuple[str, ...] = ALL
    ) -> Callable[[Run], Run]:
        """A requirement from the field."""
        return self._add(name, {version: Demand(number, expected, source) for version in versions})

    def _add(self, name: str, demands: Mapping[str, Demand]) -> Callable[[Run], Run]:
        def keep(run: Run) -> Run:
            self.all.append(Check(name, demands, run))
            return run

        return keep
