"""The SQL of the registry. A batch travels as one JSON array and comes back as JSON, so that one statement serves any
number of records and a record's fields need naming only once, in its table.

Names of tables and columns in a statement come from the declared tables, values always from parameters.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Table, UniqueConstraint, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from wattbook.kernel.errors import Conflict, NotFound
from wattbook.registry import tables

Record = TypeVar("Record")
Row = Mapping[str, Any]
Asked = Sequence[tuple[str, datetime]]
"""Of what, and at which moment."""


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Add the rows, or replace those of the same primary key; of two in one batch the later one stays.

    Raises:
        NotFound: a row refers to a record that does not exist.
        Conflict: a row has what only one record may have and another one has.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    latest = list({tuple(row[key] for key in keys): row for row in rows}.values())
    given = _encoded(latest)
    await _require_references(connection, table, given)
    await _require_unique(connection, table, keys, given)
    names = list(latest[0])
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    # In the order of the keys, so that two batches lock in the same order.
    await connection.execute(
        text(f"""
            INSERT INTO {table.fullname} ({", ".join(names)})
            SELECT {", ".join(names)} FROM {_given(table)} ORDER BY {", ".join(keys)}
            ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {changes}
        """),
        {"given": given},
    )


async def find(
    connection: AsyncConnection, table: Table, record: type[Record], keys: Sequence[str]
) -> list[Record | None]:
    """The record of each key, in order, by the table's one-column primary key."""
    (key,) = table.primary_key
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(found.*)::text
            FROM unnest(CAST(:keys AS text[])) WITH ORDINALITY AS asked(key, nth)
            LEFT JOIN {table.fullname} AS found ON found.{key.name} = asked.key
            ORDER BY nth
        """),
        {"keys": [_storable(key) for key in keys]},
    )
    return [None if row is None else msgspec.json.decode(row, type=record) for row in found.scalars()]


async def following(
    connection: AsyncConnection, table: Table, record: type[Record], after: str, limit: int
) -> list[Record]:
    """The records whose keys come after this one, in their order, by the table's one-column primary key."""
    (key,) = table.primary_key
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(found.*)::text FROM {table.fullname} AS found
            WHERE found.{key.name} > :after ORDER BY found.{key.name} LIMIT :limit
        """),
        {"after": _storable(after), "limit": limit},
    )
    return [msgspec.json.decode(row, type=record) for row in found.scalars()]


async def counts(connection: AsyncConnection, counted: Sequence[Table]) -> dict[str, int]:
    """How many records each table has, by its name."""
    columns = ", ".join(f"(SELECT count(*) FROM {table.fullname}) AS {table.name}" for table in counted)
    return dict((await connection.execute(text(f"SELECT {columns}"))).mappings().one())


# Validity in time


async def assign(
    connection: AsyncConnection, table: Table, subjects: Sequence[str], rows: Sequence[Row], *, allow_overlap: bool
) -> None:
    """Add validities. What is on record already, exactly so, is left as it is.

    Args:
        subjects: the columns whose record has at most one validity at a time.

    Raises:
        NotFound: a row refers to a record that does not exist.
        Conflict: a row overlaps another of the same subject, on record or in the batch; `details` has both.
    """
    if not rows:
        return
    given, names = _encoded(rows), ", ".join(rows[0])
    await _require_references(connection, table, given)
    for subject in subjects:
        # Who assigns the same subject at the same time waits here, and then sees what was added.
        await connection.execute(
            text(f"""
                SELECT FROM {_referred(table, subject)} AS subject
                WHERE subject.{_key(table, subject)} IN (SELECT {subject} FROM {_given(table)})
                ORDER BY subject.{_key(table, subject)} FOR NO KEY UPDATE
            """),
            {"given": given},
        )
    if not allow_overlap:
        for subject in subjects:
            await _require_no_overlap(connection, table, subject, names, given)
    await connection.execute(
        text(f"""
            INSERT INTO {table.fullname} ({names})
            SELECT {names} FROM {_given(table)}
            EXCEPT
            SELECT {names} FROM {table.fullname}
            WHERE {subjects[0]} IN (SELECT {subjects[0]} FROM {_given(table)})
        """),
        {"given": given},
    )


async def end(connection: AsyncConnection, table: Table, subject: str, ends: Asked) -> list[bool]:
    """End what is valid for each subject at the moment given; whether there was something to end."""
    ended = await connection.execute(
        text(f"""
            WITH asked AS (SELECT * FROM {_ASKED}),
            ended AS (
                UPDATE {table.fullname} AS known SET valid_to = asked.at FROM asked
                WHERE known.{subject} = asked.subject AND known.valid_from < asked.at
                    AND (known.valid_to IS NULL OR asked.at < known.valid_to)
                RETURNING asked.nth
            )
            SELECT asked.nth IN (SELECT nth FROM ended) FROM asked ORDER BY asked.nth
        """),
        _asked(ends),
    )
    return list(ended.scalars())


async def supplies_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each unit: whether it is registered, and the different allocations at the moment, as JSON."""
    return await _candidates(connection, tables.units, _supplies("asked.subject", "asked.at"), asked)


