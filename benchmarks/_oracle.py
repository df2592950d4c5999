"""Another engine for OCPI tariffs: the crate `ocpi-tariffs` (Rust, MIT or Apache-2.0), behind a few lines of ours.

Those lines (`oracle/src/main.rs`) are built once a version into a cache folder, with the packages that its lock file
names. A machine without cargo, or without a way to the registry of crates, has no oracle.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec

SOURCE: Final = Path(__file__).parent / "oracle"
CRATE: Final = "ocpi-tariffs"
BUILD_SECONDS_MAX: Final = 1_200
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


class OracleMissing(Exception):
    """There is none on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Totals before and after tax (None where it states none), or an error; the seconds are of pricing alone."""

    before: Fraction | None = None
    after: Fraction | None = None
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A tariff and a record as objects of OCPI, or as their texts; `times` says how often to price."""

    tariff: Any
    record: Any
    zone: str
    times: int = 1

    def line(self) -> str:
        tariff, record = (each if isinstance(each, str) else _JSON.encode(each).decode() for each in self.objects())
        return json.dumps({"tariff": tariff, "record": record, "zone": self.zone, "times": self.times})

    def objects(self) -> tuple[Any, Any]:
        return self.tariff, self.record


class Oracle:
    """The built program.

    Raises:
        OracleMissing: no cargo, or its registry cannot be reached.
    """

    def __init__(self) -> None:
        if shutil.which("cargo") is None:
            raise OracleMissing("cargo is not installed")
        asked = hashlib.sha256((SOURCE / "Cargo.toml").read_bytes() + (SOURCE / "src/main.rs").read_bytes())
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._folder = cache / "wattbook" / f"oracle-{asked.hexdigest()[:16]}"
        self._program = self._folder / "release" / "oracle"
        if not self._program.exists():
            self._build()

    def _build(self) -> None:
        fetched = self._cargo("fetch")
        if fetched.returncode:
            raise OracleMissing(f"the registry of crates cannot be reached: {fetched.stderr.strip().splitlines()[-1]}")
        built = self._cargo("build", "--release", "--offline")
        if built.returncode:
            raise RuntimeError(f"the oracle does not build:\n{built.stderr}")

    def _cargo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"CARGO_TARGET_DIR": str(self._folder)}
        command = ["cargo", *arguments, "--manifest-path", str(SOURCE / "Cargo.toml")]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
        )

    def crate_folder(self) -> Path:
        """Where cargo keeps the sources of the crate, its own cases among them."""
        told = self._cargo("metadata", "--format-version", "1")
        packages = json.loads(told.stdout)["packages"]
        return next(Path(each["manifest_path"]).parent for each in packages if each["name"] == CRATE)

    def price(self, jobs: Sequence[Job]) -> list[Answer]:
        """Every job, in one process."""
        lines = "".join(f"{job.line()}\n" for job in jobs)
        told = subprocess.run([self._program], input=lines, capture_output=True, text=True, check=True)
        return [_answer(json.loads(line)) for line in told.stdout.splitlines()]


def _answer(told: dict[str, Any]) -> Answer:
    if "error" in told:
        return Answer(error=told["error"])
    # Printed with four decimals and the sign of no currency.
    sides = (told[side] for side in ("before", "after"))
    before, after = (None if side is None else Fraction(side.rstrip("¤")) for side in sides)
    return Answer(before, after, told["seconds"])
