"""Settlement: nothing is booked for sums or records that differ, and the proof names what was tampered with."""

from sqlalchemy import text

from tests.roaming.deployments import HUB, A, B, Country, won
from tests.roaming.test_records import cdr, consented, send
from wattbook.book.audit import audit
from wattbook.roaming.checks import CHECKS
from wattbook.roaming.ocpi.wire import codes_of
from wattbook.roaming.settlement import list_settlements, settle


def stated() -> dict[str, object]:
    """What B would state for the one record of 10 kWh and 3,300 won."""
    return {
        **codes_of(B),
        "id": "s-1",
        "payee_country_code": "KR",
        "payee_party_id": "OPA",
        "period_start": "2026-11-21T11:00:00Z",
        "period_end": "2026-11-21T11:00:00Z",
        "cdrs": ["cdr-1"],
        "currency": "KRW",
        "total_energy": 10,
        "total_cost": {"excl_vat": 3000, "incl_vat": 3300},
        "last_updated": "2026-11-21T12:00:00Z",
    }


async def test_a_settlement_that_differs_from_the_records_is_refused_by_the_hub(partners: Country) -> None:
    await send(partners, cdr(await consented(partners)))
    token, url = await partners.shown_by(partners.b, HUB), partners.hub.roaming.url("settlements")
    differing: list[tuple[dict[str, object], str]] = [
        ({"total_energy": 11}, "energy"),
        ({"total_cost": {"excl_vat": 3000, "incl_vat": 3299}}, "with tax"),
        ({"cdrs": ["cdr-1", "cdr-2"]}, "not known"),
        ({"currency": "EUR"}, "to be paid by"),
    ]
    for number, (changes, word) in enumerate(differing):
        answer = await partners.call("POST", url, token, stated() | {"id": f"s-{number}"} | changes)
        assert answer.status == 2000
        assert word in answer.envelope["status_message"]
    twice = await partners.call("POST", url, token, stated() | {"cdrs": ["cdr-1", "cdr-1"]})
    assert twice.status == 2001
    async with partners.hub.database.transaction() as connection:
        assert await list_settlements(connection) == []
    assert await partners.hub.posted(B, "receivable") == won(3_300)


async def test_what_the_operator_does_not_know_stays_open_at_the_hub(partners: Country) -> None:
    """The record was stated by hand, so operator A has none of its own."""
    await send(partners, cdr(await consented(partners)))
    token, url = await partners.shown_by(partners.b, HUB), partners.hub.roaming.url("settlements")
    answer = await partners.call("POST", url, token, stated())
    assert answer.status == 2000
    assert "not known" in answer.envelope["status_message"]
    assert await partners.hub.posted(B, "receivable") == won(3_300)
    async with partners.hub.database.transaction() as connection:
        assert await list_settlements(connection) == [], "the records are free to be settled again"
    await partners.hub.prove()


async def test_the_proof_names_what_does_not_fit(partners: Country) -> None:
    await send(partners, cdr(await consented(partners)))
    async with partners.b.database.transaction() as connection:
        await settle(partners.b.roaming, connection, A)
    await partners.prove()
    for tampering, broken in (
        ("UPDATE roaming.cdrs SET energy_mwh = energy_mwh + 1", {"roaming-record-posted", "settlement-is-its-records"}),
        ("UPDATE roaming.settlements SET after_tax = 1", {"settlement-is-its-records", "settlement-posted"}),
        ("DELETE FROM roaming.cdrs", {"settlement-is-its-records"}),
    ):
        assert await _broken(partners, tampering, hub=False) == broken
    assert await _broken(partners, "UPDATE roaming.cdrs SET accepted_at = NULL", hub=True) == {"hub-clears-to-nothing"}


async def _broken(country: Country, tampering: str, *, hub: bool) -> set[str]:
    """Names of the rules that do not hold after a change that is taken back."""
    deployment = country.hub if hub else country.b
    async with deployment.database.transaction() as connection:
        change = await connection.begin_nested()
        await connection.execute(text(tampering))
        proof = await audit(connection, CHECKS)
        await change.rollback()
    return {finding.name for finding in proof.findings if not finding.holds}
