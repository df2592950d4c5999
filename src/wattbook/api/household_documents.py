"""What a program sees of the account of a house. Energy in kWh, money in units of the currency: exact decimals."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Self

from pydantic import BaseModel

from wattbook.api.documents import BillDocument, BillLines, Exact
from wattbook.household.accounts.account import Account, Billed, DayAccount, DayUse, ReadingUse
from wattbook.household.accounts.account_rows import PaidCharge
from wattbook.household.accounts.forecast import Expected, Forecast
from wattbook.household.accounts.listing import ListedHouse
from wattbook.household.accounts.tiers import Tier, TierUse
from wattbook.household.bills.notices import Notice
from wattbook.household.paid.assessment import Assessment, Lines
from wattbook.kernel.units import Currency, Energy, Money

DOCUMENTS = "/api/v1/documents"


class LatestBillDocument(BaseModel):
    """`owed` is what the bill comes to after its credit notes."""

    first_day: date
    last_day: date
    owed: Exact
    currency: str
    stage: str


class HouseDocument(BaseModel):
    """A house with the customer and the tariff of today; `bill` is null where it was never billed."""

    id: str
    customer: str | None
    address: str
    tariff: str
    reading_day: int
    bill: LatestBillDocument | None

    @classmethod
    def of(cls, listed: ListedHouse) -> Self:
        house, bill = listed.house, listed.bill
        return cls(
            id=house.id,
            customer=None if listed.is_vacant else house.customer,
            address=house.address,
            tariff=house.tariff,
            reading_day=house.reading_day,
            bill=bill
            and LatestBillDocument(
                first_day=bill.period.first,
                last_day=bill.period.last,
                owed=bill.owed.value,
                currency=bill.owed.currency.code,
                stage=bill.stage,
            ),
        )


class Day(BaseModel):
    """A day in the tariff's time zone; `own_kwh` is what was metered less what was paid elsewhere."""

    day: date
    metered_kwh: Exact
    paid_elsewhere_kwh: Exact
    own_kwh: Exact
    estimated_kwh: Exact
    missing_minutes: int

    @classmethod
    def of(cls, use: DayUse) -> Self:
        return cls(
            day=use.day,
            metered_kwh=Energy(use.metered_mwh).kwh,
            paid_elsewhere_kwh=Energy(use.paid_mwh).kwh,
            own_kwh=Energy(use.own_mwh).kwh,
            estimated_kwh=Energy(use.estimated_mwh).kwh,
            missing_minutes=use.missing_minutes,
        )


class TierDocument(BaseModel):
    """`price` is per kWh, before taxes and what else the bill adds; the last tier has no end."""

    number: int
    above_kwh: Exact
    to_kwh: Exact | None
    price: Exact

    @classmethod
    def of(cls, tier: Tier) -> Self:
        to_kwh = None if tier.to_kwh is None else decimal(tier.to_kwh)
        return cls(number=tier.number, above_kwh=decimal(tier.above_kwh), to_kwh=to_kwh, price=decimal(tier.price))


class TierUseDocument(BaseModel):
    """The house's own energy in a tier, or in a zone of the day, as the bill rates it."""

    tier: int | None
    zone: str | None
    kwh: Exact
    price: Exact
    amount: Exact

    @classmethod
    def of(cls, use: TierUse) -> Self:
        return cls(
            tier=use.tier,
            zone=use.zone or None,
            kwh=decimal(use.kwh),
            price=decimal(use.price),
            amount=decimal(use.amount),
        )


class ChargeDocument(BaseModel):
    """A charge that was paid elsewhere; `in_period_kwh` is what of it belongs to the billing period."""

    server: str
    id: str
    started_at: datetime
    ended_at: datetime
    kwh: Exact
    in_period_kwh: Exact
    state: str
    split: str
    amount: Exact | None
    currency: str | None

    @classmethod
    def of(cls, charge: PaidCharge, since: datetime, until: datetime) -> Self:
        counted = charge.energy_between(since, until) if charge.counts else 0
        return cls(
            server=charge.server,
            id=charge.id,
            started_at=charge.started_at,
            ended_at=charge.ended_at,
            kwh=Energy(charge.energy_mwh).kwh,
            in_period_kwh=Energy(counted).kwh,
            state=charge.state,
            split=charge.split,
            amount=None if charge.amount is None else charge.amount.value,
            currency=None if charge.amount is None else charge.amount.currency.code,
        )


