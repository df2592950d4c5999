"""Block E in OCPP 2.x: events of transactions in any order, told again, without a driver, without a begin."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from wattbook.app.databases import prove
from wattbook.book.accounts import ENERGY, Account
from wattbook.book.statements import balances
from wattbook.charging.events import SessionView
from wattbook.charging.ports import ConsentAnswer, ConsentRequest
from wattbook.charging.views import live_sessions, orphans, sessions_between
from wattbook.db.engine import Database
from wattbook.kernel.clock import ManualClock
from wattbook.ocpp.commands.submission import commands_of_station
from wattbook.ocpp.connections.ports import InboundMessage
from wattbook.ocpp.gateway.inbox import Inbox
from wattbook.ocpp.journal.notices import notices_of
from wattbook.ocpp.messages import (
    Answer,
    Authorization,
    ChargingNeeds,
    ChargingNeedsAnswer,
    IdToken,
    NeedsStatus,
    Phase,
    Request,
    Sample,
    StopReason,
    TransactionEvent,
    TransactionEventAnswer,
)
from wattbook.ocpp.transactions.event_log import missing_events
from wattbook.ocpp.wire.schemas import Part, check, validator
from wattbook.ocpp.wire.versions import V21, V201
from wattbook.simulate.estate import SUPPLIER, Estate, furnish

NOW = datetime.now(UTC).replace(microsecond=0)
BEGUN = NOW - timedelta(hours=1)
KWH = 1_000_000
ID = "transaction-1"


class Partners:
    """A roaming partner that knows one driver."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, request: ConsentRequest) -> ConsentAnswer:
        self.asked.append(request.token_uid)
        if request.token_uid != "PARTNER1":
            return ConsentAnswer("unknown")
        return ConsentAnswer("allowed", "KR*BRM", "KRBRMC000000017", "reference", SUPPLIER, None, Decimal(9000), "KRW")


class Scene:
    """One station that tells events, and what came of them."""

    def __init__(self, database: Database, estate: Estate, inbox: Inbox, clock: ManualClock) -> None:
        self.database, self.estate, self.clock = database, estate, clock
        self._inbox = inbox

    @property
    def token(self) -> IdToken:
        return IdToken(self.estate.token(0))

    async def tell(self, event: TransactionEvent) -> TransactionEventAnswer:
        answer = await self.say(event)
        assert isinstance(answer, TransactionEventAnswer)
        return answer

    async def say(self, message: Request[Any]) -> Answer:
        return await self._inbox(InboundMessage(self.estate.station(0), 1, "2.0.1", "x", message, self.clock()))

    async def ended(self) -> list[SessionView]:
        async with self.database.snapshot() as connection:
            return await sessions_between(connection, NOW - timedelta(days=1), NOW)

    async def drawn_mwh(self) -> int:
        account = Account(self.estate.customer(0), "consumption", ENERGY)
        async with self.database.snapshot() as connection:
            return (await balances(connection, [account]))[account].posted

    async def orphans(self) -> int:
        async with self.database.snapshot() as connection:
            return len(await orphans(connection, NOW - timedelta(days=1)))

    async def count(self, table: str) -> int:
        async with self.database.snapshot() as connection:
            found = await connection.execute(text(f"SELECT count(*) FROM {table}"))
            number: int = found.scalar_one()
            return number


@pytest.fixture
def partners() -> Partners:
    return Partners()


@pytest.fixture
async def scene(database: Database, partners: Partners) -> AsyncIterator[Scene]:
    async with database.transaction() as connection:
        estate = await furnish(connection, 2)
    clock = ManualClock(NOW)
    inbox = Inbox(database, clock, heartbeat_interval_s=300, partners=partners)
    inbox.start()
    yield Scene(database, estate, inbox, clock)
    await inbox.stop()


def event(phase: Phase, seq_no: int, mwh: int | None = None, minutes: int = 0, **more: Any) -> TransactionEvent:
    at = BEGUN + timedelta(minutes=minutes)
    samples = () if mwh is None else (Sample(at, import_mwh=mwh),)
    more.setdefault("transaction_id", ID)
    return TransactionEvent(phase=phase, seq_no=seq_no, occurred_at=at, trigger="Trigger", samples=samples, **more)


def session(token: IdToken) -> list[TransactionEvent]:
    return [
        event(Phase.STARTED, 0, 5 * KWH, token=token, evse=1),
        event(Phase.UPDATED, 1, 8 * KWH, 20),
        event(Phase.UPDATED, 2, 10 * KWH, 40),
        event(Phase.ENDED, 3, 12 * KWH, 60, stop_reason=StopReason.EV_DISCONNECTED),
    ]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3], ids=str)
