"""The form of an interval reading, and the checks a batch of them passes before it is stored."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from wattbook.kernel.errors import InvalidInput

MINUTES: Final = (5, 15, 30, 60)
"""Lengths an interval may have; it starts on a whole multiple of its length after the hour."""
QUALITIES: Final = ("valid", "questionable", "provisional", "estimated", "edited")
"""What a value is worth, the measured ones first: `questionable` failed a check, `provisional` its sender will replace,
`estimated` fills what is missing or failed, `edited` a person set. `method` says how the last two came about."""
BATCH_READINGS_MAX: Final = 20_000_000
ENERGY_MWH_MAX: Final = 10**12
"""In one interval: one gigawatt-hour, far more than any house has."""
TEXT_LENGTH_MAX: Final = 64

SCHEMA: Final = pa.schema(
    [
        pa.field("meter_no", pa.string(), nullable=False),
        pa.field("register", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("minutes", pa.int32(), nullable=False),
        pa.field("energy_mwh", pa.int64(), nullable=False),
        pa.field("quality", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
    ]
)
"""A batch of readings. `register` is the OBIS code that the registry has for the meter's import or export."""
KEY: Final = ("meter_no", "register", "start")
"""What is measured once, in whatever number of versions."""


class Interval(NamedTuple):
    """What a register counted up by in [start, start + minutes).

    Attributes:
        register: OBIS code, which says import or export.
        quality: one of `QUALITIES`.
        version: by its source; the higher one counts, and of two equal ones the one of the later batch.
        method: how the value was made, where it was not measured; empty where it was.
    """

    meter_no: str
    register: str
    start: datetime
    minutes: int
    energy_mwh: int
    quality: str = "valid"
    version: int = 0
    method: str = ""


def readings(intervals: Iterable[Interval]) -> pa.Table:
    """A batch from single intervals.

    Raises:
        InvalidInput: a field is of the wrong type or out of range.
    """
    columns = list(zip(*intervals, strict=True)) or [()] * len(SCHEMA)
    return pa.table([_column(values, field) for values, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """Exact: a fraction would be cut off, and a time without a zone would be taken for one in UTC, if they were let."""
    try:
        column = pa.array(values)
        inexact = pa.types.is_floating(column.type) or (pa.types.is_timestamp(column.type) and not column.type.tz)
        if not inexact:
            return column.cast(field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    raise InvalidInput(f"readings cannot be stored: not every {field.name} is of type {field.type}")


def in_order(table: pa.Table) -> pa.Table:
    """In the order in which it is stored, which makes the same readings the same bytes.

    Raises:
        InvalidInput: other columns than those of `SCHEMA`, none, or too many.
    """
    if table.schema != SCHEMA:
        raise InvalidInput(f"readings need the columns {', '.join(SCHEMA.names)} in their types")
    if not 0 < table.num_rows <= BATCH_READINGS_MAX:
        raise InvalidInput(f"a batch holds 1 to {BATCH_READINGS_MAX} readings, not {table.num_rows}")
    return table.sort_by([(key, "ascending") for key in (*KEY, "version")]).combine_chunks()


def check(table: pa.Table, now: datetime) -> None:
    """Check a batch that is in order.

    Raises:
        InvalidInput: with the rule that is broken, by how many readings, and the first of them.
    """
    for rule, kept in _rules(table, now).items():
        broken = table.filter(pc.invert(pc.fill_null(kept, False)))
        if broken.num_rows:
            first = broken.slice(0, 1).to_pylist()[0]
            raise InvalidInput(
                f"{rule}: {broken.num_rows} readings differ, the first is {first}", readings=broken.num_rows
            )


def _rules(table: pa.Table, now: datetime) -> dict[str, Any]:
    """For each rule: which rows keep it."""
    minutes, energy, start = table["minutes"], table["energy_mwh"], table["start"]
    seconds = pc.cast(pc.cast(start, pa.timestamp("s", "UTC"), safe=False), pa.int64())
    length_s = pc.multiply(pc.cast(minutes, pa.int64()), 60)
    whole = pc.equal(pc.cast(start, pa.int64()), pc.multiply(seconds, 1_000_000))
    # A length that is not allowed may be zero, so it does not divide here.
    divisor = pc.if_else(pc.greater(length_s, 0), length_s, 60)
    aligned = pc.equal(pc.subtract(seconds, pc.multiply(pc.divide(seconds, divisor), divisor)), 0)
    ends = pc.add(seconds, length_s)
    return {
        "a field is empty": _all(pc.is_valid(table[name]) for name in SCHEMA.names),
        f"a meter number and a register have 1 to {TEXT_LENGTH_MAX} characters": _all(
            _between(pc.utf8_length(table[name]), 1, TEXT_LENGTH_MAX) for name in ("meter_no", "register")
        ),
        f"a method has at most {TEXT_LENGTH_MAX} characters": _between(
            pc.utf8_length(table["method"]), 0, TEXT_LENGTH_MAX
        ),
        f"an interval has one of {MINUTES} minutes": pc.is_in(minutes, pa.array(MINUTES, pa.int32())),
        "an interval starts on a multiple of its length": pc.and_(whole, aligned),
        "an interval ends before now": pc.less_equal(ends, int(now.timestamp())),
        f"an interval has 0 to {ENERGY_MWH_MAX} mWh": _between(energy, 0, ENERGY_MWH_MAX),
        f"a quality is one of {', '.join(QUALITIES)}": pc.is_in(table["quality"], pa.array(QUALITIES)),
        "a version is 0 or more": pc.greater_equal(table["version"], 0),
        "an interval stands once in a batch": unlike_the_one_before(table, (*KEY, "version")),
    }


def unlike_the_one_before(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """For a sorted table: whether a row differs from the row before in any of these columns."""
    if table.num_rows <= 1:
        return pa.array([True] * table.num_rows)
    columns = [table[name].combine_chunks() for name in names]
    same = _all(pc.equal(column.slice(1), column.slice(0, len(column) - 1)) for column in columns)
    return pa.concat_arrays([pa.array([True]), pc.invert(same)])


def digest(table: pa.Table) -> str:
    """SHA-256 of the readings of a batch that is in order, however they are held in memory."""
    hashed = hashlib.sha256(str(table.num_rows).encode())
    for name in SCHEMA.names:
        column = table[name].combine_chunks()
        if pa.types.is_string(column.type):
            codes = column.dictionary_encode()
            hashed.update("\0".join(codes.dictionary.to_pylist()).encode())
            column = codes.indices
        hashed.update(column.to_numpy(zero_copy_only=False).tobytes())
    return hashed.hexdigest()


def _all(conditions: Iterable[Any]) -> Any:
    first, *rest = conditions
    for condition in rest:
        first = pc.and_(first, condition)
    return first


def _between(values: Any, low: int, high: int) -> Any:
    return pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
