"""A driver of provider B charges at operator A's station through the hub, from the card to the settlement."""

from datetime import timedelta
from decimal import Decimal

from tests.roaming.deployments import KWH, A, B, Country, energy, won
from wattbook.charging.starting import Started
from wattbook.kernel.errors import Refused
from wattbook.roaming.cdrs import list_cdrs
from wattbook.roaming.delivery import announce, list_troubles, resend_abandoned
from wattbook.roaming.notices import notices_of
from wattbook.roaming.sessions import list_sessions
from wattbook.roaming.settlement import list_settlements, settle


async def test_from_the_card_to_the_settlement(partners: Country) -> None:
    a, b, hub = partners.all
    started = await partners.begin("T-bora", "t1")
    assert isinstance(started, Started)
    assert await b.available("bora") == 0, "all of the 20,000 won are set aside: less than the most that may be"

    await partners.sample("t1", 10 * KWH, 22_000)
    await a.work()
    for each in (hub, b):
        async with each.database.transaction() as connection:
            (seen,) = await list_sessions(connection)
        assert (seen.issuer, seen.payer, seen.status, seen.energy_mwh) == (A, B, "ACTIVE", 10 * KWH)
        assert seen.after_tax == won(3_300)
        assert seen.prepaid == won(20_000)
        assert seen.progress_percent == Decimal("16.5"), "N = 3,300 / 20,000"
        assert seen.remaining_s is not None
        assert seen.remaining_s >= 15 * 60 * 16_700 // 3_300, "ts, and what low power adds to it"
    async with b.database.transaction() as connection:
        assert [each.id for each in await list_sessions(connection, customer="bora")] == [seen.id]
        assert await list_sessions(connection, customer="poor") == []

    stopped = await partners.end("t1", 20 * KWH)
    assert stopped.after_tax == won(6_600)
    await a.work()
    assert await a.posted(*energy(B, "partner")) == 20 * KWH
    assert await b.posted(*energy(A, "partner")) == -20 * KWH
    assert await b.posted(*energy("bora", "consumption")) == 20 * KWH
    assert await b.posted("bora", "wallet") == await b.available("bora") == won(13_400)
    assert await a.posted(B, "receivable") == await b.posted(A, "payable") == won(6_600)
    assert await b.posted(B, "cost") == await b.posted(B, "revenue") == won(6_000)
    assert await b.posted(B, "tax") == 0, "what the state gets of our sale it gives back of our purchase"
    assert (await hub.posted(B, "receivable"), await hub.posted(A, "payable")) == (won(6_600), won(6_600))
    await partners.prove()

    async with b.database.transaction() as connection:
        (settlement,) = await settle(b.roaming, connection, A)
    assert (settlement.cdr_count, settlement.energy_mwh, settlement.after_tax) == (1, 20 * KWH, won(6_600))
    await b.work()
    for each in partners.all:
        async with each.database.transaction() as connection:
            (known,) = await list_settlements(connection)
            (cdr,) = await list_cdrs(connection)
        assert (known.payer, known.id, known.payee, known.after_tax) == (B, settlement.id, A, won(6_600))
        assert known.accepted_at is not None
        assert cdr.settlement == settlement.id
    assert await a.posted(B, "receivable") == await b.posted(A, "payable") == 0
    assert await a.posted(A, "cash") == -await b.posted(B, "cash") == won(6_600)
    assert await hub.posted(B, "receivable") == await hub.posted(A, "payable") == 0
    async with b.database.transaction() as connection:
        (notice,) = await notices_of(connection, "bora")
        assert await settle(b.roaming, connection, A) == [], "nothing is left to settle"
    assert "20 kWh for 6,600 KRW" in notice.text
    assert notice.facts["settlement"] == settlement.id
    await partners.prove()


async def test_each_no_of_the_provider_refuses_with_its_reason(partners: Country) -> None:
    reasons = {
        "T-poor": "no-credit",
        "T-blocked": "token-blocked",
        "T-old": "token-expired",
        "T-lone": "token-not-allowed",
        "T-nobody": "token-unknown",
    }
    for number, (token, reason) in enumerate(reasons.items()):
        refused = await partners.begin(token, f"t{number}")
        assert isinstance(refused, Refused)
        assert refused.details["reason"] == reason
    await partners.prove()


