"""Every message of every version: what stations send is answered, what management systems send arrives.

The table in `docs/ocpp.md` names a test of this file for each message.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import fresh_database
from wattbook.conformance.generator import payloads
from wattbook.conformance.versions import VERSIONS as PUBLISHED
from wattbook.db.embedded import EmbeddedServer
from wattbook.db.engine import Database
from wattbook.kernel.clock import system_clock
from wattbook.ocpp.catalogue import Entry, entries, markdown
from wattbook.ocpp.connections.message_handler import MessageHandler
from wattbook.ocpp.connections.ports import InboundMessage, RejectedFrame
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.dialects.actions import ACTIONS
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.gateway.inbox import Inbox
from wattbook.ocpp.messages import Answer, End, Verbatim
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.errors import ErrorCode, RpcError
from wattbook.ocpp.wire.frames import Call, JsonObject, Send
from wattbook.ocpp.wire.versions import VERSIONS
from wattbook.simulate.estate import Estate, furnish

DOCUMENT = Path(__file__).parents[2] / "docs" / "ocpp.md"
SEED = 20_260_101
BY_NAME = {dialect.version.name: dialect for dialect in DIALECTS.values()}

RECEIVED = [entry for entry in entries() if End.STATION in entry.senders]
SENT = [entry for entry in entries() if entry.senders == {End.MANAGEMENT}]

UNREADABLE = frozenset({ErrorCode.PROPERTY_CONSTRAINT_VIOLATION})
"""A schema allows numbers and times that nothing can mean; that is told, and nothing else."""


def ids(entry: Entry) -> str:
    return entry.id


@dataclass
class Management:
    """The management system's end without a socket, and one of its stations."""

    inbox: Inbox
    estate: Estate
    rejected: list[RejectedFrame]

    def handler(self, dialect: Dialect) -> MessageHandler:
        return handler(dialect, End.STATION, self.inbox, self.estate.station(0), self.rejected)


def handler(
    dialect: Dialect, opposite: End, inbox: Any, station_id: str, rejected: list[RejectedFrame]
) -> MessageHandler:
    return MessageHandler(
        station_id,
        1,
        dialect,
        opposite,
        inbox=inbox,
        quarantine=rejected.append,
        on_late_answer=lambda _: None,
        clock=lambda: datetime.now(UTC),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def management(server: EmbeddedServer) -> AsyncIterator[Management]:
    with fresh_database(server) as url:
        database = Database(url)
        async with database.transaction() as connection:
            estate = await furnish(connection, 1)
        inbox = Inbox(database, system_clock, heartbeat_interval_s=300)
        inbox.start()
        yield Management(inbox, estate, [])
        await inbox.stop()
        await database.close()


def generated(entry: Entry, part: schemas.Part) -> list[JsonObject]:
    schema = schemas.document(BY_NAME[entry.version].version, entry.action, part)
    return [payload for payload, _ in zip(payloads(schema, SEED), range(4), strict=False)]


async def answer_of(end: MessageHandler, entry: Entry, payload: JsonObject) -> JsonObject | None:
    """None when the payload says what nothing can mean."""
    try:
        answer = await end.on_call(Call("1", entry.action, payload), b"")
    except RpcError as refusal:
        if refusal.rpc_code in UNREADABLE:
            return None
        raise
    assert isinstance(answer, dict)
    return answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("entry", RECEIVED, ids=ids)
async def test_a_message_is_answered(management: Management, entry: Entry) -> None:
    """Against its schema; no other refusal is raised than that of `answer_of`."""
    dialect = BY_NAME[entry.version]
    end = management.handler(dialect)
    answered = 0
    for payload in generated(entry, schemas.Part.REQUEST):
        if not schemas.is_answered(dialect.version, entry.action):
            management.rejected.clear()
            await end.on_send(Send("1", entry.action, payload), b"")
            answered += not management.rejected
            continue
        answered += await answer_of(end, entry, payload) is not None
    assert answered > 0


@pytest.mark.parametrize("entry", SENT, ids=ids)
async def test_a_command_reaches_the_station(entry: Entry) -> None:
    """Said by action and payload, it is read at the station, and the station's answer comes back as it was."""
    dialect, rejected = BY_NAME[entry.version], list[RejectedFrame]()
    exchange = dialect.by_action[entry.action].exchange
    heard: list[InboundMessage] = []
    for payload, answer in zip(
        generated(entry, schemas.Part.REQUEST), generated(entry, schemas.Part.ANSWER), strict=False
    ):

        async def obey(inbound: InboundMessage, said: JsonObject = answer) -> Answer:
            heard.append(inbound)
            result: Answer = exchange.read_answer(said)
            return result

        station = handler(dialect, End.MANAGEMENT, obey, "CP1", rejected)
        management_end = handler(dialect, End.STATION, obey, "CP1", rejected)
        translation, written = management_end.write_request(Verbatim(entry.action, payload))
        assert written == payload
        returned = await answer_of(station, entry, written)
        if returned is not None:
            schemas.check(translation.answer_schema, returned)
    assert heard
    assert isinstance(heard[0].message, exchange.request)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_every_action_of_the_schemas_has_its_place(version: Any) -> None:
    dialect = BY_NAME[version.name]
    assert set(dialect.by_action) == schemas.actions(version) <= set(ACTIONS)
    for action, translation in dialect.by_action.items():
        assert translation.exchange.senders == ACTIONS[action].senders, action


def test_no_action_is_known_that_no_version_has() -> None:
    assert set(ACTIONS) == frozenset().union(*(schemas.actions(version) for version in VERSIONS))


def test_what_stations_send_is_what_the_conformance_suite_says_they_send() -> None:
    for name, published in PUBLISHED.items():
        ours = {entry.action for entry in RECEIVED if entry.version == name}
        assert set(published.received) == {
            action for action in ours if schemas.is_answered(BY_NAME[name].version, action)
        }


def test_the_table_of_the_documentation_is_the_catalogue() -> None:
    """Made by `python -m wattbook.ocpp.catalogue`."""
    assert markdown() in DOCUMENT.read_text("utf-8")
