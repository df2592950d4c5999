"""The SQL of the registry, a file a subject. A batch travels as one JSON array and comes back as JSON, so that one
statement serves any number of records and a record's fields need naming only once, in its table.

Names of tables and columns in a statement come from the declared tables, values always from parameters.
"""

from wattbook.registry.store.changes import changes_page, keep_changes
from wattbook.registry.store.records import counts, find, following, upsert
from wattbook.registry.store.stations import (
    acceptances,
    boots_and_statuses,
    fleet,
    makers,
    record_boots,
    record_statuses,
    set_acceptance,
    station_page,
    touch,
)
from wattbook.registry.store.tokens import clearance, listed_tokens, set_held, tokens_of_uids, tokens_page
from wattbook.registry.store.validities import assign, end, household_meters, networks_at, places_at, supplies_at

__all__ = [
    "acceptances",
    "assign",
    "boots_and_statuses",
    "changes_page",
    "clearance",
    "counts",
    "end",
    "find",
    "fleet",
    "following",
    "household_meters",
    "keep_changes",
    "listed_tokens",
    "makers",
    "networks_at",
    "places_at",
    "record_boots",
    "record_statuses",
    "set_acceptance",
    "set_held",
    "station_page",
    "supplies_at",
    "tokens_of_uids",
    "tokens_page",
    "touch",
    "upsert",
]
