"""Block C, authorisation."""

from typing import Any

from wattbook.ocpp.dialects.actions import MANAGEMENT, STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import nothing, without_none
from wattbook.ocpp.dialects.v2.parts import (
    COMMAND_ANSWER,
    read_hash,
    read_token,
    read_token_info,
    write_hash,
    write_token,
    write_token_info,
)
from wattbook.ocpp.messages import Authorize, AuthorizeAnswer, CertificateStatus, ClearCache, CommandAnswer
from wattbook.ocpp.wire.frames import JsonObject


def _authorize(payload: JsonObject) -> Authorize:
    hashes = payload.get("iso15118CertificateHashData", ())
    return Authorize(
        read_token(payload["idToken"]), payload.get("certificate"), tuple(read_hash(each) for each in hashes)
    )


def _write_authorize(authorize: Authorize) -> JsonObject:
    return without_none(
        idToken=write_token(authorize.token),
        certificate=authorize.certificate,
        iso15118CertificateHashData=[write_hash(each) for each in authorize.certificate_hashes] or None,
    )


def _authorize_answer(payload: JsonObject) -> AuthorizeAnswer:
    status = payload.get("certificateStatus")
    return AuthorizeAnswer(read_token_info(payload["idTokenInfo"]), CertificateStatus(status) if status else None)


def _write_authorize_answer(answer: AuthorizeAnswer) -> JsonObject:
    return without_none(
        idTokenInfo=write_token_info(answer.token_info),
        certificateStatus=answer.certificate_status.value if answer.certificate_status else None,
    )


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("Authorize", STATION, Authorize, AuthorizeAnswer,
             _authorize, _write_authorize, _authorize_answer, _write_authorize_answer),
    Exchange("ClearCache", MANAGEMENT, ClearCache, CommandAnswer,
             lambda _: ClearCache(), nothing, *COMMAND_ANSWER),
)
# fmt: on
