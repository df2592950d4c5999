"""Block C: who may begin, how often at once, who may end what another began, and how long a station may remember.

R31: one transaction a token, if the operator says so; R24: a stop is acknowledged whoever made it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.ocpp.deployment import NOW, VERSIONS, Deployment, deployed
from wattbook.app.databases import prove
from wattbook.charging.policy import Policy
from wattbook.db.engine import Database
from wattbook.ocpp.connections.station import Station
from wattbook.ocpp.messages import (
    Authorization,
    IdToken,
    StopReason,
    TokenInfo,
    TransactionStartedAnswer,
    TransactionStoppedAnswer,
)

KWH = 1_000_000
MINUTE = timedelta(minutes=1)
IN_ALL = pytest.mark.parametrize("version", VERSIONS)
ACCEPTED, INVALID = Authorization.ACCEPTED, Authorization.INVALID
Changing = Callable[..., Awaitable[None]]


@pytest.fixture
async def place(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """With the policy that a test names."""
    policy = getattr(request, "param", Policy())
    async with deployed(database, stations=3, policy=policy) as running:
        yield running
    assert (await prove(database)).holds


def under(**terms: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", [Policy(**terms)], indirect=True, ids=[",".join(terms)])


async def change(place: Deployment, n: int, **columns: Any) -> None:
    """What is on record of the token of driver n."""
    assigned = ", ".join(f"{name} = :{name}" for name in columns)
    async with place.database.transaction() as connection:
        await connection.execute(
            text(f"UPDATE registry.tokens SET {assigned} WHERE uid = :uid"), columns | {"uid": place.estate.token(n)}
        )


def token(place: Deployment, n: int) -> IdToken:
    return IdToken(place.estate.token(n))


async def begin(place: Deployment, station: Station, n: int, ago: timedelta = MINUTE) -> TransactionStartedAnswer:
    return await station.start_transaction(1, token(place, n), 5 * KWH, NOW - ago)


async def end(place: Deployment, station: Station, transaction_id: str, by: str) -> TransactionStoppedAnswer:
    reason = StopReason.LOCAL
    return await station.stop_transaction(transaction_id, 6 * KWH, NOW, reason, token=IdToken(by))


async def flags(place: Deployment) -> list[str]:
    found: list[str] = await place.value("SELECT flags FROM charging.sessions")
    return found


@IN_ALL
@under(concurrent_max=1)
async def test_r31_a_token_that_runs_a_transaction_elsewhere_is_told_so(place: Deployment, version: str) -> None:
    here, there = await place.connect(0, version), await place.connect(1, version)
    first = await begin(place, here, 0)
    assert first.token_info.status is ACCEPTED
    assert (await here.authorize(token(place, 0))).token_info.status is ACCEPTED, "only a start is refused so"
    second = await begin(place, there, 0)
    assert second.token_info.status is Authorization.CONCURRENT_TRANSACTION
    assert await place.value("SELECT refusal FROM charging.sessions WHERE state = 'invalid'") == "token-busy"
    await end(place, there, second.transaction_id, token(place, 0).value)
    await end(place, here, first.transaction_id, token(place, 0).value)
    again = await there.start_transaction(1, token(place, 0), 7 * KWH, NOW)
    assert again.token_info.status is ACCEPTED
    for station in (here, there):
        await station.close()


@under(concurrent_max=1)
async def test_a_start_at_the_same_outlet_a_late_one_and_the_same_one_again_are_taken(place: Deployment) -> None:
    here, there = await place.connect(0, "1.6"), await place.connect(1, "1.6")
    first = await begin(place, here, 0)
    assert (await begin(place, here, 0)).transaction_id == first.transaction_id
    assert (await here.start_transaction(1, token(place, 0), 6 * KWH, NOW)).token_info.status is ACCEPTED
    late = await begin(place, there, 0, timedelta(hours=1))
    assert late.token_info.status is ACCEPTED, "what was drawn while nobody heard of it is billed"
    for station in (here, there):
        await station.close()


@IN_ALL
async def test_what_a_token_says_of_itself_goes_before_the_policy(place: Deployment, version: str) -> None:
    await change(place, 0, concurrent_max=1)
    here, there = await place.connect(0, version), await place.connect(1, version)
    assert [(await begin(place, station, 0)).token_info.status for station in (here, there)] == [
        ACCEPTED,
        Authorization.CONCURRENT_TRANSACTION,
    ]
    third = await place.connect(2, version)
    assert (await begin(place, third, 1)).token_info.status is ACCEPTED
    for station in (here, there, third):
        await station.close()


@IN_ALL
async def test_c09_a_token_of_the_group_may_end_it_and_is_told_its_group(place: Deployment, version: str) -> None:
    for n in (0, 1):
        await change(place, n, group_uid="FAMILY")
    station = await place.connect(0, version)
    started = await begin(place, station, 0)
    assert started.token_info.group is not None
    assert started.token_info.group.value == "FAMILY"
    answer = await end(place, station, started.transaction_id, place.estate.token(1))
    assert answer.token_info is not None
    assert answer.token_info.status is ACCEPTED
    assert answer.token_info.group == started.token_info.group
    assert await flags(place) == []
    await station.close()


@IN_ALL
async def test_one_of_no_group_may_not_and_the_session_is_ended_and_flagged(place: Deployment, version: str) -> None:
    station = await place.connect(0, version)
    started = await begin(place, station, 0)
    answer = await end(place, station, started.transaction_id, place.estate.token(1))
    assert answer.token_info == TokenInfo(INVALID)
    assert await flags(place) == ["stopped-by-stranger"]
    assert await place.value("SELECT state FROM charging.sessions") == "completed", "what was drawn is billed"
    await station.close()


@IN_ALL
async def test_who_began_may_end_though_the_token_was_blocked_meanwhile(place: Deployment, version: str) -> None:
    station = await place.connect(0, version)
    started = await begin(place, station, 0)
    await change(place, 0, valid=False)
    answer = await end(place, station, started.transaction_id, place.estate.token(0).lower())
    assert answer.token_info is not None
    assert answer.token_info.status is ACCEPTED
    assert await flags(place) == []
    await station.close()


@IN_ALL
@under(master_pass_group="GUARDS")
async def test_c16_a_master_pass_ends_any_session_and_begins_none(place: Deployment, version: str) -> None:
    await change(place, 1, group_uid="GUARDS", customer=None, unit=None)
    station = await place.connect(0, version)
    started = await begin(place, station, 0)
    verdict = (await station.authorize(token(place, 1))).token_info
    assert verdict.status is ACCEPTED
    assert verdict.group is not None
    assert verdict.group.value == "GUARDS"
    answer = await end(place, station, started.transaction_id, place.estate.token(1))
    assert answer.token_info is not None
    assert answer.token_info.status is ACCEPTED
    assert await flags(place) == []
    assert (await station.start_transaction(1, token(place, 1), 9 * KWH, NOW)).token_info.status is INVALID
    await station.close()


@IN_ALL
@under(hold_max={})
async def test_a_card_whose_wallet_the_running_session_emptied_is_good_to_end_it(
    place: Deployment, version: str
) -> None:
    here, there = await place.connect(0, version), await place.connect(1, version)
    await begin(place, here, 0)
    assert (await here.authorize(token(place, 0))).token_info.status is ACCEPTED
    elsewhere = (await there.authorize(token(place, 0))).token_info.status
    assert elsewhere is (Authorization.BLOCKED if version == "1.6" else Authorization.NO_CREDIT)
    for station in (here, there):
        await station.close()


@IN_ALL
@under(cache_for=timedelta(hours=8))
async def test_how_long_a_station_may_remember_is_told_with_each_verdict(place: Deployment, version: str) -> None:
    await change(place, 1, valid_until=NOW + timedelta(hours=2))
    await change(place, 2, whitelist="NEVER")
    station = await place.connect(0, version)
    told = [(await station.authorize(token(place, n))).token_info.expires_at for n in range(3)]
    assert told == [NOW + timedelta(hours=8), NOW + timedelta(hours=2), NOW + MINUTE]
    await station.close()
