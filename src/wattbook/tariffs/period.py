"""A billing period: whole days, first and last both inside."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from wattbook.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """Days in the local calendar of the tariff.

    Raises:
        InvalidInput: the last day is before the first.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InvalidInput(f"a period cannot end on {self.last} when it starts on {self.first}")

    @classmethod
    def of_month(cls, text: str) -> Self:
        """The calendar month of a text such as `2026-10`.

        Raises:
            InvalidInput: not a month.
        """
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            raise InvalidInput(f"not a month: {text!r}; a month reads 2026-10") from None
        return cls(first, first.replace(day=monthrange(first.year, first.month)[1]))

    @classmethod
    def parse(cls, first: str, last: str) -> Self:
        """From the two days as texts such as `2022-03-11`.

        Raises:
            InvalidInput: not a day, or the wrong order.
        """
        return cls(_day(first), _day(last))

    @classmethod
    def of_text(cls, text: str) -> Self:
        """A calendar month such as `2026-10`, or days such as `2026-10-05..2026-11-04`.

        Raises:
            InvalidInput: neither.
        """
        first, dots, last = text.partition("..")
        return cls.parse(first, last) if dots else cls.of_month(text)

    @property
    def day_count(self) -> int:
        return (self.last - self.first).days + 1

    def days(self) -> Iterator[date]:
        return (self.first + timedelta(days=number) for number in range(self.day_count))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"not a day: {text!r}; a day reads 2022-03-11") from None
