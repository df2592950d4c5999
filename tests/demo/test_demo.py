"""The demonstration, as a newcomer starts it: in a process of its own, all five cases, the proof as its last line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [sys.executable, "-m", "wattbook", "demo", "--no-wait", "--folder", str(folder / "world")],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        timeout=150,
        cwd=Path(__file__).parents[2],
    )


def test_the_proof_holds_and_is_the_last_line(played: subprocess.CompletedProcess[str]) -> None:
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.strip().splitlines()[-1].startswith("audit: OK")


@pytest.mark.parametrize(
    ("who", "kwh", "price", "why"),
    [
        # 9.35 kWh × 324.4 + 300, plus 10 %
        ("Jiwoo, prepaid", "9.350", "3,666 KRW", "at her own operator"),
        # 24 kWh × 324.4, plus 10 %
        ("Seoyeon, roaming", "24.000", "8,564 KRW", "settled: 8,564 KRW"),
        ("corrected", "369.986", "75,790 KRW", "equals the bill of its own load, 75,790 KRW"),
        ("paid late", "-6.870", "-1,800 KRW", "credit note; repeated: known; other kWh: conflict"),
        # 12 kWh × 210
        ("Minjun, feed-in", "-12.000", "-2,520 KRW", "credited to KR*SUN"),
        ("a stranger", "0.000", "", "refused (supplier-missing)"),
    ],
)
def test_each_case_is_in_the_table(
    played: subprocess.CompletedProcess[str], who: str, kwh: str, price: str, why: str
) -> None:
    lines = [line for line in played.stdout.splitlines() if who in line]
    assert len(lines) == 1, played.stdout
    assert kwh in lines[0]
    assert price in lines[0]
    assert why in lines[0]