async def test_events_in_any_order_and_twice_book_the_session_once(scene: Scene, order: tuple[int, ...]) -> None:
    """E04, E08, E12: what was queued offline may come late and again; the book is the same."""
    events = session(scene.token)
    for number in order + order:
        await scene.tell(events[number])
    (found,) = await scene.ended()
    assert (found.state, found.import_mwh) == ("completed", 7 * KWH)
    assert await scene.drawn_mwh() == 7 * KWH
    assert await scene.count("charging.meter_values") == 4, "each sample is kept once"
    assert await scene.orphans() == 0, "an end that found its begin is none"
    assert (await prove(scene.database)).holds


async def test_the_end_of_an_unknown_transaction_is_acknowledged_and_kept(scene: Scene) -> None:
    answer = await scene.tell(event(Phase.ENDED, 3, 12 * KWH, 60))
    assert answer == TransactionEventAnswer()
    assert await scene.orphans() == 1
    assert await scene.ended() == []


async def test_gaps_between_numbers_are_events_that_are_missing(scene: Scene) -> None:
    events = session(scene.token)
    await scene.tell(events[0])
    await scene.tell(events[3])
    async with scene.database.snapshot() as connection:
        assert await missing_events(connection, scene.estate.station(0), ID) == [1, 2]
        assert await missing_events(connection, scene.estate.station(0), "unheard") is None
    await scene.tell(events[2])
    await scene.tell(events[1])
    async with scene.database.snapshot() as connection:
        assert await missing_events(connection, scene.estate.station(0), ID) == []


async def test_a_number_that_is_used_again_later_is_no_repetition(scene: Scene) -> None:
    """Some stations do not count; what they measure counts all the same."""
    for told in session(scene.token):
        await scene.tell(event(told.phase, 0, told.samples[0].import_mwh, (told.occurred_at - BEGUN).seconds // 60,
                               token=told.token, evse=told.evse))  # fmt: skip
    (found,) = await scene.ended()
    assert (found.import_mwh, await scene.count("charging.meter_values")) == (7 * KWH, 4)


async def test_a_session_begins_with_the_event_that_tells_who_and_where(scene: Scene) -> None:
    """E02, E03: the cable first, then the card; the begin is the begin of the transaction."""
    await scene.tell(event(Phase.STARTED, 0, 5 * KWH, evse=1, connector=1))
    assert await scene.count("charging.sessions") == 0
    answer = await scene.tell(event(Phase.UPDATED, 1, 5 * KWH, 5, token=scene.token))
    assert answer.token_info is not None
    assert answer.token_info.status is Authorization.ACCEPTED
    async with scene.database.snapshot() as connection:
        (live,) = await live_sessions(connection)
    assert live.started_at == BEGUN


async def test_a_card_shown_before_the_place_is_known_is_judged_at_once(scene: Scene) -> None:
    answer = await scene.tell(event(Phase.STARTED, 0, token=scene.token))
    assert answer.token_info is not None
    assert answer.token_info.status is Authorization.ACCEPTED
    await scene.tell(event(Phase.UPDATED, 1, 5 * KWH, 1, evse=1, connector=1))
    await scene.tell(event(Phase.ENDED, 2, 9 * KWH, 60))
    assert await scene.drawn_mwh() == 4 * KWH, "from the first register that was told, never from zero"


async def test_energy_without_a_driver_is_an_exception_and_billed_to_nobody(scene: Scene) -> None:
    await scene.tell(event(Phase.STARTED, 0, 5 * KWH, evse=1))
    await scene.tell(event(Phase.ENDED, 1, 6 * KWH, 60))
    (found,) = await scene.ended()
    assert (found.state, found.import_mwh, found.cost_after_tax) == ("invalid", KWH, None)
    assert (await prove(scene.database)).holds


async def test_an_unknown_card_is_refused_and_what_it_draws_all_the_same_is_an_exception(scene: Scene) -> None:
    answer = await scene.tell(event(Phase.STARTED, 0, 5 * KWH, token=IdToken("UNHEARD-OF"), evse=1))
    assert answer.token_info is not None
    assert answer.token_info.status is Authorization.UNKNOWN
    again = await scene.tell(event(Phase.STARTED, 0, 5 * KWH, token=IdToken("UNHEARD-OF"), evse=1))
    assert again.token_info is not None
    assert again.token_info.status is Authorization.UNKNOWN
    await scene.tell(event(Phase.ENDED, 1, 6 * KWH, 1, stop_reason=StopReason.DEAUTHORIZED))
    (found,) = await scene.ended()
    assert found.state == "invalid"
    assert (await prove(scene.database)).holds


