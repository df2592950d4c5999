"""What is set for single stations and for makers: quirks, whether frames are kept, how long a station may be silent.

Most stations have nothing of their own, so all of it is kept in memory and read again every few seconds. A station's
quirks are those set for it and those set for who made it; the maker is asked of the registry only after a fault, since
a station without faults needs no quirks.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.db.engine import Database
from wattbook.db.rereading import Rereading
from wattbook.db.rounds import AWAY
from wattbook.kernel.errors import InvalidInput
from wattbook.ocpp.connections import quirks
from wattbook.ocpp.connections.quirks import Maker, Rule
from wattbook.ocpp.tables import maker_quirks, station_options
from wattbook.registry.presence import makers

log = structlog.get_logger(__name__)


class StationOptions(Struct, frozen=True):
    """What is set for one station; None: as for all.

    Attributes:
        quirks: names of profiles in `quirks.toml`.
        journal: whether its frames are kept.
        ping_after_s: silence after which it is pinged.
        pong_within_s: silence after the ping that ends its socket.
    """

    quirks: tuple[str, ...] = ()
    journal: bool | None = None
    ping_after_s: int | None = None
    pong_within_s: int | None = None


NOTHING: Final = StationOptions()


class Options:
    """`open` it before the port; then everything is answered from memory, but the maker of a station at fault."""

    def __init__(self, database: Database, *, journal: bool) -> None:
        self._database = database
        self._journal = journal
        self._stations: Mapping[str, StationOptions] = {}
        self._makers: Sequence[tuple[Maker, tuple[str, ...]]] = ()
        self._rereading = Rereading(self.refresh, "station-options")

    async def open(self) -> None:
        await self._rereading.open()

    async def close(self) -> None:
        await self._rereading.close()

    async def refresh(self) -> None:
        async with self._database.snapshot() as connection:
            self._stations = await all_options(connection)
            self._makers = [*(await all_maker_quirks(connection)).items()]

    def of(self, station_id: str) -> StationOptions:
        return self._stations.get(station_id, NOTHING)

    def keeps_frames(self, station_id: str) -> bool:
        chosen = self._stations.get(station_id, NOTHING).journal
        return self._journal if chosen is None else chosen

    def deadlines_of(self, station_id: str) -> tuple[float | None, float | None]:
        chosen = self._stations.get(station_id, NOTHING)
        return chosen.ping_after_s, chosen.pong_within_s

    async def rules_of(self, station_id: str, maker: Maker | None) -> Sequence[Rule]:
        """The rules for a station at fault; its maker is given when it introduces itself, else the registry knows."""
        if maker is None and self._makers:
            try:
                async with self._database.snapshot() as connection:
                    said = (await makers(connection, [station_id]))[0]
                maker = Maker(*said) if said is not None else None
            except AWAY as error:
                log.warning("maker-not-read", station_id=station_id, error=str(error))
        names = list(self.of(station_id).quirks)
        for pattern, chosen in self._makers:
            if maker is not None and _matches(pattern, maker):
                names += chosen
        return quirks.rules_of(name for name in names if name in quirks.profiles())


def _matches(pattern: Maker, maker: Maker) -> bool:
    vendor, model = maker.vendor.casefold(), maker.model.casefold()
    return fnmatchcase(vendor, pattern.vendor.casefold()) and fnmatchcase(model, pattern.model.casefold())


async def set_options(connection: AsyncConnection, chosen: Mapping[str, StationOptions]) -> None:
    """Set what is special about stations; gateways know within seconds, deadlines count from the next connection.

    Raises:
        InvalidInput: a quirk profile that does not exist, or a deadline that is none.
    """
    for options in chosen.values():
        quirks.rules_of(options.quirks)
        for seconds in (options.ping_after_s, options.pong_within_s):
            if seconds is not None and not 0 < seconds <= 86_400:
                raise InvalidInput("a deadline is 1 to 86400 seconds")
    if not chosen:
        return
    rows = [
        {
            "station_id": station_id,
            "quirks": list(options.quirks),
            "journal": options.journal,
            "ping_after_s": options.ping_after_s,
            "pong_within_s": options.pong_within_s,
        }
        for station_id, options in chosen.items()
    ]
    statement = insert(station_options)
    changed = {name: statement.excluded[name] for name in ("quirks", "journal", "ping_after_s", "pong_within_s")}
    await connection.execute(statement.on_conflict_do_update(index_elements=["station_id"], set_=changed), rows)


async def set_maker_quirks(connection: AsyncConnection, chosen: Mapping[Maker, Sequence[str]]) -> None:
    """Set the quirks of makers' models; in both names `*` stands for any characters.

    Without any, the maker is taken off the list.

    Raises:
        InvalidInput: a quirk profile that does not exist.
    """
    for names in chosen.values():
        quirks.rules_of(names)
    for maker in [maker for maker, names in chosen.items() if not names]:
        named = (maker_quirks.c.vendor == maker.vendor) & (maker_quirks.c.model == maker.model)
        await connection.execute(delete(maker_quirks).where(named))
    chosen = {maker: names for maker, names in chosen.items() if names}
    if not chosen:
        return
    rows = [{"vendor": maker.vendor, "model": maker.model, "quirks": list(names)} for maker, names in chosen.items()]
    statement = insert(maker_quirks)
    changed = {"quirks": statement.excluded.quirks}
    await connection.execute(statement.on_conflict_do_update(index_elements=["vendor", "model"], set_=changed), rows)


async def options_of(connection: AsyncConnection, station_id: str) -> StationOptions:
    """What is set for one station."""
    found = await connection.execute(select(station_options).where(station_options.c.station_id == station_id))
    row = found.one_or_none()
    if row is None:
        return NOTHING
    return StationOptions(tuple(row.quirks), row.journal, row.ping_after_s, row.pong_within_s)


async def all_options(connection: AsyncConnection) -> dict[str, StationOptions]:
    """Of every station that has any."""
    found = await connection.execute(select(station_options))
    return {
        row.station_id: StationOptions(tuple(row.quirks), row.journal, row.ping_after_s, row.pong_within_s)
        for row in found
    }


async def all_maker_quirks(connection: AsyncConnection) -> dict[Maker, tuple[str, ...]]:
    """Of every maker that has any."""
    found = await connection.execute(select(maker_quirks).order_by(maker_quirks.c.vendor, maker_quirks.c.model))
    return {Maker(row.vendor, row.model): tuple(row.quirks) for row in found}
