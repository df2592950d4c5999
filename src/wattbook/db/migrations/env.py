"""Runs the revisions under an advisory lock, so that two processes that start together do not upgrade together."""

from alembic import context
from sqlalchemy import create_engine, text

from wattbook.db.migrate import ROOMS, is_ours

UPGRADE_LOCK = 0x77617474  # "watt"

engine = create_engine(context.config.attributes["url"])
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    for room in ROOMS:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {room}"))
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("declared"),
        include_schemas=True,
        include_name=is_ours,
        transaction_per_migration=False,
    )
    context.run_migrations()
engine.dispose()
