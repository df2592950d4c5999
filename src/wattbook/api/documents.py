"""The documents that go out: what a program sees of a session, a station, a bill, and of the proof."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, PlainSerializer

from wattbook.book.audit import Proof
from wattbook.charging.events import SessionView
from wattbook.charging.views import Refusal
from wattbook.household.bills.documents import Bill, CreditNote, corrected, standing
from wattbook.household.paid.assessment import Lines
from wattbook.household.readings.estimation import Estimate
from wattbook.kernel.units import Currency, Energy, Money
from wattbook.registry.presence import StationOverview

Exact = Annotated[Decimal, PlainSerializer(lambda number: format(number, "f"), return_type=str)]
"""A decimal string without exponent; a number of JSON would become a float in most callers."""


def proof_document(proof: Proof) -> dict[str, Any]:
    """The proof as `wattbook audit --json` and `GET /audit` give it; totals in mWh, and the number of transfers."""
    return {
        "holds": proof.holds,
        "totals": proof.totals,
        "findings": [
            {
                "name": finding.name,
                "rule": finding.rule,
                "holds": finding.holds,
                "count": finding.count,
                "violations": msgspec.to_builtins(finding.violations),
            }
            for finding in proof.findings
        ],
    }


class StationStatus(BaseModel):
    """Number 0 stands for the station as a whole, or for the whole EVSE."""

    evse_no: int
    connector_no: int
    status: str
    error_code: str | None
    at: datetime


class Station(BaseModel):
    id: str
    site_id: str
    site_name: str
    site_kind: str
    operator: str
    placement: str
    ip_code: str
    acceptance: str
    vendor: str | None
    model: str | None
    firmware: str | None
    booted_at: datetime | None
    last_seen_at: datetime | None
    statuses: list[StationStatus]

    @classmethod
    def of(cls, overview: StationOverview) -> Self:
        station, site, presence = overview.station, overview.site, overview.presence
        return cls(
            id=station.id,
            site_id=site.id,
            site_name=site.name,
            site_kind=site.kind,
            operator=site.operator,
            placement=station.placement,
            ip_code=station.ip_code,
            acceptance=station.acceptance,
            vendor=(presence and presence.vendor) or station.vendor,
            model=(presence and presence.model) or station.model,
            firmware=presence.firmware if presence else None,
            booted_at=presence.booted_at if presence else None,
            last_seen_at=presence.last_seen_at if presence else None,
            statuses=[
                StationStatus(
                    evse_no=each.evse_no,
                    connector_no=each.connector_no,
                    status=each.status,
                    error_code=each.error_code,
                    at=each.at,
                )
                for each in overview.statuses
            ],
        )


class Stations(BaseModel):
    """`next` is the `after` of the following page; null on the last one."""

    stations: list[Station]
    next: str | None


class Session(BaseModel):
    """Costs in units of `currency`, null where no price applies; `power_w` is negative while feeding in."""

    id: str
    state: str
    station_id: str
    evse_id: str
    connector_no: int
    site_id: str
    meter_no: str
    token_uid: str
    token_type: str
    token_party: str
    contract_id: str | None
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    import_kwh: Exact
    export_kwh: Exact
    currency: str
    cost_before_tax: Exact | None
    cost_after_tax: Exact | None
    power_w: int | None
    prepaid: Exact | None
    progress_percent: Exact | None
    remaining_s: int | None

    @classmethod
    def of(cls, view: SessionView) -> Self:
        same = {name: getattr(view, name) for name in cls.model_fields.keys() - {"import_kwh", "export_kwh"}}
        return cls(import_kwh=Energy(view.import_mwh).kwh, export_kwh=Energy(view.export_mwh).kwh, **same)


class Sessions(BaseModel):
    sessions: list[Session]


class RefusalDocument(BaseModel):
    """`reason` is for programs, `message` for people."""

    refused_at: datetime
    station_id: str
    connector_no: int
    token_uid: str
    reason: str
    message: str

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        return cls(**{name: getattr(refusal, name) for name in cls.model_fields})


class Refusals(BaseModel):
    refusals: list[RefusalDocument]


class BillLines(BaseModel):
    """`kwh` as rated; the others in units of the bill's currency, and they sum to `total`."""

    kwh: int
    base: Exact
    energy: Exact
    climate: Exact
    fuel: Exact
    vat: Exact
    fund: Exact
    rounding: Exact
    total: Exact

    @classmethod
    def of(cls, lines: Lines, currency: str) -> Self:
        return cls(kwh=lines.kwh, **{name: money.value for name, money in lines.money(currency).items()})