async def test_a_partners_driver_is_asked_for_and_no_sample_is_lost_meanwhile(scene: Scene, partners: Partners) -> None:
    token = IdToken("PARTNER1")
    answer = await scene.tell(event(Phase.STARTED, 0, 5 * KWH, token=token, evse=1))
    assert answer.token_info is not None
    assert answer.token_info.status is Authorization.ACCEPTED
    await scene.tell(event(Phase.ENDED, 1, 7 * KWH, 60, token=token))
    assert partners.asked == ["PARTNER1"]
    (found,) = await scene.ended()
    assert (found.token_party, found.import_mwh) == ("KR*BRM", 2 * KWH)
    assert await scene.count("charging.meter_values") == 2
    assert (await prove(scene.database)).holds


async def test_the_verdict_is_told_only_when_asked(scene: Scene) -> None:
    begin, progress, _, end = session(scene.token)
    assert (await scene.tell(begin)).token_info is not None
    assert (await scene.tell(progress)).token_info is None
    assert (await scene.tell(end)).token_info is None


async def test_the_group_of_a_token_is_told_so_that_its_members_may_stop_each_other(scene: Scene) -> None:
    """C09: the station compares groups itself."""
    async with scene.database.transaction() as connection:
        await connection.execute(text("UPDATE registry.tokens SET group_uid = 'FAMILY'"))
    answer = await scene.tell(session(scene.token)[0])
    assert answer.token_info is not None
    assert answer.token_info.group == IdToken("FAMILY")


async def test_costs_are_told_at_the_end_and_now_and_then_before(scene: Scene) -> None:
    """I02, I03: 324.4 a kWh and 10 % tax."""
    begin, first, second, end = session(scene.token)
    assert (await scene.tell(begin)).total_cost is None
    scene.clock.advance(timedelta(seconds=60))
    assert (await scene.tell(first)).total_cost == Decimal("1070.52")
    scene.clock.advance(timedelta(seconds=1))
    assert (await scene.tell(second)).total_cost is None, "told a moment ago"
    answer = await scene.tell(end)
    assert answer.total_cost == Decimal("2497.88")
    assert (await scene.tell(end)).total_cost == answer.total_cost


async def test_a_register_beyond_every_meter_counts_as_not_read(scene: Scene) -> None:
    await scene.tell(event(Phase.STARTED, 0, 5 * KWH, token=scene.token, evse=1))
    await scene.tell(event(Phase.UPDATED, 1, 10**17, 20))
    await scene.tell(event(Phase.ENDED, 2, 6 * KWH, 60))
    assert await scene.drawn_mwh() == KWH


async def test_what_a_vehicle_needs_is_answered_with_a_profile_and_with_a_new_one_when_it_changes(scene: Scene) -> None:
    """K15, K16: as a command to the station, accepted in the same transaction as the needs."""
    needs = ChargingNeeds(1, "DC", power_max_w=50_000, departs_at=NOW + timedelta(hours=2), said={})
    assert await scene.say(needs) == ChargingNeedsAnswer(NeedsStatus.NO_PROFILE), "nothing runs there"
    await scene.tell(event(Phase.STARTED, 0, 5 * KWH, token=scene.token, evse=1))
    for watts in (50_000, 30_000):
        changed = ChargingNeeds(1, "DC", power_max_w=watts, departs_at=NOW + timedelta(hours=2), said={})
        assert await scene.say(changed) == ChargingNeedsAnswer(NeedsStatus.ACCEPTED)
    assert await scene.say(ChargingNeeds(1, "DC", said={})) == ChargingNeedsAnswer(NeedsStatus.NO_PROFILE)
    async with scene.database.snapshot() as connection:
        commands = await commands_of_station(connection, scene.estate.station(0))
    profiles = [msgspec.json.decode(command.payload)["chargingProfile"] for command in commands]
    assert [command.action for command in commands] == ["SetChargingProfile"] * 2
    assert len({profile["id"] for profile in profiles}) == 1, "the later one takes the place of the former"
    (schedule,) = profiles[0]["chargingSchedule"]
    assert (profiles[0]["transactionId"], schedule["duration"]) == (ID, 7200)
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 30_000}]
    for version in (V201, V21):
        check(validator(version, "SetChargingProfile", Part.REQUEST), msgspec.json.decode(commands[0].payload))


async def test_what_a_station_computed_itself_is_kept(scene: Scene) -> None:
    details = {"totalCost": {"currency": "KRW"}}
    await scene.tell(event(Phase.ENDED, 2, 6 * KWH, 60, cost_details=details))
    async with scene.database.snapshot() as connection:
        (notice,) = await notices_of(connection, scene.estate.station(0))
    assert (notice.action, notice.payload["costDetails"]) == ("TransactionEvent", details)
