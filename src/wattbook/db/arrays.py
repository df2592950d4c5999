"""Arrays as PostgreSQL reads them itself: a batch of ids, numbers or times costs neither side a text.

Source of the form: `array_recv` of PostgreSQL. Dimensions, whether there are nulls, type of the elements, length and
lowest index; then each element after its length, which is -1 for a null.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct, pack
from typing import Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_START: Final = Struct(">iiIii")
_UUID_OID: Final = 2950
_BIGINT_OID: Final = 20
_MOMENT_OID: Final = 1184
_ID_LENGTH: Final = (16).to_bytes(4, "big")
_NULL: Final = (-1).to_bytes(4, "big", signed=True)
_NUMBER: Final = Struct(">iq").pack

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL
_MICROSECOND: Final = timedelta(microseconds=1)


class Uuids(bytes):
    """A `uuid[]`."""


class Bigints(bytes):
    """A `bigint[]`."""


class Moments(bytes):
    """A `timestamptz[]`."""


def uuids(ids: Sequence[bytes | None]) -> Uuids:
    if not ids:
        return Uuids(_empty(_UUID_OID))
    if None in ids:
        elements = b"".join([_NULL if id_ is None else _ID_LENGTH + id_ for id_ in ids])
        return Uuids(_START.pack(1, 1, _UUID_OID, len(ids), 1) + elements)
    return Uuids(_ID_LENGTH.join([_START.pack(1, 0, _UUID_OID, len(ids), 1), *ids]))  # type: ignore[list-item]


def bigints(numbers: Sequence[int | None]) -> Bigints:
    return Bigints(_of_numbers(_BIGINT_OID, numbers))


def moments(times: Sequence[datetime | None]) -> Moments:
    """Times with their zone, to the microsecond."""
    return Moments(_of_numbers(_MOMENT_OID, [None if time is None else _since_epoch(time) for time in times]))


@lru_cache(maxsize=1024)
def _since_epoch(time: datetime) -> int:
    """Asked several times of a moment: it stands in several columns."""
    return (time - _EPOCH) // _MICROSECOND


def _of_numbers(oid: int, numbers: Sequence[int | None]) -> bytes:
    if not numbers:
        return _empty(oid)
    if None in numbers:
        elements = b"".join([_NULL if number is None else _NUMBER(8, number) for number in numbers])
        return _START.pack(1, 1, oid, len(numbers), 1) + elements
    elements = pack(f">{'iq' * len(numbers)}", *chain.from_iterable(zip(repeat(8), numbers)))
    return _START.pack(1, 0, oid, len(numbers), 1) + elements


def _empty(oid: int) -> bytes:
    return _START.pack(0, 0, oid, 0, 1)[:12]


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _UuidsDumper(_AsItIs):
    oid = 2951


class _BigintsDumper(_AsItIs):
    oid = 1016


class _MomentsDumper(_AsItIs):
    oid = 1185


psycopg.adapters.register_dumper(Uuids, _UuidsDumper)
psycopg.adapters.register_dumper(Bigints, _BigintsDumper)
psycopg.adapters.register_dumper(Moments, _MomentsDumper)
