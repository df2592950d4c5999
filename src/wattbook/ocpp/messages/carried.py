"""What is carried as it is: a version's own words, a vendor's own."""

from __future__ import annotations

from enum import StrEnum

from wattbook.ocpp.messages.base import Answer, Json, Request


class VerbatimAnswer(Answer, frozen=True):
    """A payload as the connection's version writes it."""

    payload: Json


class Verbatim(Request[VerbatimAnswer], frozen=True):
    """A message without a struct of its own: its payload is carried as the connection's version writes it."""

    action: str
    payload: Json


class DataTransferStatus(StrEnum):
    """What became of a vendor's message."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE = "UnknownMessageId"
    UNKNOWN_VENDOR = "UnknownVendorId"


class DataTransferAnswer(Answer, frozen=True):
    """A vendor's own answer; in 1.6 `data` is a text."""

    status: DataTransferStatus
    data: Json = None


class DataTransfer(Request[DataTransferAnswer], frozen=True):
    """A vendor's own message; in 1.6 `data` is a text."""

    vendor: str
    message_id: str | None = None
    data: Json = None
