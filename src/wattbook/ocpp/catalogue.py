"""Every message of every version in one table: who sends it, what becomes of it, and which test shows that.

    python -m wattbook.ocpp.catalogue > table.md

The table is computed from the schemas, the dialects and the routes, so it says what the code does.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from wattbook.ocpp.controllers.routes import ROUTES
from wattbook.ocpp.dialects import DIALECTS
from wattbook.ocpp.dialects.actions import ACTIONS, Action, Block
from wattbook.ocpp.dialects.exchange import Dialect
from wattbook.ocpp.messages import End, Verbatim
from wattbook.ocpp.wire import schemas

RECEIVED_TEST: Final = "tests/ocpp/test_every_message.py::test_a_message_is_answered"
SENT_TEST: Final = "tests/ocpp/test_every_message.py::test_a_command_reaches_the_station"

ARROWS: Final = {
    frozenset({End.STATION}): "station → management",
    frozenset({End.MANAGEMENT}): "management → station",
    frozenset(End): "either way",
}


class Entry(Struct, frozen=True):
    """One action of one version.

    Attributes:
        handled: what becomes of it here, for a reader of the code.
        test: the id of the test that shows it.
    """

    version: str
    action: str
    block: Block
    senders: frozenset[End]
    handled: str
    test: str

    @property
    def id(self) -> str:
        return f"{self.version}-{self.action}"


@cache
def entries() -> tuple[Entry, ...]:
    """By version, then by action."""
    return tuple(
        _entry(dialect, action, ACTIONS[action])
        for dialect in DIALECTS.values()
        for action in sorted(schemas.actions(dialect.version))
    )


def _entry(dialect: Dialect, action: str, known: Action) -> Entry:
    received = End.STATION in known.senders
    test = RECEIVED_TEST if received else SENT_TEST
    version = dialect.version.name
    handled = _received(dialect, action) if received else _sent(dialect, action)
    return Entry(version, action, known.block, known.senders, handled, f"{test}[{version}-{action}]")


def _received(dialect: Dialect, action: str) -> str:
    request = dialect.by_action[action].exchange.request
    controller = ROUTES[request]
    place = f"{controller.__module__.removeprefix('wattbook.ocpp.')}.{controller.__name__}"
    if request is not Verbatim:
        return f"`{place}`"
    status = ACTIONS[action].answer.get("status")
    return "kept" + (f", answered {status}" if status else "")


def _sent(dialect: Dialect, action: str) -> str:
    request = dialect.by_action[action].exchange.request
    return (
        "by action and payload" if request is Verbatim else f"`messages.{request.__name__}`, or by action and payload"
    )


def markdown() -> str:
    """The table, one line an action, by block."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    versions = [dialect.version.name for dialect in DIALECTS.values()]
    yield f"| block | message | {' | '.join(versions)} | direction | what becomes of it | test |"
    yield "|---" * (len(versions) + 5) + "|"
    by_action: dict[str, dict[str, Entry]] = {}
    for entry in entries():
        by_action.setdefault(entry.action, {})[entry.version] = entry
    ordered = sorted(by_action.items(), key=lambda item: (ACTIONS[item[0]].block.value, item[0]))
    for action, found in ordered:
        yield _line(action, found, versions)


def _line(action: str, found: Mapping[str, Entry], versions: list[str]) -> str:
    """What differs between versions is told by version; the test is the one of the newest."""
    newest = found[max(found, key=versions.index)]
    handled = sorted({entry.handled for entry in found.values()})
    told = handled[0] if len(handled) == 1 else "; ".join(f"{name}: {found[name].handled}" for name in found)
    spoken = " | ".join("●" if name in found else "" for name in versions)
    test = newest.test.removeprefix("tests/ocpp/test_every_message.py::")
    return f"| {newest.block.title} | {action} | {spoken} | {ARROWS[newest.senders]} | {told} | `{test}` |"


if __name__ == "__main__":
    print(markdown(), end="")
