"""Block C, payment at a terminal (2.1)."""

from typing import Any

from wattbook.ocpp.dialects.actions import STATION
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import place, whole_or_none, without_none
from wattbook.ocpp.dialects.v2.parts import ACCEPTED, INVALID_VALUE, REJECTED
from wattbook.ocpp.messages import VatNumberAnswer, VatNumberQuestion
from wattbook.ocpp.wire.frames import JsonObject


def _vat(payload: JsonObject) -> VatNumberQuestion:
    return VatNumberQuestion(payload["vatNumber"], place(payload, "evseId") if "evseId" in payload else None)


def _write_vat(question: VatNumberQuestion) -> JsonObject:
    return without_none(vatNumber=question.vat_number, evseId=question.evse)


def _vat_answer(payload: JsonObject) -> VatNumberAnswer:
    return VatNumberAnswer(
        payload["vatNumber"], whole_or_none(payload, "evseId"), payload.get("company"), payload["status"] == ACCEPTED
    )


def _write_vat_answer(answer: VatNumberAnswer) -> JsonObject:
    return without_none(
        status=ACCEPTED if answer.valid else REJECTED,
        vatNumber=answer.vat_number,
        evseId=answer.evse,
        company=answer.company,
        statusInfo=None if answer.valid else INVALID_VALUE,
    )


# fmt: off
ONLY_IN_21: tuple[Exchange[Any, Any], ...] = (
    Exchange("VatNumberValidation", STATION, VatNumberQuestion, VatNumberAnswer,
             _vat, _write_vat, _vat_answer, _write_vat_answer),
)
# fmt: on
