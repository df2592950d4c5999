"""Records at the provider and the hub: once, exact, and only for what was consented to."""

from typing import Any

from tests.roaming.deployments import FROM_A, HUB, KWH, A, Answer, B, Country, energy, won
from wattbook.charging.ports import ConsentRequest
from wattbook.roaming.cdrs import list_cdrs
from wattbook.roaming.consent import OcpiConsent


async def consented(country: Country, token: str = "T-bora") -> str:
    """The reference of B's consent to A."""
    asked = ConsentRequest(token_uid=token, token_type="RFID", token_party=B, site_id="park", evse_id="KR*OPA*E1")
    answer = await OcpiConsent(country.a.roaming).ask(asked)
    assert answer.authorization_reference is not None
    return answer.authorization_reference


def cdr(reference: str | None, **changes: Any) -> dict[str, Any]:
    """10 kWh for 3,000 won and 10 % tax, as an operator that is not wattbook writes it."""
    record = {
        "country_code": "KR",
        "party_id": "OPA",
        "id": "cdr-1",
        "start_date_time": "2026-11-21T10:00:00",
        "end_date_time": "2026-11-21T11:00:00Z",
        "session_id": "session-1",
        "cdr_token": {
            "country_code": "KR",
            "party_id": "PRB",
            "uid": "t-bora",
            "type": "RFID",
            "contract_id": "C-bora",
        },
        "auth_method": "AUTH_REQUEST",
        "authorization_reference": reference,
        "cdr_location": {
            "id": "park",
            "address": "Street 1",
            "city": "Seoul",
            "country": "KOR",
            "coordinates": {"latitude": "37.5", "longitude": "127.0"},
            "evse_uid": "1",
            "evse_id": "KR*OPA*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "KRW",
        "charging_periods": [
            {
                "start_date_time": "2026-11-21T10:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 10.0}, {"type": "TIME", "volume": 1}],
            }
        ],
        "total_cost": {"excl_vat": 3000.0, "incl_vat": 3300.00},
        "total_energy": 10.0000,
        "total_time": 1,
        "last_updated": "2026-11-21T11:00:01Z",
    }
    return {name: value for name, value in (record | changes).items() if value is not None}


def period(dimension: str, volume: float | str) -> dict[str, Any]:
    return {"start_date_time": "2026-11-21T10:00:00Z", "dimensions": [{"type": dimension, "volume": volume}]}


async def send(country: Country, record: dict[str, Any]) -> Answer:
    """To the hub, as A."""
    return await country.call("POST", country.hub.roaming.url("cdrs"), await country.shown_by(country.a, HUB), record)


async def test_a_record_that_comes_again_is_known_and_another_content_is_refused(partners: Country) -> None:
    record = cdr(await consented(partners))
    first = await send(partners, record)
    assert (first.http, first.status) == (201, 1000)
    assert first.headers["Location"] == partners.hub.roaming.url("cdrs", "KR", "OPA", "cdr-1")
    again = await send(partners, record | {"last_updated": "2026-11-21T12:00:00Z"})
    assert again.status == 1000
    assert again.headers["Location"] == first.headers["Location"]
    cheaper = await send(partners, record | {"total_cost": {"excl_vat": 1, "incl_vat": 1}})
    assert cheaper.status == 2000
    assert await partners.b.posted(*energy(A, "partner")) == -10 * KWH
    assert await partners.b.posted("bora", "wallet") == won(20_000 - 3_300)
    await partners.prove()

    token = await partners.shown_by(partners.hub, B)
    direct = await partners.call("POST", partners.b.roaming.url("cdrs"), token, record, headers=FROM_A)
    assert (direct.http, direct.status) == (200, 1000), "known at the provider too"
    changed = record | {"total_cost": {"excl_vat": 1, "incl_vat": 1}}
    assert (await partners.call("POST", partners.b.roaming.url("cdrs"), token, changed, headers=FROM_A)).status == 2000
    await partners.prove()


async def test_a_record_is_read_by_its_two_parties_alone(partners: Country) -> None:
    location = (await send(partners, cdr(await consented(partners)))).headers["Location"]
    for reader in (partners.a, partners.b):
        read = await partners.call("GET", location, await partners.shown_by(reader, HUB))
        assert read.envelope["data"]["id"] == "cdr-1"
    missing = await partners.call("GET", location + "x", await partners.shown_by(partners.a, HUB))
    assert (missing.http, missing.status) == (404, 2000)


async def test_a_session_has_one_record(partners: Country) -> None:
    reference = await consented(partners)
    assert (await send(partners, cdr(reference))).status == 1000
    assert (await send(partners, cdr(reference, id="cdr-2"))).status == 2000
    assert (await send(partners, cdr(reference, id="cdr-3", session_id="session-2"))).status == 1000
    assert await partners.b.posted("bora", "wallet") == won(20_000 - 6_600), "the hold is used up, the wallet is not"
    await partners.prove()


IMPOSSIBLE: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"authorization_reference": None}, 2002, "authorization_reference"),
    ({"authorization_reference": "never-given"}, 2001, "never-given"),
    ({"party_id": "XYZ"}, 2001, "XYZ"),
    ({"total_energy": -1, "charging_periods": [period("TIME", 1)]}, 2001, "negative"),
    ({"total_energy": 11}, 2001, "sum"),
    ({"total_cost": {"excl_vat": 3300, "incl_vat": 3000}}, 2001, "with tax"),
    ({"total_cost": {"excl_vat": "NaN"}}, 2001, "out of range"),
    ({"total_cost": {"excl_vat": -1}}, 2001, "negative"),
    ({"total_cost": None}, 2001, "total_cost"),
    ({"currency": "XXX"}, 2001, "currency"),
    ({"end_date_time": "2026-11-21T09:00:00Z"}, 2001, "ends before"),
    ({"credit": True}, 2001, "credit"),
    ({"charging_periods": []}, 2001, "charging_periods"),
    ({"charging_periods": [period("ENERGY_EXPORT", 1)]}, 2001, "fed in"),
    ({"id": "x" * 40}, 2001, "id"),
    ({"a_text": "with a \u0000"}, 2001, "NUL"),
)


