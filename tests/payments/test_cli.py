"""`wattbook payments`: senders, files and reports from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.payments.world import build
from wattbook.cli import main
from wattbook.db.engine import Database

CSV = """payment_id,purpose,customer,amount,currency,paid_at
F-1,top-up,kim,1000,KRW,2026-11-20T10:00:00+09:00
F-2,top-up,nobody,1000,KRW,2026-11-20T10:00:00+09:00
"""
CHARGE: dict[str, Any] = {
    "id": "txn_1",
    "object": "balance_transaction",
    "type": "charge",
    "amount": 500,
    "fee": 15,
    "currency": "krw",
    "created": 1795262400,
    "source": {"id": "ch_1", "object": "charge", "payment_intent": "pi_lost"},
}


@pytest.fixture
async def world(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await build(database)
    monkeypatch.setenv("WATTBOOK_DATABASE_URL", database_url)


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["payments", *words])


@pytest.mark.usefixtures("world")
def test_a_file_is_tried_then_imported_by_a_sender_that_was_added(tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    file.write_text(CSV)
    assert call("import", str(file), "--sender", "box-1").exit_code == 2
    assert len(call("sender", "add", "box-1").output.strip()) == 64
    dry = call("import", str(file), "--sender", "box-1", "--dry-run", "--json")
    done = call("import", str(file), "--sender", "box-1", "--json")
    assert (dry.exit_code, done.exit_code) == (1, 1)
    lines = json.loads(done.output)["lines"]
    assert json.loads(dry.output)["lines"] == lines
    assert [(line["number"], line["outcome"], line["code"]) for line in lines] == [
        (2, "taken", None),
        (3, "refused", "not-found"),
    ]
    assert "nobody" in call("quarantine").output
    assert "box-1" in call("sender", "list").output
    assert call("sender", "block", "box-1").exit_code == 0


@pytest.mark.usefixtures("world")
def test_a_saved_report_is_reconciled_and_what_is_unknown_is_told(tmp_path: Path) -> None:
    file = tmp_path / "report.jsonl"
    file.write_text(json.dumps(CHARGE) + "\n")
    result = call("reconcile", "--date", "2026-11-21", "--file", str(file), "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert told["differences"] == [
        {
            "kind": "unknown-here",
            "what": "payment",
            "reference": "pi_lost",
            "currency": "KRW",
            "reported": "500",
            "booked": None,
        }
    ]
    assert (told["fees"], told["clearing"]) == ({"KRW": "15"}, {"KRW": "-15"})
    assert call("reconcile", "--date", "2026-11-20", "--file", str(file)).exit_code == 0
    file.write_text(json.dumps(CHARGE) + "\n{}\n")
    broken = call("reconcile", "--date", "2026-11-21", "--file", str(file), "--json")
    assert broken.exit_code == 1
    assert [(each["kind"], each["reference"]) for each in json.loads(broken.output)["differences"]] == [
        ("unreadable", "line 2"),
        ("unknown-here", "pi_lost"),
    ]
    assert "{}" in call("quarantine").output
    listed = call("reconciliations", "--json")
    assert listed.exit_code == 1
    days = json.loads(listed.output)["reconciliations"]
    assert days[0] == json.loads(broken.output)
    assert [(day["date"], len(day["differences"])) for day in days] == [("2026-11-21", 2), ("2026-11-20", 0)]
    assert "unreadable" in call("reconciliations", "--since", "2026-11-21").output
    assert call("reconcile", "--date", "soon").exit_code == 2
    assert call("reconcile", "--date", "2026-11-20").exit_code == 2  # no account at the provider is set up
