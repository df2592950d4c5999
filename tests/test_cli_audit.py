"""`wattbook audit` as an operator calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg

from wattbook.app.databases import owned_database
from wattbook.config import Settings


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wattbook", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"WATTBOOK_DATA": str(data)},
    )


def test_the_proof_of_a_new_house_holds(tmp_path: Path) -> None:
    audited = run(tmp_path, "audit", "--json")
    assert audited.returncode == 0, audited.stderr
    proof = json.loads(audited.stdout)
    assert proof["holds"] is True
    assert {finding["name"] for finding in proof["findings"]} >= {"trial-balance", "metered-equals-billed"}


def test_a_broken_proof_says_what_is_broken_and_fails(tmp_path: Path) -> None:
    with owned_database(Settings(data=tmp_path)) as url, psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO book.accounts (owner, purpose, commodity, debits_posted) VALUES ('bank', 'cash', 'EUR', 7)"
        )
    audited = run(tmp_path, "audit")
    assert audited.returncode == 1
    assert audited.stdout.strip().splitlines()[-1].startswith("audit: BROKEN")
    assert "trial-balance" in audited.stdout


def test_a_second_owner_of_a_data_folder_is_told_who_owns_it(tmp_path: Path) -> None:
    with owned_database(Settings(data=tmp_path)):
        served = run(tmp_path, "serve")
        assert served.returncode == 2
        assert f"in use by process {os.getpid()}" in served.stderr
        assert run(tmp_path, "audit").returncode == 0, "looking beside the owner is allowed"
