"""The migrations and the declared tables say the same."""

from wattbook.app.databases import declared_tables
from wattbook.db.migrate import differences


def test_a_migrated_database_is_what_the_rooms_declare(database_url: str) -> None:
    assert differences(database_url, declared_tables()) == []