class CreditNoteDocument(BaseModel):
    """`lines` is what each line of the bill is less by; energies are those of the whole period from then on.

    `reason` is `payments` or `readings`; `metered_kwh` is null in notes of before there was a reason. `becomes` is
    `final` where the note is the final bill in place of a provisional one; null: the stage is as before. `interest` is
    given beside the total of the lines, for so many days.
    """

    id: str
    revision: int
    issued_at: datetime
    reason: str
    becomes: str | None
    interest: Exact
    interest_days: int
    metered_kwh: Exact | None
    paid_kwh: Exact
    household_kwh: Exact
    exception_kwh: Exact
    lines: BillLines

    @classmethod
    def of(cls, note: CreditNote) -> Self:
        return cls(
            id=note.id,
            revision=note.revision,
            issued_at=note.issued_at,
            reason=note.reason,
            becomes=note.becomes,
            interest=Money(note.interest, Currency.of(note.currency)).value,
            interest_days=note.interest_days,
            metered_kwh=None if note.metered_mwh is None else Energy(note.metered_mwh).kwh,
            paid_kwh=Energy(note.paid_mwh).kwh,
            household_kwh=Energy(note.household_mwh).kwh,
            exception_kwh=Energy(note.exception_mwh).kwh,
            lines=BillLines.of(note.lines, note.currency),
        )


class EstimateDocument(BaseModel):
    """A stretch of a meter's time that was not measured, and how its energy was found."""

    meter: str
    since: datetime
    until: datetime
    kwh: Exact
    method: str

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        return cls(
            meter=estimate.meter,
            since=estimate.since,
            until=estimate.until,
            kwh=Energy(estimate.energy_mwh).kwh,
            method=estimate.method,
        )


class BillDocument(BaseModel):
    """A bill as issued, its credit notes, and what is owed in the end (`owed`).

    `household_kwh + paid_kwh + exception_kwh = metered_kwh`; `gross_total - duplicate = lines.total`. A bill is
    `provisional` when a part of it, `estimated_kwh`, is an estimate: `estimates` says which. `stands` is the stage
    after its credit notes. `customer` owes it, by a contract; null: the house by itself. A bill of a part of a billing
    period names that in `cycle_first_day` and `cycle_last_day`.
    """

    id: str
    household: str
    stage: str
    stands: str
    estimated_kwh: Exact
    estimates: list[EstimateDocument]
    customer: str | None
    first_day: date
    last_day: date
    cycle_first_day: date
    cycle_last_day: date
    issued_at: datetime
    utility: str
    tariff: str
    currency: str
    metered_kwh: Exact
    paid_kwh: Exact
    household_kwh: Exact
    exception_kwh: Exact
    lines: BillLines
    gross_total: Exact
    duplicate: Exact
    credit_notes: list[CreditNoteDocument]
    owed: BillLines

    @classmethod
    def of(cls, bill: Bill, notes: list[CreditNote], estimates: Sequence[Estimate] = ()) -> Self:
        return cls(
            id=bill.id,
            household=bill.household,
            stage=bill.stage,
            stands=standing(bill, notes).stage,
            estimated_kwh=Energy(bill.estimated_mwh).kwh,
            estimates=[EstimateDocument.of(estimate) for estimate in estimates],
            customer=bill.customer,
            first_day=bill.period.first,
            last_day=bill.period.last,
            cycle_first_day=bill.due.cycle.first,
            cycle_last_day=bill.due.cycle.last,
            issued_at=bill.issued_at,
            utility=bill.utility,
            tariff=bill.tariff,
            currency=bill.currency,
            metered_kwh=Energy(bill.metered_mwh).kwh,
            paid_kwh=Energy(bill.paid_mwh).kwh,
            household_kwh=Energy(bill.household_mwh).kwh,
            exception_kwh=Energy(bill.exception_mwh).kwh,
            lines=BillLines.of(bill.lines, bill.currency),
            gross_total=Money(bill.gross_total, Currency.of(bill.currency)).value,
            duplicate=bill.duplicate.value,
            credit_notes=[CreditNoteDocument.of(note) for note in notes],
            owed=BillLines.of(corrected(bill, notes), bill.currency),
        )


class Bills(BaseModel):
    bills: list[BillDocument]
