"""Arrays as PostgreSQL reads them itself: a batch of ids or numbers costs neither side a text to write and to read.

Source of the form: `array_recv` of PostgreSQL. Dimensions, whether there are nulls, type of the elements, length and
lowest index; then each element after its length.
"""

from collections.abc import Sequence
from itertools import chain, repeat
from struct import Struct, pack
from typing import Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_START: Final = Struct(">iiIii")
_UUID_OID: Final = 2950
_BIGINT_OID: Final = 20
_ID_LENGTH: Final = (16).to_bytes(4, "big")


class Uuids(bytes):
    """A `uuid[]`."""


class Bigints(bytes):
    """A `bigint[]`."""


def uuids(ids: Sequence[bytes]) -> Uuids:
    if not ids:
        return Uuids(_START.pack(0, 0, _UUID_OID, 0, 1)[:12])
    return Uuids(_ID_LENGTH.join([_START.pack(1, 0, _UUID_OID, len(ids), 1), *ids]))


def bigints(numbers: Sequence[int]) -> Bigints:
    if not numbers:
        return Bigints(_START.pack(0, 0, _BIGINT_OID, 0, 1)[:12])
    elements = pack(f">{'iq' * len(numbers)}", *chain.from_iterable(zip(repeat(8), numbers)))
    return Bigints(_START.pack(1, 0, _BIGINT_OID, len(numbers), 1) + elements)


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _UuidsDumper(_AsItIs):
    oid = 2951


class _BigintsDumper(_AsItIs):
    oid = 1016


psycopg.adapters.register_dumper(Uuids, _UuidsDumper)
psycopg.adapters.register_dumper(Bigints, _BigintsDumper)