async def networks_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each meter: whether it is registered, and the different network operators at the moment, as JSON."""
    return await _candidates(connection, tables.meters, _networks("asked.subject", "asked.at"), asked)


async def places_at(connection: AsyncConnection, asked: Asked) -> list[tuple[bool, str]]:
    """For each meter: whether it is registered, and the different places it measures at the moment, as JSON."""
    places = f"""
        SELECT coalesce(jsonb_agg(to_jsonb(place.*) - 'row'), '[]') FROM registry.meter_places AS place
        WHERE place.meter = asked.subject AND {_valid("place", "asked.at")}
    """
    return await _candidates(connection, tables.meters, places, asked)


async def household_meters(
    connection: AsyncConnection, asked: Sequence[tuple[str, datetime, datetime]]
) -> list[tuple[bool, str]]:
    """For each household: whether it is registered, and the meters that measure it between the moments, as JSON."""
    found = await connection.execute(
        text("""
            SELECT EXISTS (SELECT FROM registry.households WHERE id = asked.household), (
                SELECT coalesce(jsonb_agg(to_jsonb(place.*) - 'row' ORDER BY valid_from, meter), '[]')::text
                FROM registry.meter_places AS place
                WHERE place.household = asked.household AND place.valid_from < asked.until
                    AND (place.valid_to IS NULL OR asked.since < place.valid_to)
            )
            FROM unnest(CAST(:households AS text[]), CAST(:since AS timestamptz[]), CAST(:until AS timestamptz[]))
                WITH ORDINALITY AS asked(household, since, until, nth)
            ORDER BY asked.nth
        """),
        {
            "households": [_storable(household) for household, _, _ in asked],
            "since": [since for _, since, _ in asked],
            "until": [until for _, _, until in asked],
        },
    )
    return [(known, places) for known, places in found]


# Tokens and clearance


async def tokens_of_uids(connection: AsyncConnection, uids: Sequence[str]) -> list[str]:
    """For each uid in lower case: the tokens of that uid with their customers, as JSON."""
    found = await connection.execute(
        text(f"""
            SELECT ({_tokens("asked.uid")})::text
            FROM unnest(CAST(:uids AS text[])) WITH ORDINALITY AS asked(uid, nth) ORDER BY asked.nth
        """),
        {"uids": list(uids)},
    )
    return list(found.scalars())


async def tokens_page(
    connection: AsyncConnection, after: Sequence[str] | None, wanted: Mapping[str, Any], limit: int
) -> Sequence[str]:
    """Each as JSON; `wanted` are columns and what they are, None: anything."""
    chosen = {name: value for name, value in wanted.items() if value is not None}
    conditions = [f"{name} = :{name}" for name in chosen]
    if after is not None:
        conditions.append("(uid_folded, party, type) > (:uid, :issuer, :kind)")
        chosen |= dict(zip(("uid", "issuer", "kind"), after, strict=True))
    found = await connection.execute(
        text(f"""
            SELECT to_jsonb(token.*)::text FROM registry.tokens AS token
            {"WHERE" if conditions else ""} {" AND ".join(conditions)}
            ORDER BY uid_folded, party, type LIMIT :limit
        """),
        chosen | {"limit": limit},
    )
    return found.scalars().all()


async def clearance(
    connection: AsyncConnection,
    stations: Sequence[str],
    evse_nos: Sequence[int],
    uids: Sequence[str],
    moments: Sequence[datetime],
) -> list[str]:
    """For each request: all that a clearance looks at, as JSON; lists where more than one may be found."""
    found = await connection.execute(
        text(f"""
            SELECT jsonb_build_object(
                'station', to_jsonb(station.*),
                'site', to_jsonb(site.*),
                'evse', to_jsonb(evse.*),
                'connectors', (
                    SELECT coalesce(jsonb_agg(to_jsonb(connector.*) ORDER BY connector.number), '[]')
                    FROM registry.connectors AS connector WHERE connector.evse = evse.id
                ),
                'last_seen_at', presence.last_seen_at,
                'statuses', (
                    SELECT coalesce(jsonb_agg(to_jsonb(status.*) ORDER BY evse_no, connector_no), '[]')
                    FROM registry.statuses AS status
                    WHERE status.station = station.id AND status.evse_no IN (0, asked.evse_no)
                ),
                'tariff', (
                    SELECT to_jsonb(tariff.*) FROM registry.station_tariffs AS tariff
                    WHERE tariff.party = site.operator AND tariff.id = evse.tariff AND tariff.valid_from <= asked.at
                    ORDER BY tariff.valid_from DESC LIMIT 1
                ),
                'meters', (
                    SELECT coalesce(jsonb_agg(
                        jsonb_build_object(
                            'meter', to_jsonb(meter.*), 'networks', ({_networks("meter.number", "asked.at")})
                        ) ORDER BY meter.number
                    ), '[]')
                    FROM registry.meters AS meter
                    WHERE meter.number IN (
                        SELECT place.meter FROM registry.meter_places AS place
                        WHERE place.evse = evse.id AND {_valid("place", "asked.at")}
                    )
                ),
                'tokens', ({_tokens("asked.uid", _supplies("token.unit", "asked.at"))})
            )::text
            FROM unnest(CAST(:stations AS text[]), CAST(:evse_nos AS int[]), CAST(:uids AS text[]),
                        CAST(:moments AS timestamptz[])) WITH ORDINALITY AS asked(station, evse_no, uid, at, nth)
            LEFT JOIN registry.stations AS station ON station.id = asked.station
            LEFT JOIN registry.presence AS presence ON presence.station = station.id
            LEFT JOIN registry.sites AS site ON site.id = station.site
            LEFT JOIN registry.evses AS evse ON evse.station = station.id AND evse.number = asked.evse_no
            ORDER BY asked.nth
        """),
        {
            "stations": [_storable(station) for station in stations],
            "evse_nos": list(evse_nos),
            "uids": list(uids),
            "moments": list(moments),
        },
    )
    return list(found.scalars())


# What stations say of themselves


async def record_boots(connection: AsyncConnection, rows: Sequence[Row]) -> list[str | None]:
    """Keep each station's newest boot; the acceptance of each station, None where it is not registered."""
    found = await connection.execute(
        text(f"""
            WITH given AS (
                SELECT DISTINCT ON (station) given.*
                FROM {_given(tables.presence)} AS given JOIN registry.stations ON stations.id = given.station
                ORDER BY station, booted_at DESC
            ), written AS (
                INSERT INTO registry.presence AS known SELECT * FROM given ORDER BY station
                ON CONFLICT (station) DO UPDATE SET
                    vendor = excluded.vendor, model = excluded.model, serial = excluded.serial,
                    firmware = excluded.firmware, booted_at = excluded.booted_at,
                    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
                WHERE known.booted_at IS NULL OR known.booted_at <= excluded.booted_at
            )
            SELECT station.acceptance
            FROM unnest(CAST(:stations AS text[])) WITH ORDINALITY AS asked(station, nth)
            LEFT JOIN registry.stations AS station ON station.id = asked.station
            ORDER BY asked.nth
        """),
        {"given": _encoded(rows), "stations": [row["station"] for row in rows]},
    )
    return list(found.scalars())


