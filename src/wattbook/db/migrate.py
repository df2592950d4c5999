"""Bring a database to the newest revision, and compare it with what the code declares."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from wattbook.db.engine import driver_url

SCRIPTS = Path(__file__).parent / "migrations"
ROOMS = ("book", "registry", "charging", "household", "ocpp", "roaming", "payments", "billing")
"""PostgreSQL schemas that are ours; whatever else lives in the database is left alone."""


def upgrade(url: str) -> None:
    """Apply what is missing. Safe to call from several processes: the first one does it, the others wait."""
    command.upgrade(_config(url), "head")


def differences(url: str, declared: MetaData) -> list[Any]:
    """What the database lacks or has too much against the declared tables; empty when they agree."""
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"include_schemas": True, "include_name": is_ours, "compare_type": True}
            )
            return list(compare_metadata(context, declared))
    finally:
        engine.dispose()


def write_revision(url: str, declared: MetaData, message: str) -> None:
    """Write the next numbered revision from the difference between a database at head and the declared tables."""
    config = _config(url)
    config.attributes["declared"] = declared
    number = len(list((SCRIPTS / "versions").glob("[0-9]*.py"))) + 1
    command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name in ROOMS


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = driver_url(url)
    return config
