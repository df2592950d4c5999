"""The embedded server belongs to one process, outlives a killed owner, and is used again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from wattbook.db.embedded import EmbeddedServer
from wattbook.kernel.errors import Conflict

OWNER = """
import sys, psycopg
from pathlib import Path
from wattbook.db.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    print("ready", flush=True)
    sys.stdin.read()
"""


def start_owner(folder: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    return owner


def test_a_second_owner_is_refused_and_told_who_owns_it(tmp_path: Path) -> None:
    owner = start_owner(tmp_path)
    try:
        with pytest.raises(Conflict, match=f"in use by process {owner.pid}"), EmbeddedServer(tmp_path):
            pass
    finally:
        owner.communicate("")
    with EmbeddedServer(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_a_killed_owner_leaves_its_data_and_the_next_one_uses_it(tmp_path: Path) -> None:
    owner = start_owner(tmp_path)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with EmbeddedServer(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "it stops with its new owner"


def test_a_server_that_has_long_to_recover_is_waited_for(tmp_path: Path) -> None:
    owner = start_owner(tmp_path)
    owner.communicate("")
    # It asks an archive for its log first, and the answer takes longer than the library waits.
    with (tmp_path / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'sleep 13; false'\nrecovery_target_timeline = 'current'\n")
    (tmp_path / "postgres" / "recovery.signal").touch()
    began = time.monotonic()
    with EmbeddedServer(tmp_path) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    assert time.monotonic() - began > 10, "else it was not long"
