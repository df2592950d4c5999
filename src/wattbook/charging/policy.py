"""The limits an operator sets for charging: amounts, times, and how often others are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import AMOUNT_MAX, Money


def _hold_max() -> dict[str, Decimal]:
    return {"KRW": Decimal(50_000), "EUR": Decimal(50), "CHF": Decimal(50), "USD": Decimal(50), "CNY": Decimal(300)}


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of clearance, sessions and announcements.

    Attributes:
        hold_max: by currency, the most that is set aside on a prepaid wallet for one session; a currency that is not
            listed has no such limit.
        balance_min: by currency, the least a prepaid customer must have to begin; not listed: anything above zero.
        hold_valid: a hold frees itself after this time; a session that ends later is paid as one without a hold.
        consent_valid: how long a partner's yes counts (OCPI 2.2.1, 13.2.2: a token of a command counts 15 minutes).
        refusal_valid: how long a partner's no, or its silence, counts before it is asked again.
        change_interval: a running session is announced to subscribers at most this often.
        clock_ahead_max, clock_behind_max: a station's time further off than this from ours is kept, flagged, and not
            used to judge validities or to choose the accounting period.
        concurrent_max: how many sessions a token may run at once, unless the token says otherwise; None: any number.
        concurrent_within: a start that is told later than this is taken all the same: its energy has flowed.
        master_pass_group: tokens of this group may end every session and begin none.
        cache_for: how long a station may remember a token as good; None: as long as the token itself is.
        progress_weight: b, how much of the time lost to low power the remaining time counts once more; 0 to 1.
    """

    hold_max: Mapping[str, Decimal] = field(default_factory=_hold_max)
    balance_min: Mapping[str, Decimal] = field(default_factory=dict)
    hold_valid: timedelta = timedelta(hours=24)
    consent_valid: timedelta = timedelta(minutes=15)
    refusal_valid: timedelta = timedelta(seconds=30)
    change_interval: timedelta = timedelta(seconds=10)
    clock_ahead_max: timedelta = timedelta(hours=1)
    clock_behind_max: timedelta = timedelta(days=90)
    concurrent_max: int | None = None
    concurrent_within: timedelta = timedelta(minutes=5)
    master_pass_group: str | None = None
    cache_for: timedelta | None = None
    progress_weight: Decimal = Decimal("0.5")

    def __post_init__(self) -> None:
        if not 0 <= self.progress_weight <= 1:
            raise InvalidInput(f"the weight of lost time is from 0 to 1, not {self.progress_weight}")

    def hold_max_amount(self, currency: str) -> int:
        """In stored units."""
        limit = self.hold_max.get(currency)
        return AMOUNT_MAX if limit is None else Money.of(limit, currency).amount

    def balance_min_amount(self, currency: str) -> int:
        """In stored units; at least one."""
        return max(1, Money.of(self.balance_min.get(currency, Decimal(0)), currency).amount)


POLICY = Policy()