async def test_a_provider_that_is_silent_is_not_an_unknown_token(partners: Country) -> None:
    await partners.b.stop()
    refused = await partners.begin("T-bora", "t1")
    assert isinstance(refused, Refused)
    assert refused.details["reason"] == "partner-unreachable"


async def test_a_customer_who_pays_later_owes_the_price(partners: Country) -> None:
    a, b, _ = partners.all
    assert isinstance(await partners.begin("T-post", "t1"), Started)
    await partners.end("t1", 10 * KWH)
    await a.work()
    assert await b.posted("post", "receivable") == won(3_300)
    assert await b.posted("post", "wallet") == 0
    await partners.prove()


async def test_what_was_set_aside_too_little_is_owed(partners: Country) -> None:
    a, b, _ = partners.all
    assert isinstance(await partners.begin("T-bora", "t1"), Started)
    await partners.end("t1", 100 * KWH)
    await a.work()
    assert await b.posted("bora", "wallet") == 0
    assert await b.posted("bora", "receivable") == won(33_000 - 20_000)
    await partners.prove()


async def test_the_hub_keeps_what_a_provider_that_is_away_missed(partners: Country) -> None:
    a, b, hub = partners.all
    assert isinstance(await partners.begin("T-bora", "t1"), Started)
    await b.stop()
    await partners.sample("t1", 5 * KWH, 22_000)
    await a.work()
    await partners.end("t1", 10 * KWH)
    await a.work()
    await hub.work()
    async with hub.database.transaction() as connection:
        (session,) = await list_sessions(connection)
        (cdr,) = await list_cdrs(connection)
    assert (session.status, cdr.accepted_at) == ("COMPLETED", None), "the hub has both, the provider has not"
    async with a.database.transaction() as connection:
        (sent,) = await list_cdrs(connection)
    assert sent.accepted_at is not None, "the operator was answered, because the hub has it"
    assert await hub.posted(B, "receivable") == 0, "nobody owes what the provider has not seen"
    async with hub.database.transaction() as connection:
        assert {each.module for each in await list_troubles(connection)} == {"sessions", "cdrs"}
    await partners.prove()

    await b.start()
    await announce(b.roaming)
    await hub.work()
    async with b.database.transaction() as connection:
        (arrived,) = await list_sessions(connection)
    assert (arrived.status, arrived.energy_mwh) == ("COMPLETED", 10 * KWH)
    assert await b.posted(*energy(A, "partner")) == -10 * KWH
    assert await hub.posted(B, "receivable") == won(3_300)
    async with hub.database.transaction() as connection:
        assert await list_troubles(connection) == []
    await partners.prove()


async def test_what_every_try_failed_for_is_tried_again(partners: Country) -> None:
    a, b, hub = partners.all
    assert isinstance(await partners.begin("T-bora", "t1"), Started)
    await b.stop()
    await partners.sample("t1", 5 * KWH, 22_000)
    await a.work()
    await b.start()
    assert await resend_abandoned(hub.roaming) == 0, "its own job still tries"
    partners.clock.advance(timedelta(hours=4))
    assert await resend_abandoned(hub.roaming) == 1
    await hub.work()
    await partners.sample("t1", 6 * KWH, 22_000)
    await a.work()
    async with b.database.transaction() as connection:
        (seen,) = await list_sessions(connection)
    assert seen.energy_mwh == 6 * KWH, "known to be back, so it is told at once again"


async def test_a_hub_that_is_away_gets_the_latest_state_once_it_is_back(partners: Country) -> None:
    a, b, hub = partners.all
    assert isinstance(await partners.begin("T-bora", "t1"), Started)
    await hub.stop()
    for register in (1, 2, 3):
        await partners.sample("t1", register * KWH, 22_000)
    await a.work()
    await hub.start()
    await announce(hub.roaming)
    await a.work()
    async with b.database.transaction() as connection:
        (seen,) = await list_sessions(connection)
    assert seen.energy_mwh == 3 * KWH
