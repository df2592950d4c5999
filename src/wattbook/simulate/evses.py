"""The places of a simulated station: an outlet for one vehicle, and the meter behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from wattbook.kernel.errors import InvalidInput
from wattbook.kernel.units import MWH_PER_WH, div_floor
from wattbook.ocpp.messages import ConnectorStatus, Sample
from wattbook.simulate.vehicles import Vehicle


@dataclass(slots=True)
class Meter:
    """Two registers that only count on, for as long as the meter lives.

    It measures milliwatt-hours and shows whole watt-hours, as OCPP 1.6 states a start and a stop (6.45, 6.49): what a
    session leaves below a watt-hour shows up in the next one, and no sample contradicts a start or a stop.
    """

    import_mwh: int = 0
    export_mwh: int = 0

    def count_import(self, energy_mwh: int) -> None:
        assert energy_mwh >= 0, "a register only counts on"
        self.import_mwh += energy_mwh

    def count_export(self, energy_mwh: int) -> None:
        assert energy_mwh >= 0, "a register only counts on"
        self.export_mwh += energy_mwh

    @property
    def shown_import_mwh(self) -> int:
        return div_floor(self.import_mwh, MWH_PER_WH) * MWH_PER_WH

    @property
    def shown_export_mwh(self) -> int:
        return div_floor(self.export_mwh, MWH_PER_WH) * MWH_PER_WH


@dataclass(slots=True)
class Evse:
    """One outlet.

    Attributes:
        max_w: the most it offers to a vehicle.
        dc: direct current, past the vehicle's own charger.
        feed_in_max_w: the most it takes from a vehicle; 0: charging only.
        operative: open for sessions; changed by the management system.
        vehicle: what is plugged in.
        status: as last reported.
    """

    max_w: int = 22_000
    dc: bool = False
    feed_in_max_w: int = 0
    meter: Meter = field(default_factory=Meter)
    operative: bool = True
    vehicle: Vehicle | None = None
    status: ConnectorStatus = ConnectorStatus.AVAILABLE

    def __post_init__(self) -> None:
        if self.max_w <= 0 or self.feed_in_max_w < 0:
            raise InvalidInput(f"no outlet: {self.max_w} W out, {self.feed_in_max_w} W in")

    @property
    def resting_status(self) -> ConnectorStatus:
        """What it reports while no session runs."""
        if not self.operative:
            return ConnectorStatus.UNAVAILABLE
        return ConnectorStatus.AVAILABLE if self.vehicle is None else ConnectorStatus.PREPARING

    def sample(self, taken_at: datetime, context: str, vehicle: Vehicle, power_w: int, *, feeds_in: bool) -> Sample:
        """What the meter shows. The register of feed-in is there where the outlet can feed in."""
        return Sample(
            taken_at,
            context,
            import_mwh=self.meter.shown_import_mwh,
            export_mwh=self.meter.shown_export_mwh if self.feed_in_max_w else None,
            import_w=None if feeds_in else Decimal(power_w),
            export_w=Decimal(power_w) if feeds_in else None,
            soc_percent=Decimal(vehicle.soc_permille).scaleb(-1),
        )