class AssessmentDocument(BaseModel):
    """`household_kwh + paid_elsewhere_kwh + exception_kwh = metered_kwh`; `gross_total - saved = lines.total`.

    `saved` is what the charging that was paid elsewhere took out of the bill.
    """

    metered_kwh: Exact
    paid_elsewhere_kwh: Exact
    household_kwh: Exact
    exception_kwh: Exact
    lines: BillLines
    gross_total: Exact
    saved: Exact

    @classmethod
    def of(cls, assessed: Assessment, currency: str) -> Self:
        unit = Currency.of(currency)
        return cls(
            metered_kwh=Energy(assessed.metered_mwh).kwh,
            paid_elsewhere_kwh=Energy(assessed.paid_mwh).kwh,
            household_kwh=Energy(assessed.household_mwh).kwh,
            exception_kwh=Energy(assessed.exception_mwh).kwh,
            lines=BillLines.of(assessed.lines, currency),
            gross_total=Money(assessed.gross_total, unit).value,
            saved=Money(assessed.duplicate, unit).value,
        )


class Link(BaseModel):
    """A numbered document, and where its PDF is; `source` is `bill:<id>` or `credit:<id>`."""

    source: str
    number: str
    pdf: str


class BilledDocument(BillDocument):
    """A bill with its numbered documents, where there are any."""

    documents: list[Link]

    @classmethod
    def of_billed(cls, billed: Billed, numbers: dict[str, str]) -> Self:
        sources = sources_of(billed)
        return cls(
            **BillDocument.of(billed.bill, list(billed.notes), billed.estimates).model_dump(),
            documents=[
                Link(source=source, number=numbers[source], pdf=f"{DOCUMENTS}/{numbers[source]}/pdf")
                for source in sources
                if source in numbers
            ],
        )


class ExpectedDay(BaseModel):
    """What is expected of a day beyond what is known of it."""

    day: date
    metered_kwh: Exact
    paid_elsewhere_kwh: Exact

    @classmethod
    def of(cls, expected: Expected) -> Self:
        return cls(
            day=expected.day,
            metered_kwh=Energy(expected.metered_mwh).kwh,
            paid_elsewhere_kwh=Energy(expected.paid_mwh).kwh,
        )


class TierAhead(TierDocument):
    """`on`: the day on which it is expected to begin; none: not in this period."""

    on: date | None


class ForecastDocument(BaseModel):
    """What the running period is expected to come to; `next_kwh` is what one more kWh costs, with all the bill adds."""

    first_day: date
    last_day: date
    currency: str
    expected: AssessmentDocument
    known_days: int
    like_days: int
    tier: TierDocument | None
    ends_in: TierDocument | None
    ahead: list[TierAhead]
    next_kwh: Exact
    days: list[ExpectedDay]

    @classmethod
    def of(cls, account: Account, forecast: Forecast) -> Self:
        return cls(
            first_day=account.period.first,
            last_day=account.period.last,
            currency=account.currency,
            expected=AssessmentDocument.of(forecast.assessed, account.currency),
            known_days=forecast.known_days,
            like_days=forecast.like_days,
            tier=None if forecast.tier is None else TierDocument.of(forecast.tier),
            ends_in=None if forecast.ends_in is None else TierDocument.of(forecast.ends_in),
            ahead=[TierAhead(**TierDocument.of(each.tier).model_dump(), on=each.on) for each in forecast.ahead],
            next_kwh=forecast.next_kwh.value,
            days=[ExpectedDay.of(day) for day in forecast.days],
        )


