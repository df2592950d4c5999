"""Block P, data transfer: the same words in every version."""

from typing import Any

from wattbook.ocpp.dialects.actions import EITHER
from wattbook.ocpp.dialects.exchange import Exchange
from wattbook.ocpp.dialects.fields import without_none
from wattbook.ocpp.messages import DataTransfer, DataTransferAnswer, DataTransferStatus
from wattbook.ocpp.wire.frames import JsonObject


def _data_transfer(payload: JsonObject) -> DataTransfer:
    return DataTransfer(payload["vendorId"], payload.get("messageId"), payload.get("data"))


def _write_data_transfer(transfer: DataTransfer) -> JsonObject:
    return without_none(vendorId=transfer.vendor, messageId=transfer.message_id, data=transfer.data)


def _data_transfer_answer(payload: JsonObject) -> DataTransferAnswer:
    return DataTransferAnswer(DataTransferStatus(payload["status"]), payload.get("data"))


def _write_data_transfer_answer(answer: DataTransferAnswer) -> JsonObject:
    return without_none(status=answer.status.value, data=answer.data)


# fmt: off
EXCHANGES: tuple[Exchange[Any, Any], ...] = (
    Exchange("DataTransfer", EITHER, DataTransfer, DataTransferAnswer,
             _data_transfer, _write_data_transfer, _data_transfer_answer, _write_data_transfer_answer),
)
# fmt: on
