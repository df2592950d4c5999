"""The shape of a dialect: a table of exchanges, each a request and its answer, read and written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from jsonschema_rs import Validator

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.dialects.actions import ACTIONS
from wattbook.ocpp.messages import Answer, End, Request, Verbatim, VerbatimAnswer
from wattbook.ocpp.wire import schemas
from wattbook.ocpp.wire.frames import JsonObject
from wattbook.ocpp.wire.schemas import Part
from wattbook.ocpp.wire.versions import Version

AnswerT = TypeVar("AnswerT", bound=Answer)
RequestT = TypeVar("RequestT", bound=Request[Any])


@dataclass(frozen=True)
class Exchange(Generic[RequestT, AnswerT]):
    """One action of one version.

    Attributes:
        action: its name on the wire.
        senders: the ends that may send the request.
        request, answer: the neutral structs.
        read_request, write_request, read_answer, write_answer: between payload and struct. A reader gets a payload that
            passed the schema, and raises InvalidInput for what a schema cannot say.
    """

    action: str
    senders: frozenset[End]
    request: type[RequestT]
    answer: type[AnswerT]
    read_request: Callable[[JsonObject], RequestT]
    write_request: Callable[[RequestT], JsonObject]
    read_answer: Callable[[JsonObject], AnswerT]
    write_answer: Callable[[AnswerT], JsonObject]


@dataclass(frozen=True)
class Translation:
    """An exchange with its two compiled schemas: everything a payload needs on its way in or out."""

    exchange: Exchange[Any, Any]
    request_schema: Validator
    answer_schema: Validator


class Dialect:
    """A version's table, looked up by action on the way in and by struct on the way out.

    Every action of the version has its place in it: one without a row of its own is carried verbatim.
    """

    def __init__(self, version: Version, exchanges: Iterable[Exchange[Any, Any]]) -> None:
        self.version = version
        self.exchanges = tuple(exchanges)

    @cached_property
    def by_action(self) -> dict[str, Translation]:
        own = {exchange.action: self._translation(exchange) for exchange in self.exchanges}
        return self._verbatim | own

    @cached_property
    def _verbatim(self) -> dict[str, Translation]:
        return {
            action: self._translation(_carry(action), times=True) for action in sorted(schemas.actions(self.version))
        }

    @cached_property
    def _by_request(self) -> dict[type[Request[Any]], Translation]:
        return {exchange.request: self.by_action[exchange.action] for exchange in self.exchanges}

    def of(self, request: Request[Any]) -> Translation:
        """How to send this request.

        Raises:
            InvalidInput: the version has no such message.
        """
        if isinstance(request, Verbatim):
            translation = self._verbatim.get(request.action)
        else:
            translation = self._by_request.get(type(request))
        if translation is None:
            name = request.action if isinstance(request, Verbatim) else type(request).__name__
            raise InvalidInput(f"OCPP {self.version.name} has no message for {name}")
        return translation

    def speaks(self, request: type[Request[Any]]) -> bool:
        """Whether the version has a message for this struct."""
        return request in self._by_request

    def _translation(self, exchange: Exchange[Any, Any], *, times: bool = False) -> Translation:
        return Translation(
            exchange,
            schemas.validator(self.version, exchange.action, Part.REQUEST, times=times),
            schemas.validator(self.version, exchange.action, Part.ANSWER),
        )


def _carry(action: str) -> Exchange[Verbatim, VerbatimAnswer]:
    """The exchange of an action that has no struct of its own."""
    return Exchange(
        action,
        ACTIONS[action].senders,
        Verbatim,
        VerbatimAnswer,
        lambda payload: Verbatim(action, payload),
        lambda request: request.payload,
        VerbatimAnswer,
        lambda answer: answer.payload,
    )
