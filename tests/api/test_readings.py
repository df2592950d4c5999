"""Readings over HTTP: a report on every line, edits with a reason, and the work list."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import application
from tests.api.server import listening
from tests.household.village import KWH, billed, found, hourly, measure
from wattbook.config import Settings
from wattbook.db.engine import Database
from wattbook.household.bills.documents import credit_notes_of_bills
from wattbook.household.readings.intervals import IntervalStore

METER = "M-house-1"
DAY = {"register": "1-0:1.8.0", "since": "2026-10-01T00:00:00+09:00", "until": "2026-10-02T00:00:00+09:00"}


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with database.transaction() as connection:
        await found(connection, "house-1")
    async with (
        listening(application(database, Settings(data=tmp_path))) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as opened,
    ):
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> IntervalStore:
    return IntervalStore(tmp_path / "intervals")


def pushed(hour: int, kwh: str, **rest: Any) -> dict[str, Any]:
    return {"meter": METER, "start": f"2026-10-01T{hour:02}:00:00+09:00", "minutes": 60, "value": kwh} | rest


async def test_pushed_readings_are_reported_line_by_line(client: httpx.AsyncClient) -> None:
    lines = [pushed(0, "1.5"), pushed(1, "2.5"), pushed(2, "x"), pushed(3, "1", meter="M-nobody")]
    report = (await client.post("/readings", json={"readings": lines})).json()
    assert (report["new"], report["refused_count"]) == (2, 2)
    assert [(each["line"], each["code"]) for each in report["refused"]] == [(3, "value"), (4, "meter")]
    again = (await client.post("/readings", json={"readings": lines[:2]})).json()
    assert (again["new"], again["known"]) == (0, 2)
    stored = (await client.get(f"/meters/{METER}/readings", params=DAY)).json()
    assert [(each["kwh"], each["quality"], each["espi_quality"]) for each in stored] == [
        ("1.5", "valid", 17),
        ("2.5", "valid", 17),
    ]
    kept = (await client.get("/readings/quarantine")).json()
    assert sorted(each["refused"]["line"] for each in kept) == [3, 4]


async def test_a_file_is_taken_in_by_its_format(client: httpx.AsyncClient) -> None:
    content = "meter,date,time,kwh\nM-house-1,2026-10-01,00:15,0.25\nM-house-1,2026-10-01,00:30,0.5\nM-house-1,,,\n"
    asked = {"format": "csv", "layout": "readings-kst", "source": "head-end.csv"}
    answer = await client.post("/readings/files", params=asked, content=content)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["new"], answer.json()["refused_count"]) == (2, 1)
    for wrong in ({"layout": "../../etc/passwd"}, {"layout": None}, {"format": "pdf"}):
        said = {name: value for name, value in (asked | wrong).items() if value is not None}
        assert (await client.post("/readings/files", params=said, content=content)).status_code == 422


async def test_an_edit_has_a_reason_and_corrects_the_bill(
    client: httpx.AsyncClient, database: Database, store: IntervalStore
) -> None:
    async with database.transaction() as connection:
        await measure(connection, store, [each._replace(meter_no=METER) for each in hourly(METER, 480 * KWH)])
        bill = await billed(connection, store, "house-1")
    span = {"register": "1-0:1.8.0", "since": DAY["since"], "until": "2026-10-01T02:00:00+09:00"}
    unsaid = await client.post(f"/meters/{METER}/edits", json=span | {"kwh": ["0", "0"], "reason": ""})
    assert unsaid.status_code == 422
    edited = await client.post(f"/meters/{METER}/edits", json=span | {"kwh": ["0", "1"], "reason": "outage"})
    assert edited.status_code == 200, edited.text
    assert [(each["kwh"], each["quality"], each["version"]) for each in edited.json()] == [
        ("0", "edited", 1),
        ("1", "edited", 1),
    ]
    async with database.snapshot() as connection:
        (note,) = (await credit_notes_of_bills(connection, [bill.id]))[bill.id]
    assert (note.reason, note.metered_mwh) == ("readings", 441 * KWH)
    versions = (await client.get(f"/meters/{METER}/readings", params=span | {"versions": True})).json()
    assert [each["kwh"] for each in versions] == ["20", "0", "20", "1"]


async def test_the_work_list_is_looked_at_and_closed(client: httpx.AsyncClient) -> None:
    shown = [
        {"meter": METER, "at": f"2026-10-0{day}T00:00:00Z", "value": value} for day, value in ((1, "900"), (2, "20"))
    ]
    assert (await client.post("/readings", json={"readings": shown})).json()["registers"] == 2
    (item,) = (await client.get("/work-list", params={"kind": "register-fell"})).json()
    assert (item["meter"], item["register"]) == (METER, "1-0:1.8.0")
    close = f"/work-list/{item['id']}/close"
    assert (await client.post(close, json={"resolution": "a new meter of the same number"})).status_code == 204
    assert (await client.get("/work-list")).json() == []
    assert (await client.post(close, json={"resolution": "again"})).status_code == 409
    assert (await client.post("/work-list/none/close", json={"resolution": "x"})).status_code == 404
