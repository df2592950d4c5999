"""Our own gateway passes every check of the suite, in every version it speaks."""

import pytest

from tests.conformance.ocpp.conftest import Ours
from wattbook.app.databases import prove
from wattbook.conformance.bench import Bench
from wattbook.conformance.check import Check
from wattbook.conformance.outcome import Outcome
from wattbook.conformance.suite import plan
from wattbook.conformance.versions import VERSIONS, Version
from wattbook.ocpp.dialects import DIALECTS

SPOKEN = [version for version in VERSIONS.values() if version.subprotocol in DIALECTS]
PLAN = list(plan(SPOKEN))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("number", "version", "check"),
    [(number, version, check) for number, (version, check) in enumerate(PLAN)],
    ids=[f"{version.name}-{check.title(version.name)}" for version, check in PLAN],
)
async def test_the_gateway_passes(ours: Ours, number: int, version: Version, check: Check) -> None:
    target = ours.guarded_target() if check.name == "basic authentication" else ours.target(number)
    finding = await check.make(Bench(target, version))
    assert finding.outcome is Outcome.PASSED, f"{finding.seen}; expected: {finding.expected} ({finding.source})"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_proof_holds_after_all_that(ours: Ours) -> None:
    assert (await prove(ours.database)).holds
