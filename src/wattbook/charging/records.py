"""Sessions as stored, and what of them others are compared with."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from wattbook.charging.running import CLOCK_IMPLAUSIBLE
from wattbook.tariffs.course import Knot


class SessionRow(Struct, kw_only=True):
    """A session as stored; see `tables.sessions`."""

    id: str
    state: str
    station_id: str
    connector_no: int
    transaction_id: str
    token_uid: str
    token_type: str
    token_party: str | None = None
    contract_id: str | None = None
    customer_id: str | None = None
    payer_id: str | None = None
    authorization_reference: str | None = None
    payment: str
    prepaid: int | None = None
    hold_no: int = 1
    refusal: str | None = None
    operator: str
    site_id: str | None = None
    time_zone: str | None = None
    evse_id: str | None = None
    meter_no: str | None = None
    network_operator: str | None = None
    supplier_id: str | None = None
    balance_group: str | None = None
    rated_power_w: int = 0
    currency: str | None = None
    tariff_key: str | None = None
    started_at: datetime
    received_at: datetime
    meter_start_mwh: int
    export_start_mwh: int | None = None
    updated_at: datetime
    announced_at: datetime
    sampled_at: datetime | None = None
    import_register_mwh: int | None = None
    export_register_mwh: int | None = None
    power_w: int | None = None
    soc_percent: Decimal | None = None
    import_mwh: int = 0
    export_mwh: int = 0
    shortfall_wms: int = 0
    flags: list[str] = []
    ended_at: datetime | None = None
    meter_stop_mwh: int | None = None
    stop_reason: str | None = None
    span_start: datetime | None = None
    span_end: datetime | None = None
    bought_before_tax: int | None = None
    bought_after_tax: int | None = None
    fed_in_before_tax: int | None = None
    fed_in_after_tax: int | None = None
    corrects: str | None = None
    command_id: str | None = None

    @property
    def payer(self) -> str:
        """Owner of the accounts that pay; empty when nobody is known to."""
        return self.payer_id or self.customer_id or self.token_party or ""

    @property
    def begun_at(self) -> datetime:
        """By the station's clock, or by ours when that cannot be true."""
        return self.received_at if CLOCK_IMPLAUSIBLE in self.flags else self.started_at


class FoundSession(Struct):
    """A session with the text of the tariff it began with, and its readings where the price depends on them."""

    session: SessionRow
    tariff: str | None
    readings: list[Knot] = []


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was settled of a meter: time [start, end), and its import register."""

    start: datetime
    end: datetime
    register_from_mwh: int
    register_to_mwh: int
