"""Block J: readings of meters."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from wattbook.ocpp.messages.base import Answer, Request


class Reading(Struct, frozen=True, gc=False):
    """One measured value that has no field of its own in `Sample`.

    Attributes:
        measurand: the field's own name, known to us or not.
        value: exact, in `unit`; None when the station sent no number.
        text: what it sent instead: signed data, or something garbled. Kept, so that nothing is lost.
        unit: as sent.
        phase: as sent; None: total.
        location: as sent; None: the outlet.
        signed: `text` is a signed meter value in the meter's own format.
    """

    measurand: str
    value: Decimal | None = None
    text: str | None = None
    unit: str | None = None
    phase: str | None = None
    location: str | None = None
    signed: bool = False


class Sample(Struct, frozen=True, gc=False):
    """The values of one moment, taken for one reason.

    The totals that charging needs have fields; every other value is in `readings`.

    Attributes:
        taken_at: by the station's clock.
        context: why it was taken: `Sample.Periodic`, `Transaction.Begin`, …
        import_mwh: the register of energy drawn from the grid; finer digits than 1 mWh are cut off downward, which a
            later reading makes up for, as a register only counts on.
        export_mwh: the register of energy fed in.
        import_w: active power drawn.
        export_w: active power fed in.
        soc_percent: state of charge of the vehicle.
        readings: everything else, in the order it was sent.
    """

    taken_at: datetime
    context: str = "Sample.Periodic"
    import_mwh: int | None = None
    export_mwh: int | None = None
    import_w: Decimal | None = None
    export_w: Decimal | None = None
    soc_percent: Decimal | None = None
    readings: tuple[Reading, ...] = ()


class MeterValuesAnswer(Answer, frozen=True):
    """Noted."""


class MeterValues(Request[MeterValuesAnswer], frozen=True):
    """Samples of one EVSE's meter, in a transaction or by the clock."""

    evse: int
    samples: tuple[Sample, ...]
    transaction_id: str | None = None
