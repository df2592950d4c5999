"""Block C, authorisation."""

from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing
from wattbook.ocpp.dialects.v16.parts import COMMAND_ANSWER, read_token_info, write_token_info
from wattbook.ocpp.messages import Authorize, AuthorizeAnswer, ClearCache, CommandAnswer, IdToken
from wattbook.ocpp.wire.frames import JsonObject


def _authorize(payload: JsonObject) -> Authorize:
    return Authorize(IdToken(payload["idTag"]))


def _write_authorize(authorize: Authorize) -> JsonObject:
    return {"idTag": authorize.token.value}


def _authorize_answer(payload: JsonObject) -> AuthorizeAnswer:
    return AuthorizeAnswer(read_token_info(payload["idTagInfo"]))


def _write_authorize_answer(answer: AuthorizeAnswer) -> JsonObject:
    return {"idTagInfo": write_token_info(answer.token_info)}


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("Authorize", STATION, Authorize, AuthorizeAnswer,
             _authorize, _write_authorize, _authorize_answer, _write_authorize_answer),
    Exchange("ClearCache", MANAGEMENT, ClearCache, CommandAnswer,
             lambda _: ClearCache(), nothing, *COMMAND_ANSWER),
)
# fmt: on