async def record_statuses(connection: AsyncConnection, rows: Sequence[Row]) -> list[bool]:
    """Keep each connector's newest status; of two of the same time the later arrival. Whether each one was kept."""
    found = await connection.execute(
        text(f"""
            WITH given AS (
                SELECT given.* FROM {_given(tables.statuses)} WITH ORDINALITY AS given
            ), newest AS (
                SELECT DISTINCT ON (station, evse_no, connector_no) given.*
                FROM given JOIN registry.stations ON stations.id = given.station
                ORDER BY station, evse_no, connector_no, at DESC, ordinality DESC
            ), written AS (
                INSERT INTO registry.statuses AS known (station, evse_no, connector_no, status, error_code, at)
                SELECT station, evse_no, connector_no, status, error_code, at FROM newest
                ORDER BY station, evse_no, connector_no
                ON CONFLICT (station, evse_no, connector_no) DO UPDATE SET
                    status = excluded.status, error_code = excluded.error_code, at = excluded.at
                WHERE known.at <= excluded.at
                RETURNING station, evse_no, connector_no
            )
            SELECT given.ordinality IN (
                SELECT newest.ordinality FROM newest JOIN written USING (station, evse_no, connector_no)
            )
            FROM given ORDER BY given.ordinality
        """),
        {"given": _encoded(rows)},
    )
    return list(found.scalars())


