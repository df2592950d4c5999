"""Parts that statements share: how a batch travels, and how what was valid at a moment is found.

A whole record is written `record.*`, because `record` alone may also be somebody's column.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Table

Row = Mapping[str, Any]
Asked = Sequence[tuple[str, datetime]]
"""Of what, and at which moment."""

ASKED: Final = (
    "unnest(CAST(:subjects AS text[]), CAST(:moments AS timestamptz[])) WITH ORDINALITY AS asked(subject, at, nth)"
)
"""Subjects and moments as rows, numbered."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def asked_moments(asked: Asked) -> dict[str, Any]:
    """The parameters of `ASKED`."""
    return {"subjects": [storable(subject) for subject, _ in asked], "moments": [at for _, at in asked]}


def storable(key: str) -> str | None:
    """None for a key that no record can have: none holds a control character or half a
    surrogate pair, which the server would take as an error.
    """
    return key if key.isprintable() else None


def encoded(rows: Sequence[Row]) -> str:
    """The parameter `given` of `given_rows`: a JSON array; Decimal as a number."""
    return _ENCODER.encode(rows).decode()


def given_rows(table: Table) -> str:
    """The parameter `given` as rows of the table."""
    return f"jsonb_populate_recordset(NULL::{table.fullname}, CAST(:given AS jsonb))"


def valid_at(alias: str, at: str) -> str:
    """A condition: the row of this alias is valid at the moment of this expression, its end not included."""
    return f"{alias}.valid_from <= {at} AND ({alias}.valid_to IS NULL OR {at} < {alias}.valid_to)"


def supplies_of(unit: str, at: str) -> str:
    """A query: the different allocations of a unit at a moment, as JSON; two sources that agree are one candidate."""
    return f"""
        SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
            'supplier', supply.supplier, 'balance_group', supply.balance_group)), '[]')
        FROM registry.unit_supplies AS supply WHERE supply.unit = {unit} AND {valid_at("supply", at)}
    """


def networks_of(meter: str, at: str) -> str:
    """A query: the different network operators of a meter at a moment, as JSON."""
    return f"""
        SELECT coalesce(jsonb_agg(DISTINCT to_jsonb(operator.*)), '[]')
        FROM registry.meter_networks AS network
        JOIN registry.network_operators AS operator ON operator.id = network.network_operator
        WHERE network.meter = {meter} AND {valid_at("network", at)}
    """
