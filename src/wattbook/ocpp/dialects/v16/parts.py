"""Parts that several messages share."""

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, MWH_PER_WH, div_floor
from wattbook.ocpp.dialects.fields import INT32_MAX, time, whole, without_none, write_time
from wattbook.ocpp.messages import Authorization, CommandAnswer, CommandStatus, IdToken, TokenInfo
from wattbook.ocpp.wire.frames import JsonObject

ID_TAG_LENGTH_MAX = 20

AUTHORIZATIONS = {
    Authorization.NO_CREDIT: Authorization.BLOCKED,
    Authorization.NOT_ALLOWED_AT_EVSE: Authorization.INVALID,
    Authorization.NOT_AT_THIS_LOCATION: Authorization.INVALID,
    Authorization.NOT_AT_THIS_TIME: Authorization.INVALID,
    Authorization.UNKNOWN: Authorization.INVALID,
}
"""The nearest word of 1.6 (7.2) for those it does not have."""


def register_mwh(payload: JsonObject, name: str) -> int:
    """A meter's register, which these two messages state in whole watt-hours."""
    mwh: int = payload[name] * MWH_PER_WH
    if abs(mwh) > AMOUNT_MAX:
        raise InvalidInput(f"{name}: no meter shows {payload[name]} Wh")
    return mwh


def write_register(mwh: int) -> int:
    """Whole watt-hours, cut off downward like any register that shows fewer digits."""
    return div_floor(mwh, MWH_PER_WH)


def read_number_id(payload: JsonObject, name: str) -> str:
    return str(whole(payload, name))


def write_number_id(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise InvalidInput(f"OCPP 1.6 needs a whole number as transaction id, not {text!r}") from None
    if abs(number) > INT32_MAX:
        raise InvalidInput(f"OCPP 1.6 needs a transaction id of 32 bits, not {text}")
    return number


def read_token_info(info: JsonObject) -> TokenInfo:
    group = info.get("parentIdTag")
    return TokenInfo(Authorization(info["status"]), time(info, "expiryDate"), IdToken(group) if group else None)


def write_token_info(info: TokenInfo) -> JsonObject:
    return without_none(
        status=AUTHORIZATIONS.get(info.status, info.status).value,
        expiryDate=write_time(info.expires_at),
        # One that is too long for 1.6 (7.28) is left out rather than refused: it opens nothing that is closed.
        parentIdTag=info.group.value if info.group and len(info.group.value) <= ID_TAG_LENGTH_MAX else None,
    )


def _command_answer(payload: JsonObject) -> CommandAnswer:
    return CommandAnswer(CommandStatus(payload["status"]))


def _write_command_answer(answer: CommandAnswer) -> JsonObject:
    return {"status": answer.status.value}


COMMAND_ANSWER = (_command_answer, _write_command_answer)