async def touch(connection: AsyncConnection, seen: Asked) -> None:
    await connection.execute(
        text(f"""
            INSERT INTO registry.presence AS known (station, last_seen_at)
            SELECT asked.subject, max(asked.at) FROM {_ASKED} JOIN registry.stations ON stations.id = asked.subject
            GROUP BY asked.subject ORDER BY asked.subject
            ON CONFLICT (station) DO UPDATE SET last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
        """),
        _asked(seen),
    )


async def makers(connection: AsyncConnection, stations: Sequence[str]) -> dict[str, tuple[str, str]]:
    found = await connection.execute(
        text("""
            SELECT station, vendor, model FROM registry.presence
            WHERE station = ANY(CAST(:stations AS text[])) AND vendor IS NOT NULL AND model IS NOT NULL
        """),
        {"stations": stations},
    )
    return {row[0]: (row[1], row[2]) for row in found}


async def boots_and_statuses(connection: AsyncConnection, stations: Sequence[str]) -> list[str]:
    """One JSON object a station: station, booted_at, statuses."""
    found = await connection.execute(
        text("""
            SELECT jsonb_build_object(
                'station', asked.id, 'booted_at', presence.booted_at,
                'statuses', coalesce((SELECT jsonb_agg(to_jsonb(said)) FROM registry.statuses AS said
                                      WHERE said.station = asked.id), '[]'))::text
            FROM unnest(CAST(:stations AS text[])) AS asked(id)
            LEFT JOIN registry.presence ON presence.station = asked.id
        """),
        {"stations": sorted(set(stations))},
    )
    return list(found.scalars())


async def listed_tokens(connection: AsyncConnection, whitelists: Sequence[str], now: datetime, limit: int) -> list[str]:
    """Each as JSON; of a uid that several issuers gave, none."""
    found = await connection.execute(
        text("""
            SELECT min(to_jsonb(token)::text) FROM registry.tokens AS token
            WHERE whitelist = ANY(CAST(:whitelists AS text[])) AND valid AND (valid_until IS NULL OR valid_until > :now)
            GROUP BY uid_folded HAVING count(*) = 1 ORDER BY uid_folded LIMIT :limit
        """),
        {"whitelists": list(whitelists), "now": now, "limit": limit},
    )
    return list(found.scalars())


async def acceptances(connection: AsyncConnection) -> list[tuple[str, str]]:
    found = await connection.execute(select(tables.stations.c.id, tables.stations.c.acceptance))
    return [(row[0], row[1]) for row in found]


async def set_acceptance(connection: AsyncConnection, stations: Sequence[str], acceptances: Sequence[str]) -> list[str]:
    """Which of the stations exist, and so were set."""
    changed = await connection.execute(
        text("""
            UPDATE registry.stations SET acceptance = given.acceptance
            FROM unnest(CAST(:stations AS text[]), CAST(:acceptances AS text[])) AS given(station, acceptance)
            WHERE stations.id = given.station RETURNING stations.id
        """),
        {"stations": list(stations), "acceptances": list(acceptances)},
    )
    return list(changed.scalars())


async def station_page(connection: AsyncConnection, after: str, limit: int) -> list[str]:
    """Stations by id from the one after `after`, with site and statuses, as JSON."""
    found = await connection.execute(
        text("""
            SELECT jsonb_build_object(
                'station', to_jsonb(station.*), 'site', to_jsonb(site.*), 'presence', to_jsonb(presence.*),
                'statuses', (
                    SELECT coalesce(jsonb_agg(to_jsonb(status.*) ORDER BY evse_no, connector_no), '[]')
                    FROM registry.statuses AS status WHERE status.station = station.id
                )
            )::text
            FROM registry.stations AS station
            JOIN registry.sites AS site ON site.id = station.site
            LEFT JOIN registry.presence AS presence ON presence.station = station.id
            WHERE station.id > :after ORDER BY station.id LIMIT :limit
        """),
        {"after": after, "limit": limit},
    )
    return list(found.scalars())


