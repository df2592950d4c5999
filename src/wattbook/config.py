"""Settings: from the environment (`WATTBOOK_…`), each with a default that runs on a laptop."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set. `docs/operating.md` lists it; nothing else is read from the environment."""

    model_config = SettingsConfigDict(env_prefix="WATTBOOK_", extra="ignore")

    data: Path = Field(default=Path("data"), description="folder of the embedded database and of interval files")
    database_url: str | None = Field(default=None, description="a PostgreSQL server instead of the embedded one")

    country_code: str = Field(default="KR", pattern="^[A-Z]{2}$", description="OCPI country code of this party")
    party_id: str = Field(default="WTB", pattern="^[A-Z0-9]{3}$", description="OCPI party id of this party")
    role: Literal["CPO", "EMSP", "HUB"] = Field(default="CPO", description="OCPI role shown to partners")
    name: str = Field(default="wattbook", description="business name shown to people and partners")
    currency: str = Field(default="KRW", description="ISO 4217 code of prices and accounts")
    time_zone: str = Field(default="Asia/Seoul", description="IANA zone of sites and billing periods")

    ocpp_host: str = "0.0.0.0"
    ocpp_port: int = Field(default=9000, ge=0, le=65535)
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65535)
    api_key_sha256: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the API key; without one, only this machine"
    )
    public_url: str | None = Field(default=None, description="how partners reach the web port, e.g. https://a.example")
    allow_private_partners: bool = Field(
        default=False, description="let partners live at loopback and private addresses; for demonstrations and tests"
    )
    announce_interval_s: int = Field(
        default=10, ge=1, le=3_600, description="a running session is told to partners at most this often"
    )
    heartbeat_interval_s: int = Field(default=300, ge=10, le=86_400)

    @property
    def party(self) -> str:
        """`KR*WTB`"""
        return f"{self.country_code}*{self.party_id}"
