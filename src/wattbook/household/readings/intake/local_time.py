"""Times on a local clock, where an hour may be missing or stand twice."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wattbook.household.readings.intake.items import BadLine


def zone_of(name: str) -> ZoneInfo:
    """Raises:
    BadLine: no zone of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadLine("format", f"no time zone is called {name[:64]!r}") from None


def starts_of_day(day: date, zone: ZoneInfo, minutes: int) -> list[datetime]:
    """The starts, in UTC, of the intervals of a local day: of quarters 96, and 92 or 100 when the clock is changed."""
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    step = timedelta(minutes=minutes)
    return [midnight + number * step for number in range((next_midnight - midnight) // step)]


class LocalClock:
    """Turns local times that come in order into moments: the second time an hour is told, it is the repeated one."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._latest: dict[tuple[str, str], datetime] = {}

    def moment(self, local: datetime, series: tuple[str, str]) -> datetime:
        """In UTC.

        Args:
            local: without a zone.
            series: whose times come in order: meter and register.

        Raises:
            BadLine: the clock was put forward over this time.
        """
        first = local.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        second = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        if first.astimezone(self._zone).replace(tzinfo=None) != local:
            raise BadLine("time", f"the clock of {self._zone.key} was put forward over {local:%Y-%m-%d %H:%M}")
        latest = self._latest.get(series)
        moment = second if first != second and latest is not None and first <= latest else first
        self._latest[series] = moment if latest is None else max(moment, latest)
        return moment