async def test_a_record_that_cannot_be_is_refused_with_its_place(partners: Country) -> None:
    reference = await consented(partners)
    for number, (changes, status, word) in enumerate(IMPOSSIBLE):
        answer = await send(partners, cdr(reference, **{"id": f"cdr-{number}"} | changes))
        assert (answer.status, word in answer.envelope["status_message"]) == (status, True), changes
    assert await partners.b.posted(*energy(A, "partner")) == 0
    async with partners.b.database.transaction() as connection:
        assert await list_cdrs(connection) == []
    await partners.prove()


async def test_a_refused_record_leaves_the_hubs_clearing_and_a_corrected_one_may_follow(partners: Country) -> None:
    reference = await consented(partners)
    assert (await send(partners, cdr("never-given"))).status == 2001
    async with partners.hub.database.transaction() as connection:
        assert await list_cdrs(connection) == []
    assert (await send(partners, cdr("never-given"))).status == 2001, "told again, not asked again"
    assert (await send(partners, cdr(reference, id="cdr-2"))).status == 1000
    await partners.prove()


async def test_energy_and_money_keep_every_digit(partners: Country) -> None:
    record = cdr(await consented(partners))
    precise = {
        "total_energy": "15.342001",
        "charging_periods": [period("ENERGY", "15.342001")],
        "total_cost": {"excl_vat": "0.1001", "incl_vat": "0.3003"},
    }
    assert (await send(partners, record | precise)).status == 1000
    assert await partners.b.posted(*energy(A, "partner")) == -15_342_001
    assert await partners.b.posted(A, "payable") == 3003
    await partners.prove()


async def test_no_json_is_answered_by_http(partners: Country) -> None:
    token = await partners.shown_by(partners.a, HUB)
    assert (await partners.call("POST", partners.hub.roaming.url("cdrs"), token, b"{not json")).http == 400
    assert (await partners.call("POST", partners.hub.roaming.url("cdrs"), token, b"x" * (1 << 21))).http == 429
