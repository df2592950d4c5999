"""Running sessions at the provider and the hub: put, patched, late, final, invalid."""

from decimal import Decimal
from typing import Any

from tests.roaming.deployments import FROM_A, HUB, KWH, Answer, B, Country, won
from tests.roaming.test_records import consented
from wattbook.roaming.sessions import RoamingSession, list_sessions


def session(reference: str | None, **changes: Any) -> dict[str, Any]:
    """5 kWh for 1,650 won after a quarter of an hour, as an operator that is not wattbook writes it."""
    stated = {
        "country_code": "KR",
        "party_id": "OPA",
        "id": "session/1",
        "start_date_time": "2026-11-21T11:45:00Z",
        "kwh": 5.0,
        "cdr_token": {
            "country_code": "KR",
            "party_id": "PRB",
            "uid": "T-BORA",
            "type": "RFID",
            "contract_id": "C-bora",
        },
        "auth_method": "AUTH_REQUEST",
        "authorization_reference": reference,
        "location_id": "park",
        "evse_uid": "1",
        "connector_id": "1",
        "currency": "KRW",
        "status": "ACTIVE",
        "total_cost": {"excl_vat": 1500, "incl_vat": 1650},
        "last_updated": "2026-11-21T12:00:00Z",
    }
    return {name: value for name, value in (stated | changes).items() if value is not None}


async def send(country: Country, method: str, body: dict[str, Any], *, id: str = "session%2F1") -> Answer:
    """To the hub, as A."""
    url = country.hub.roaming.url("sessions", "KR", "OPA", id)
    return await country.call(method, url, await country.shown_by(country.a, HUB), body)


async def seen(country: Country) -> RoamingSession:
    """At the provider; the hub has the same."""
    async with country.b.database.transaction() as connection:
        (there,) = await list_sessions(connection)
    async with country.hub.database.transaction() as connection:
        (between,) = await list_sessions(connection)
    assert (there.status, there.energy_mwh, there.updated_at) == (
        between.status,
        between.energy_mwh,
        between.updated_at,
    )
    return there


async def test_the_provider_tells_progress_also_when_the_operator_does_not(partners: Country) -> None:
    answer = await send(partners, "PUT", session(await consented(partners)))
    assert (answer.http, answer.status) == (200, 1000)
    there = await seen(partners)
    assert (there.customer, there.payer, there.energy_mwh) == ("bora", B, 5 * KWH)
    assert there.prepaid == won(20_000)
    assert there.progress_percent == Decimal("8.25"), "N = 1,650 / 20,000"
    assert there.remaining_s == 10_010, "ts = 18,350 / 1,650 × 900 s, raised to a second"


async def test_a_patch_changes_what_it_states_and_adds_periods(partners: Country) -> None:
    missing = await send(partners, "PATCH", {"kwh": 6, "last_updated": "2026-11-21T12:01:00Z"})
    assert (missing.http, missing.status) == (404, 2000)
    periods = [{"start_date_time": "2026-11-21T11:45:00Z", "dimensions": [{"type": "ENERGY", "volume": 5}]}]
    await send(partners, "PUT", session(await consented(partners), charging_periods=periods))
    assert (await send(partners, "PATCH", {"kwh": 6})).status == 2001, "without last_updated"
    change = {"kwh": 6.25, "last_updated": "2026-11-21T12:01:00Z", "charging_periods": periods}
    assert (await send(partners, "PATCH", change)).status == 1000
    assert (await seen(partners)).energy_mwh == 6_250_000
    url = partners.hub.roaming.url("sessions", "KR", "OPA", "session%2F1")
    whole = await partners.call("GET", url, await partners.shown_by(partners.b, HUB))
    assert len(whole.envelope["data"]["charging_periods"]) == 2
    assert whole.envelope["data"]["location_id"] == "park"


async def test_what_is_older_and_what_comes_after_the_end_changes_nothing(partners: Country) -> None:
    reference = await consented(partners)
    await send(partners, "PUT", session(reference))
    assert (await send(partners, "PUT", session(reference, kwh=1, last_updated="2026-11-21T11:50:00Z"))).status == 1000
    assert (await seen(partners)).energy_mwh == 5 * KWH
    end = {"status": "COMPLETED", "kwh": 7, "last_updated": "2026-11-21T12:10:00Z"}
    await send(partners, "PUT", session(reference, **end))
    await send(partners, "PUT", session(reference, kwh=9, last_updated="2026-11-21T12:20:00Z"))
    there = await seen(partners)
    assert (there.status, there.energy_mwh, there.remaining_s) == ("COMPLETED", 7 * KWH, None)


async def test_an_invalid_session_frees_what_was_set_aside(partners: Country) -> None:
    reference = await consented(partners)
    await send(partners, "PUT", session(reference))
    assert await partners.b.available("bora") == 0
    await send(partners, "PUT", session(reference, status="INVALID", last_updated="2026-11-21T12:01:00Z"))
    assert await partners.b.available("bora") == won(20_000)
    await partners.prove()


async def test_a_session_that_does_not_fit_its_path_token_or_consent_is_refused(partners: Country) -> None:
    reference = await consented(partners)
    assert (await send(partners, "PUT", session(reference), id="session-2")).status == 2001
    assert (await send(partners, "PUT", session(reference, party_id="XYZ"))).status == 2001
    assert (await send(partners, "PUT", session(reference, status="SLEEPING"))).status == 2001
    assert (await send(partners, "PUT", session("never-given"))).status == 2001
    token = await partners.shown_by(partners.hub, B)
    other = session(None) | {"cdr_token": session(None)["cdr_token"] | {"party_id": "XYZ"}}
    url = partners.b.roaming.url("sessions", "KR", "OPA", "session%2F1")
    assert (await partners.call("PUT", url, token, other, headers=FROM_A)).status == 2004
