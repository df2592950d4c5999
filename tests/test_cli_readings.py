"""`wattbook readings`: a file taken in with a report on its lines, and the files kept in order."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.household.village import found
from wattbook.cli import main
from wattbook.db.engine import Database

GOOD = "M-h1,import,2026-10-01T00:00:00+09:00,0.25\nM-h1,import,2026-10-01T00:15:00+09:00,0.5\n"
HEADER = "meter,register,start,kwh\n"


@pytest.fixture
def file(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somewhere for a file, beside a database with one house."""

    async def set_up() -> None:
        database = Database(database_url)
        async with database.transaction() as connection:
            await found(connection, "h1")
        await database.close()

    asyncio.run(set_up())
    monkeypatch.setenv("WATTBOOK_DATABASE_URL", database_url)
    monkeypatch.setenv("WATTBOOK_DATA", str(tmp_path))
    return tmp_path / "october.csv"


def run(*arguments: str, code: int) -> str:
    outcome = CliRunner().invoke(main, ["readings", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


def test_a_file_is_tried_taken_in_and_then_known(file: Path) -> None:
    file.write_text(HEADER + GOOD)
    options = ("import", str(file), "--format", "csv", "--layout", "readings", "--json")
    assert json.loads(run(*options, "--dry-run", code=0))["new"] == 2
    first, again = json.loads(run(*options, code=0)), json.loads(run(*options, code=0))
    assert (first["new"], first["known"], again["new"], again["known"]) == (2, 0, 0, 2)
    file.write_text(HEADER + GOOD.replace("0.5", "0.75") + "M-h1,import,later,1\n")
    shown = run("import", str(file), "--format", "csv", "--layout", "readings", code=1)
    assert "0 intervals were new, 1 changed, 1 known" in shown
    assert "not a time" in shown
    assert "2 files were compacted, 0 swept away" in run("tend", code=0)
    assert "0 files were compacted" in run("tend", code=0)


def test_what_cannot_be_read_is_said_in_one_line(file: Path) -> None:
    assert "cannot read" in run("import", str(file), "--format", "nem12", code=2)
    file.write_text(HEADER)
    assert "needs a layout" in run("import", str(file), "--format", "csv", code=2)
    assert "no format 'pdf'" in run("import", str(file), "--format", "pdf", code=2)