async def fleet(connection: AsyncConnection, seen_since: datetime, out_of_service: Sequence[str]) -> Sequence[int]:
    """Stations; those of them seen since then; those of these with a status that is out of service."""
    found = await connection.execute(
        text("""
            WITH online AS (SELECT station FROM registry.presence WHERE last_seen_at >= :seen_since)
            SELECT (SELECT count(*) FROM registry.stations), (SELECT count(*) FROM online), (
                SELECT count(DISTINCT station) FROM registry.statuses JOIN online USING (station)
                WHERE status = ANY(CAST(:out_of_service AS text[]))
            )
        """),
        {"seen_since": seen_since, "out_of_service": list(out_of_service)},
    )
    return tuple(found.one())


async def set_held(connection: AsyncConnection, customers: Sequence[str], because: str | None) -> None:
    await connection.execute(
        text("UPDATE registry.customers SET held_because = :because WHERE id = ANY(CAST(:customers AS text[]))"),
        {"customers": list(customers), "because": because},
    )


# Parts of statements. A whole record is written `record.*`, because `record` alone may also be somebody's column.

_ASKED = "unnest(CAST(:subjects AS text[]), CAST(:moments AS timestamptz[])) WITH ORDINALITY AS asked(subject, at, nth)"


def _asked(asked: Asked) -> dict[str, Any]:
    return {"subjects": [_storable(subject) for subject, _ in asked], "moments": [at for _, at in asked]}


def _storable(key: str) -> str | None:
    """No stored key holds a control character or half a surrogate pair, which the server would take as an error."""
    return key if key.isprintable() else None


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _encoded(rows: Sequence[Row]) -> str:
    return _ENCODER.encode(rows).decode()


def _given(table: Table) -> str:
    """The parameter `given` as rows of the table."""
    return f"jsonb_populate_recordset(NULL::{table.fullname}, CAST(:given AS jsonb))"


def _valid(alias: str, at: str) -> str:
    return f"{alias}.valid_from <= {at} AND ({alias}.valid_to IS NULL OR {at} < {alias}.valid_to)"


def _supplies(unit: str, at: str) -> str:
    """Two sources that agree are one candidate."""
    return f"""
        SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
            'supplier', supply.supplier, 'balance_group', supply.balance_group)), '[]')
        FROM registry.unit_supplies AS supply WHERE supply.unit = {unit} AND {_valid("supply", at)}
    """


def _networks(meter: str, at: str) -> str:
    return f"""
        SELECT coalesce(jsonb_agg(DISTINCT to_jsonb(operator.*)), '[]')
        FROM registry.meter_networks AS network
        JOIN registry.network_operators AS operator ON operator.id = network.network_operator
        WHERE network.meter = {meter} AND {_valid("network", at)}
    """


def _tokens(uid: str, supplies: str = "SELECT '[]'::jsonb") -> str:
    return f"""
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'token', to_jsonb(token.*), 'customer', to_jsonb(customer.*), 'unit', to_jsonb(unit.*),
            'terms', CASE WHEN terms.payer IS NULL THEN to_jsonb(terms.*) ELSE to_jsonb(payer_terms.*) END,
            'payer', to_jsonb(payer.*), 'supplies', ({supplies})
        ) ORDER BY token.party, token.type), '[]')
        FROM registry.tokens AS token
        LEFT JOIN registry.customers AS customer ON customer.id = token.customer
        LEFT JOIN registry.account_terms AS terms ON terms.owner = coalesce(token.customer, token.contract)
        LEFT JOIN registry.customers AS payer ON payer.id = terms.payer
        LEFT JOIN registry.account_terms AS payer_terms ON payer_terms.owner = payer.id
        LEFT JOIN registry.units AS unit ON unit.id = token.unit
        WHERE token.uid_folded = {uid}
    """


async def _candidates(
    connection: AsyncConnection, subjects: Table, candidates: str, asked: Asked
) -> list[tuple[bool, str]]:
    (key,) = subjects.primary_key
    found = await connection.execute(
        text(f"""
            SELECT EXISTS (SELECT FROM {subjects.fullname} WHERE {key.name} = asked.subject), ({candidates})::text
            FROM {_ASKED} ORDER BY asked.nth
        """),
        _asked(asked),
    )
    return [(known, rows) for known, rows in found]


