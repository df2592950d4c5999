"""Settings: every one is documented, reaches other processes unchanged, and can be taken away."""

from pathlib import Path

import pytest

from wattbook.config import Settings

DOCS = Path(__file__).parents[1] / "docs"


def test_every_setting_is_documented_for_operators() -> None:
    said = (DOCS / "operating.md").read_text()
    names = [f"WATTBOOK_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in names if f"`{name}`" not in said] == []


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(ocpp_notices_keep_days=None, meter_values_keep_days=40, ocpp_tls_port=0, ocpp_tls_hosts=["a", "b"]),
    ],
)
def test_another_process_gets_the_same_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_what_is_kept_for_a_time_can_be_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTBOOK_OCPP_COMMANDS_KEEP_DAYS", "none")
    assert Settings().ocpp_commands_keep_days is None