class AccountDocument(BaseModel):
    """A house and one of its billing periods; times in UTC, days in `time_zone`. `bills` are those of the period."""

    household: str
    customer: str
    address: str
    tariff: str
    time_zone: str
    currency: str
    first_day: date
    last_day: date
    is_running: bool
    taken_at: datetime
    assessed: AssessmentDocument
    by_tier: list[TierUseDocument]
    days: list[Day]
    estimated_kwh: Exact
    missing_minutes: int
    charges: list[ChargeDocument]
    bills: list[BilledDocument]
    owed: BillLines | None
    forecast: ForecastDocument | None

    @classmethod
    def of(cls, account: Account, numbers: dict[str, str]) -> Self:
        tariff = account.schedule.tariff
        times = account.starts_at, account.ends_at
        return cls(
            household=account.household.id,
            customer=account.household.customer,
            address=account.household.address,
            tariff=tariff.name,
            time_zone=tariff.time_zone,
            currency=account.currency,
            first_day=account.period.first,
            last_day=account.period.last,
            is_running=account.is_running,
            taken_at=account.taken_at,
            assessed=AssessmentDocument.of(account.assessed, account.currency),
            by_tier=[TierUseDocument.of(each) for each in account.by_tier],
            days=[Day.of(day) for day in account.days],
            estimated_kwh=Energy(account.estimated_mwh).kwh,
            missing_minutes=account.missing_minutes,
            charges=[ChargeDocument.of(charge, *times) for charge in account.charges],
            bills=[BilledDocument.of_billed(each, numbers) for each in account.billed],
            owed=_owed(account),
            forecast=None if account.forecast is None else ForecastDocument.of(account, account.forecast),
        )


class Reading(BaseModel):
    """An interval in [start, end)."""

    meter: str
    start: datetime
    end: datetime
    kwh: Exact
    paid_elsewhere_kwh: Exact
    zone: str | None
    quality: str
    method: str

    @classmethod
    def of(cls, use: ReadingUse) -> Self:
        interval = use.interval
        return cls(
            meter=interval.meter_no,
            start=interval.start,
            end=interval.start + timedelta(minutes=interval.minutes),
            kwh=Energy(interval.energy_mwh).kwh,
            paid_elsewhere_kwh=Energy(use.paid_mwh).kwh,
            zone=use.zone or None,
            quality=interval.quality,
            method=interval.method,
        )


class DayDocument(BaseModel):
    """A day, reading by reading; `missing_minutes` of it are over, and there is no reading of them."""

    household: str
    day: date
    time_zone: str
    metered_kwh: Exact
    paid_elsewhere_kwh: Exact
    missing_minutes: int
    readings: list[Reading]
    charges: list[ChargeDocument]

    @classmethod
    def of(cls, account: DayAccount) -> Self:
        return cls(
            household=account.household.id,
            day=account.day,
            time_zone=account.schedule.tariff.time_zone,
            metered_kwh=Energy(account.metered_mwh).kwh,
            paid_elsewhere_kwh=Energy(account.paid_mwh).kwh,
            missing_minutes=max(account.wanted_minutes - account.read_minutes, 0),
            readings=[Reading.of(each) for each in account.readings],
            charges=[ChargeDocument.of(charge, *account.period_times) for charge in account.charges],
        )


class NoticeDocument(BaseModel):
    id: str
    kind: str
    words: str
    at: datetime

    @classmethod
    def of(cls, notice: Notice) -> Self:
        return cls(id=notice.id, kind=notice.kind, words=notice.words, at=notice.at)


def sources_of(billed: Billed) -> list[str]:
    """Of what there may be numbered documents: the bill and its credit notes."""
    return [f"bill:{billed.bill.id}", *(f"credit:{note.id}" for note in billed.notes)]


def decimal(number: Fraction) -> Decimal:
    """Exact where it has an end within twelve digits after the point, else rounded to them; no zeros at its end."""
    rounded = round(number, 12)
    value = Decimal(rounded.numerator) / Decimal(rounded.denominator)
    return value.normalize() if value % 1 else value.quantize(Decimal(1))


def _owed(account: Account) -> BillLines | None:
    """What the bills of the period come to after their credit notes; None before there is one."""
    if not account.billed:
        return None
    lines = [each.owed for each in account.billed]
    return BillLines.of(Lines(*(sum(values) for values in zip(*lines, strict=True))), account.currency)
