"""Payment information: energy that was charged at a house and paid to a payment device or server.

A payment is known by its server and the id that server gave it. The same information again, from a device that heard no
answer, changes nothing. The same identity with another house, other energy or other times is a conflict: what came
first stands, the other is kept for inspection, and only a withdrawal takes the first one back. A withdrawal is final,
also when it overtakes the payment it withdraws.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from wattbook.kernel.clock import format_rfc3339, utc
from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import Money

ID_LENGTH_MAX: Final = 64
ENERGY_MWH_MAX: Final = 10**12
"""One gigawatt-hour in one charge."""
CHARGE_LENGTH_MAX: Final = timedelta(days=31)
INTERVALS_MAX: Final = 4_000


class PaymentState(StrEnum):
    PAID = "paid"
    WITHDRAWN = "withdrawn"


class Split(StrEnum):
    """What decides the billing period of a charge."""

    END_TIME = "end-time"
    """The whole charge belongs to the period in which it ended."""
    INTERVALS = "intervals"
    """Each of the charge's own intervals belongs to the period in which it ended."""


class ChargedInterval(NamedTuple):
    """A part of a charge; it began where the part before it ended."""

    ended_at: datetime
    energy_mwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInformation:
    """What a payment device or server says of one paid charge.

    Attributes:
        server: who says it; with `id` the identity of the payment.
        household: the house, or `meter`: the number of the house's meter; just one of them.
        received_at: when it reached us.
        amount: what the driver paid, for information: the house's bill does not depend on it.
        intervals: the charge's own course, if the server has it; it sums to `energy_mwh`.
    """

    server: str
    id: str
    energy_mwh: int
    started_at: datetime
    ended_at: datetime
    received_at: datetime
    household: str | None = None
    meter: str | None = None
    amount: Money | None = None
    state: PaymentState = PaymentState.PAID
    intervals: tuple[ChargedInterval, ...] = ()

    @property
    def identity(self) -> tuple[str, str]:
        return self.server, self.id

    @property
    def house(self) -> str:
        """Of a payment whose house is known."""
        assert self.household is not None
        return self.household

    @property
    def split(self) -> Split:
        return Split.INTERVALS if self.intervals else Split.END_TIME

    @property
    def parts(self) -> tuple[ChargedInterval, ...]:
        """What is assigned to billing periods, each part by its end."""
        return self.intervals or (ChargedInterval(self.ended_at, self.energy_mwh),)

    def as_json(self) -> str:
        """For inspection: everything but the time of receipt; ASCII, so any database can keep it."""
        content = {
            "server": self.server,
            "id": self.id,
            "state": self.state,
            "household": self.household,
            "meter": self.meter,
            "energy_mwh": self.energy_mwh,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "amount": None if self.amount is None else str(self.amount),
            "intervals": [[part.ended_at.isoformat(), part.energy_mwh] for part in self.intervals],
        }
        return json.dumps(content, ensure_ascii=True)


def checked(payment: PaymentInformation) -> PaymentInformation:
    """The same payment with its times in UTC.

    Raises:
        InvalidInput: a field is out of form, and which.
    """
    for name, words in (("server", payment.server), ("id", payment.id)):
        if not 0 < len(words) <= ID_LENGTH_MAX or not words.isprintable():
            raise InvalidInput(f"the {name} of a payment is 1 to {ID_LENGTH_MAX} printable characters: {words[:80]!r}")
    what = f"payment {payment.id} of {payment.server}"
    if (payment.household is None) == (payment.meter is None):
        raise InvalidInput(f"{what} names either a household or a meter")
    place = payment.household or payment.meter or ""
    if not 0 < len(place) <= ID_LENGTH_MAX or not place.isprintable():
        raise InvalidInput(f"{what} names no house: {place[:80]!r}")
    if not 0 < payment.energy_mwh <= ENERGY_MWH_MAX:
        raise InvalidInput(f"{what} has {payment.energy_mwh} mWh: 1 to {ENERGY_MWH_MAX} are needed")
    if payment.amount is not None and payment.amount.amount < 0:
        raise InvalidInput(f"{what} has a negative amount: {payment.amount}")
    started_at, ended_at, received_at = utc(payment.started_at), utc(payment.ended_at), utc(payment.received_at)
    if not started_at < ended_at:
        raise InvalidInput(f"{what} ends at {format_rfc3339(ended_at)}, not after its start")
    if ended_at - started_at > CHARGE_LENGTH_MAX:
        raise InvalidInput(f"{what} is longer than {CHARGE_LENGTH_MAX.days} days")
    if ended_at > received_at:
        raise InvalidInput(f"{what} ends at {format_rfc3339(ended_at)}, which is in the future")
    timed = replace(payment, started_at=started_at, ended_at=ended_at, received_at=received_at)
    return replace(timed, intervals=tuple(_checked_intervals(timed, what)))


def _checked_intervals(payment: PaymentInformation, what: str) -> Iterator[ChargedInterval]:
    if not payment.intervals:
        return
    if len(payment.intervals) > INTERVALS_MAX:
        raise InvalidInput(f"{what} has more than {INTERVALS_MAX} intervals")
    total_mwh = sum(part.energy_mwh for part in payment.intervals)
    if total_mwh != payment.energy_mwh:
        raise InvalidInput(f"{what} has {payment.energy_mwh} mWh, but its intervals sum to {total_mwh}")
    before = payment.started_at
    for part in payment.intervals:
        ended_at = utc(part.ended_at)
        if not before < ended_at <= payment.ended_at:
            raise InvalidInput(f"{what}: its intervals end in order, after its start and not after its end")
        if part.energy_mwh < 0:
            raise InvalidInput(f"{what} has an interval of {part.energy_mwh} mWh")
        before = ended_at
        if part.energy_mwh:
            yield ChargedInterval(ended_at, part.energy_mwh)
