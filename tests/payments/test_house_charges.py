"""A signed payment for charging at a house that is billed becomes a credit at once, whatever charged there before."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import text

from tests.api.conftest import application
from tests.api.server import listening
from tests.household import village
from tests.household.village import DAY, HOUR, KWH, MIDNIGHT
from tests.payments.test_http import send
from tests.payments.world import HOUSE, build, document, prove
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.bills.corrections import receive_payments
from wattbook.household.bills.documents import credit_notes_of_bills
from wattbook.household.paid.payments import ChargedInterval, PaymentInformation
from wattbook.household.readings.intervals import IntervalStore


async def test_a_signed_charge_is_assessed_with_its_answer(database: Database, tmp_path: Path) -> None:
    """480 kWh were measured, 20 in each hour; a wallbox said of an hour that it took 30, a till of two that it took
    7.25 more."""
    store = IntervalStore(tmp_path / "intervals")
    key = await build(database)
    wallbox = PaymentInformation(
        server="wallbox.example",
        id="w",
        household="house-1",
        energy_mwh=30 * KWH,
        started_at=MIDNIGHT + 4 * HOUR,
        ended_at=MIDNIGHT + 5 * HOUR,
        received_at=datetime(2026, 11, 1, tzinfo=UTC),
        intervals=(ChargedInterval(MIDNIGHT + 5 * HOUR, 30 * KWH),),
    )
    async with database.transaction() as connection:
        await village.measure(connection, store, village.hourly("M-house-1", 480 * KWH))
        await receive_payments(connection, [wallbox], store)
        bill = await village.billed(connection, store, "house-1", DAY)
        assert (bill.exception_mwh, bill.household_mwh) == (-10 * KWH, 460 * KWH)
    async with (
        listening(application(database, Settings(data=tmp_path))) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        answered = await send(client, key, document(HOUSE))
        assert answered.status_code == 201
    async with database.snapshot() as connection:
        (note,) = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
        assert (note.household_mwh, note.exception_mwh) == (452_750_000, -10 * KWH)
        waiting = await connection.execute(text("SELECT count(*) FROM household.reviews"))
        assert waiting.scalar_one() == 0, "nothing is left to be tended"
    await prove(database)