async def _require_references(connection: AsyncConnection, table: Table, given: str) -> None:
    """Asked before the insert, because an error of the server would say it in the words of the schema."""
    names = [key.parent.name for key in table.foreign_keys]
    if not names:
        return
    dangling = " UNION ALL ".join(
        f"""
        SELECT '{name}', given.{name} FROM {_given(table)} AS given
        WHERE given.{name} IS NOT NULL AND NOT EXISTS (
            SELECT FROM {_referred(table, name)} AS known WHERE known.{_key(table, name)} = given.{name})
        """
        for name in sorted(names)
    )
    missing = (await connection.execute(text(f"{dangling} LIMIT 1"), {"given": given})).first()
    if missing is not None:
        noun, name = missing[0].replace("_", " "), missing[1]
        raise NotFound(f"{noun} {name!r} is not registered", **{missing[0]: name})


async def _require_unique(connection: AsyncConnection, table: Table, keys: Sequence[str], given: str) -> None:
    for constraint in table.constraints:
        if not isinstance(constraint, UniqueConstraint):
            continue
        names = [column.name for column in constraint.columns]
        same = " AND ".join(f"other.{name} = given.{name}" for name in names)
        another = " OR ".join(f"other.{key} <> given.{key}" for key in keys)
        fields = ", ".join(f"given.{name}" for name in [*keys, *names])
        taken = (
            await connection.execute(
                text(f"""
                    SELECT {fields} FROM {_given(table)} AS given, {table.fullname} AS other
                    WHERE {same} AND ({another})
                    UNION ALL
                    SELECT {fields} FROM {_given(table)} AS given, {_given(table)} AS other
                    WHERE {same} AND ({another})
                    LIMIT 1
                """),
                {"given": given},
            )
        ).first()
        if taken is not None:
            values = ", ".join(f"{name} {value!r}" for name, value in zip(names, taken[len(keys) :], strict=True))
            raise Conflict(f"{taken[0]!r} cannot have {values}: another one has it")


async def _require_no_overlap(connection: AsyncConnection, table: Table, subject: str, names: str, given: str) -> None:
    """A row that is on record already, exactly so, overlaps nothing."""
    overlap = (
        await connection.execute(
            text(f"""
                WITH given AS (SELECT DISTINCT {names} FROM {_given(table)}),
                known AS (
                    SELECT {names} FROM {table.fullname} WHERE {subject} IN (SELECT {subject} FROM given)
                    UNION ALL
                    SELECT {names} FROM given
                )
                SELECT to_jsonb(given.*)::text, to_jsonb(known.*)::text
                FROM given JOIN known ON known.{subject} = given.{subject}
                    AND tstzrange(known.valid_from, known.valid_to) && tstzrange(given.valid_from, given.valid_to)
                    AND to_jsonb(known.*) <> to_jsonb(given.*)
                LIMIT 1
            """),
            {"given": given},
        )
    ).first()
    if overlap is None:
        return
    new, old = (msgspec.json.decode(row, type=dict[str, str | None]) for row in overlap)
    bound = f"from {old['valid_from']} to {old['valid_to'] or 'an open end'}"
    others = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in old.items()
        if value is not None and name not in (subject, "valid_from", "valid_to")
    )
    raise Conflict(f"{subject} {old[subject]} already has {others} {bound}; end that first", given=new, known=old)


def _referred(table: Table, name: str) -> str:
    (key,) = table.c[name].foreign_keys
    return key.column.table.fullname


def _key(table: Table, name: str) -> str:
    (key,) = table.c[name].foreign_keys
    return key.column.name


async def keep_changes(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    if not rows:
        return
    await connection.execute(
        text("""
            INSERT INTO registry.changes (at, by, what, subject, before, after)
            SELECT at, by, what, subject, nullif(before, 'null'), nullif(after, 'null')
            FROM jsonb_to_recordset(CAST(:given AS jsonb))
                AS given(at timestamptz, by text, what text, subject text, before jsonb, after jsonb)
        """),
        {"given": msgspec.json.encode(rows).decode()},
    )


async def changes_page(
    connection: AsyncConnection, subject: str | None, before: int | None, limit: int
) -> Sequence[str]:
    """Each as JSON, the newest first."""
    found = await connection.execute(
        text("""
            SELECT to_jsonb(change.*)::text FROM registry.changes AS change
            WHERE (CAST(:subject AS text) IS NULL OR subject = :subject)
              AND (CAST(:before AS bigint) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT :limit
        """),
        {"subject": subject, "before": before, "limit": limit},
    )
    return found.scalars().all()
