"""The shape of a dialect: a table of exchanges, each a request and its answer, read and written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from jsonschema_rs import Validator

from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp import schemas
from wattbook.ocpp.frames import JsonObject
from wattbook.ocpp.messages import Answer, End, Request
from wattbook.ocpp.schemas import Part
from wattbook.ocpp.versions import Version

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
    """A version's table, looked up by action on the way in and by struct on the way out."""

    def __init__(self, version: Version, exchanges: Iterable[Exchange[Any, Any]]) -> None:
        self.version = version
        self.exchanges = tuple(exchanges)

    @cached_property
    def by_action(self) -> dict[str, Translation]:
        return {
            exchange.action: Translation(
                exchange,
                schemas.validator(self.version, exchange.action, Part.REQUEST),
                schemas.validator(self.version, exchange.action, Part.ANSWER),
            )
            for exchange in self.exchanges
        }

    @cached_property
    def _by_request(self) -> dict[type[Request[Any]], Translation]:
        return {translation.exchange.request: translation for translation in self.by_action.values()}

    def of(self, request: Request[Any]) -> Translation:
        """How to send this request.

        Raises:
            InvalidInput: the version has no such message.
        """
        translation = self._by_request.get(type(request))
        if translation is None:
            raise InvalidInput(f"OCPP {self.version.name} has no message for {type(request).__name__}")
        return translation
