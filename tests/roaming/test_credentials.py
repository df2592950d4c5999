"""Registration: first tokens, exchanged tokens, what each may open, and what a partner may not claim."""

import base64

import pytest

from tests.roaming.deployments import HUB, A, B, Country
from tests.roaming.peer import PEER, peer
from wattbook.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from wattbook.roaming.ocpi.credentials import register_with, renew, unregister
from wattbook.roaming.partners import invite, list_partners


async def invited(country: Country, party: str, token: str) -> str:
    """The hub's URL of credentials, for a party that now has a first token."""
    async with country.hub.database.transaction() as connection:
        await invite(connection, party, token)
    return country.hub.roaming.url("credentials")


async def test_both_sides_hold_the_other_token_and_know_its_endpoints(partners: Country) -> None:
    async with partners.hub.database.transaction() as connection:
        known = {each.party: each for each in await list_partners(connection)}
    assert {party: each.status for party, each in known.items()} == {A: "registered", B: "registered"}
    assert known[B].endpoint("cdrs", "RECEIVER") == partners.b.roaming.url("cdrs")
    async with partners.a.database.transaction() as connection:
        (hub,) = await list_partners(connection)
    assert hub.party == HUB
    assert hub.is_hub
    assert hub.their_token is not None
    assert hub.their_token not in repr(hub), "a log may show a partner"


async def test_who_shows_no_token_of_ours_is_not_let_in(strangers: Country) -> None:
    for header in (None, "Token", "Bearer first", "Token unknown", "Token dW5rbm93bg==", "Token ==="):
        headers = {} if header is None else {"Authorization": header}
        async with strangers.http.get(strangers.hub.roaming.versions_url, headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["status_code"] == 2001


async def test_a_token_is_read_in_base64_and_as_it_is(strangers: Country) -> None:
    await invited(strangers, A, "first-token")
    encoded = base64.b64encode(b"first-token").decode()
    for shown in ("first-token", encoded, base64.b64encode(b"first-token\n").decode()):
        assert (await strangers.call("GET", strangers.hub.roaming.versions_url, shown)).http == 200


async def test_a_first_token_opens_registration_and_nothing_else_and_dies_with_it(strangers: Country) -> None:
    url = await invited(strangers, A, "first")
    versions = strangers.hub.roaming.versions_url
    assert (await strangers.call("GET", versions, "first")).status == 1000
    assert (await strangers.call("POST", strangers.hub.roaming.url("cdrs"), "first", {})).http == 401
    for method in ("PUT", "DELETE"):
        assert (await strangers.call(method, url, "first", {})).http == 405
    await register_with(strangers.a.roaming, versions, "first")
    assert (await strangers.call("GET", versions, "first")).http == 401
    with pytest.raises(Unavailable):
        await register_with(strangers.a.roaming, versions, "first")


async def test_who_is_registered_changes_with_put_not_with_post(partners: Country) -> None:
    token = await partners.shown_by(partners.a, HUB)
    assert (await partners.call("POST", partners.hub.roaming.url("credentials"), token, {})).http == 405
    again = await partners.call("GET", partners.hub.roaming.url("credentials"), token)
    assert again.envelope["data"]["token"] == token
    assert again.envelope["data"]["roles"][0]["role"] == "HUB"
    async with partners.hub.database.transaction() as connection:
        with pytest.raises(Conflict):
            await invite(connection, A, "another")


async def test_renewed_tokens_replace_both_old_ones(partners: Country) -> None:
    to_hub, to_a = await partners.shown_by(partners.a, HUB), await partners.shown_by(partners.hub, A)
    await renew(partners.a.roaming, HUB)
    assert await partners.shown_by(partners.a, HUB) != to_hub
    assert await partners.shown_by(partners.hub, A) != to_a
    assert (await partners.call("GET", partners.hub.roaming.versions_url, to_hub)).http == 401
    assert (await partners.call("GET", partners.a.roaming.versions_url, to_a)).http == 401
    assert (
        await partners.call("GET", partners.hub.roaming.versions_url, await partners.shown_by(partners.a, HUB))
    ).http == 200


async def test_unregistering_ends_it_on_both_sides(partners: Country) -> None:
    token = await partners.shown_by(partners.a, HUB)
    await unregister(partners.a.roaming, HUB)
    assert (await partners.call("GET", partners.hub.roaming.versions_url, token)).http == 401
    with pytest.raises(NotFound):
        await renew(partners.a.roaming, HUB)
    await invited(partners, A, "once-more")
    await register_with(partners.a.roaming, partners.hub.roaming.versions_url, "once-more")


async def test_a_sender_that_cannot_be_used_is_told_why(strangers: Country) -> None:
    async with peer() as stranger:
        url = await invited(strangers, PEER, "first")
        stranger.version = "2.0"
        assert (await strangers.call("POST", url, "first", stranger.credentials("t"))).status == 3002
        stranger.version, stranger.modules = "2.2.1", ("tokens:SENDER", "sessions:RECEIVER")
        lacking = await strangers.call("POST", url, "first", stranger.credentials("t"))
        assert lacking.status == 3003
        assert "cdrs:RECEIVER" in lacking.envelope["status_message"]
        stranger.modules = (*stranger.modules, "cdrs:RECEIVER")
        assert (await strangers.call("POST", url, "first", stranger.credentials("t"))).status == 1000
    other = await invited(strangers, "DE*ABC", "second")
    gone = stranger.credentials("t", party="DE*ABC")
    assert (await strangers.call("POST", other, "second", gone)).status == 3001


async def test_nobody_claims_a_party_that_is_not_its_own(partners: Country) -> None:
    async with peer() as stranger:
        url = await invited(partners, PEER, "first")
        foreign = await partners.call("POST", url, "first", stranger.credentials("t", party="DE*ABC"))
        assert foreign.status == 2001
        both = stranger.credentials("t")
        for taken in (A, HUB):
            roles = [*both["roles"], *stranger.credentials("t", party=taken)["roles"]]
            answer = await partners.call("POST", url, "first", both | {"roles": roles})
            assert answer.status == 2000
            assert taken in answer.envelope["status_message"]


async def test_what_is_no_credentials_is_refused_with_its_place(strangers: Country) -> None:
    url = await invited(strangers, A, "first")
    assert (await strangers.call("POST", url, "first", b"{")).http == 400
    lacking = await strangers.call("POST", url, "first", {"token": "t", "url": "http://x.example"})
    assert lacking.status == 2001
    assert "roles" in lacking.envelope["status_message"]
    async with peer() as stranger:
        inner = stranger.credentials("t", party=A) | {"url": "ftp://127.0.0.1/versions"}
        assert (await strangers.call("POST", url, "first", inner)).status == 2001


async def test_a_url_that_no_partner_may_have_is_never_called(strangers: Country) -> None:
    with pytest.raises(InvalidInput, match="user name"):
        await register_with(strangers.a.roaming, "http://me:secret@hub.example/versions", "first")
