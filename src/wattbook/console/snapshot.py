"""What the overview shows of one moment: a fixed number of bounded reads, each by a function of its room."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from wattbook.charging import overview
from wattbook.charging.events import SessionView
from wattbook.charging.overview import HourOfEnergy, Live
from wattbook.charging.views import Refusal, live_sessions, refusals
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.kernel.clock import utc
from wattbook.registry.presence import Fleet, StationOverview, fleet, list_stations

STATIONS_SHOWN_MAX: Final = 200
SESSIONS_SHOWN_MAX: Final = 100
REFUSALS_SHOWN_MAX: Final = 6
REFUSALS_SINCE: Final = timedelta(days=7)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent moment.

    Attributes:
        online_since: a station heard of since then is online.
        stations: the first by id; `fleet` counts all.
        sessions: the running ones, the newest first; `live` counts and sums all.
        hours: of the operator's day, from midnight to midnight, each with what sessions that ended in it moved.
        refusals: the newest first.
    """

    taken_at: datetime
    online_since: datetime
    fleet: Fleet
    stations: tuple[StationOverview, ...]
    live: Live
    sessions: tuple[SessionView, ...]
    hours: tuple[HourOfEnergy, ...]
    refusals: tuple[Refusal, ...]

    @property
    def drawn_today_mwh(self) -> int:
        """By sessions that ended today, and by those that run, so far."""
        return self.live.drawn_mwh + sum(hour.drawn_mwh for hour in self.hours)

    @property
    def fed_in_today_mwh(self) -> int:
        return self.live.fed_in_mwh + sum(hour.fed_in_mwh for hour in self.hours)

    def online(self, station: StationOverview) -> bool:
        return station.presence is not None and station.presence.last_seen_at >= self.online_since


async def take_snapshot(database: Database, settings: Settings, now: datetime) -> Snapshot:
    """A station is offline when two heartbeats and a minute passed in silence."""
    online_since = now - timedelta(seconds=2 * settings.heartbeat_interval_s + 60)
    start, end = day_of(now, ZoneInfo(settings.time_zone))
    async with database.snapshot() as connection:
        ended = {hour.start: hour for hour in await overview.energy_by_hour(connection, start, end)}
        return Snapshot(
            taken_at=now,
            online_since=online_since,
            fleet=await fleet(connection, seen_since=online_since),
            stations=tuple(await list_stations(connection, limit=STATIONS_SHOWN_MAX)),
            live=await overview.live(connection),
            sessions=tuple(await live_sessions(connection, limit=SESSIONS_SHOWN_MAX)),
            hours=tuple(ended.get(hour, HourOfEnergy(hour, 0, 0)) for hour in _hours(start, end)),
            refusals=tuple(await refusals(connection, now - REFUSALS_SINCE, limit=REFUSALS_SHOWN_MAX)),
        )


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of the day in this zone, and the first after it, both in UTC."""
    today = now.astimezone(zone).date()
    return (
        utc(datetime.combine(today, time(), zone)),
        utc(datetime.combine(today + timedelta(days=1), time(), zone)),
    )


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += HOUR
