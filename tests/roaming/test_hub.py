"""The hub: who is asked, what is changed on the way and what is not, and who may speak for whom."""

import msgspec

from tests.roaming.deployments import FROM_A, HUB, B, Country
from tests.roaming.peer import PEER, Peer, peer
from wattbook.charging.ports import ConsentRequest
from wattbook.roaming.consent import OcpiConsent
from wattbook.roaming.partners import invite


async def connect(country: Country, stranger: Peer) -> None:
    """A provider that is not wattbook joins the hub."""
    async with country.hub.database.transaction() as connection:
        await invite(connection, PEER, "first-of-peer")
    url = country.hub.roaming.url("credentials")
    answer = await country.call("POST", url, "first-of-peer", stranger.credentials("token-of-peer"))
    assert answer.status == 1000
    stranger.http, stranger.answer = 404, {"status_code": 2004, "timestamp": "2026-11-21T12:00:00Z"}


def to(country_code: str, party_id: str) -> dict[str, str]:
    return {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id}


def request(token: str, party: str | None = None) -> ConsentRequest:
    return ConsentRequest(token_uid=token, token_type="RFID", token_party=party, site_id="park", evse_id="KR*OPA*E1")


async def test_all_providers_are_asked_about_a_token_that_nobody_knows_yet_and_then_only_its_issuer(
    partners: Country,
) -> None:
    async with peer() as stranger:
        await connect(partners, stranger)
        consent = OcpiConsent(partners.a.roaming)
        first = await consent.ask(request("T-bora"))
        assert (first.consent, first.token_party) == ("allowed", B)
        assert len(stranger.heard) == 1
        assert (await consent.ask(request("t-POST"))).consent == "allowed"
        assert len(stranger.heard) == 2, "another token, so it was asked again"
        assert (await consent.ask(request("t-bora"))).consent == "no_credit", "all of it is set aside already"
        assert len(stranger.heard) == 2, "its issuer is known now, in whatever case it is written"
        assert (await consent.ask(request("T-nobody"))).consent == "unknown"


async def test_the_ids_and_headers_of_a_question_across_the_hub(partners: Country) -> None:
    ids = {"X-Request-ID": "hop-1", "X-Correlation-ID": "way-1"}
    async with peer() as stranger:
        await connect(partners, stranger)
        answer = await partners.call(
            "POST",
            partners.hub.roaming.url("tokens", "0A%2F1", "authorize") + "?type=RFID",
            await partners.shown_by(partners.a, HUB),
            {"location_id": "park", "evse_uids": ["KR*OPA*E1"]},
            ids | {"OCPI-from-country-code": "kr", "OCPI-from-party-id": "opa"} | to("DE", "XYZ"),
        )
        (heard,) = stranger.heard
    assert answer.http == 404
    assert answer.status == 2004
    assert (heard.path, heard.query) == ("/tokens/0A/1/authorize", "type=RFID")
    assert heard.headers["X-Correlation-ID"] == answer.headers["X-Correlation-ID"] == "way-1"
    assert answer.headers["X-Request-ID"] == "hop-1"
    assert heard.headers["X-Request-ID"] != "hop-1"
    assert (heard.headers["OCPI-from-party-id"], heard.headers["OCPI-to-party-id"]) == ("OPA", "XYZ")
    assert (answer.headers["OCPI-from-party-id"], answer.headers["OCPI-to-party-id"]) == ("XYZ", "OPA")
    assert msgspec.json.decode(heard.body) == {"location_id": "park", "evse_uids": ["KR*OPA*E1"]}


async def test_a_question_that_comes_twice_gets_one_hold_and_one_answer(partners: Country) -> None:
    url = partners.b.roaming.url("tokens", "T-bora", "authorize")
    token = await partners.shown_by(partners.hub, B)
    routing = {"X-Correlation-ID": "way-1", **FROM_A}
    first = await partners.call("POST", url, token, headers=routing)
    again = await partners.call("POST", url, token, headers=routing)
    assert first.envelope["data"]["allowed"] == again.envelope["data"]["allowed"] == "ALLOWED"
    assert first.envelope["data"]["authorization_reference"] == again.envelope["data"]["authorization_reference"]
    assert again.envelope["data"]["wattbook_prepaid"] == {"amount": 20_000, "currency": "KRW"}
    assert first.envelope["data"]["token"]["energy_contract"]["supplier_name"] == "Sun"
    assert await partners.b.available("bora") == 0
    other_kind = await partners.call("POST", url + "?type=APP_USER", token, headers=routing)
    assert (other_kind.http, other_kind.status) == (404, 2004)


async def test_a_token_speaks_only_for_its_own_parties(partners: Country) -> None:
    url = partners.hub.roaming.url("tokens", "T-bora", "authorize")
    token = await partners.shown_by(partners.a, HUB)
    for country_code, party_id in (("KR", "PRB"), ("KR", "HUB"), ("DE", "XYZ")):
        claimed = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id}
        refused = await partners.call("POST", url, token, headers=claimed)
        assert refused.status == 2001
        assert "does not speak for" in refused.envelope["status_message"]
    half = await partners.call("POST", url, token, headers={"OCPI-from-country-code": "KR"})
    assert half.status == 2001


async def test_a_receiver_that_nobody_reaches_and_one_that_is_away(partners: Country) -> None:
    url = partners.hub.roaming.url("tokens", "T-bora", "authorize")
    token = await partners.shown_by(partners.a, HUB)
    unknown = await partners.call("POST", url, token, headers=to("DE", "NIX"))
    assert (unknown.http, unknown.status) == (200, 4001)
    await partners.b.stop()
    away = await partners.call("POST", url, token, headers=to("KR", "PRB"))
    assert (away.http, away.status) == (200, 4003)
    assert (await OcpiConsent(partners.a.roaming).ask(request("T-bora", B))).consent == "unreachable"


async def test_what_a_provider_answers_in_no_form_is_silence(partners: Country) -> None:
    async with peer() as stranger:
        await connect(partners, stranger)
        consent = OcpiConsent(partners.a.roaming)
        stranger.http = 200
        for said in ({"status_code": 1000}, {"status_code": 1000, "data": {"allowed": "ALLOWED"}}, {"hello": "world"}):
            stranger.answer = said
            assert (await consent.ask(request("X1", PEER))).consent == "unreachable"


async def test_without_any_partner_a_foreign_token_is_unknown(strangers: Country) -> None:
    assert (await OcpiConsent(strangers.a.roaming).ask(request("T-bora"))).consent == "unknown"
