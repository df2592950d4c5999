"""Settings: from the environment (`WATTBOOK_…`), each with a default that runs on a laptop."""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set. `docs/operating.md` lists it; nothing else is read from the environment."""

    model_config = SettingsConfigDict(env_prefix="WATTBOOK_", extra="ignore", env_parse_none_str="none")

    data: Path = Field(default=Path("data"), description="folder of the embedded database and of interval files")
    database_url: str | None = Field(default=None, description="a PostgreSQL server instead of the embedded one")

    country_code: str = Field(default="KR", pattern="^[A-Z]{2}$", description="OCPI country code of this party")
    party_id: str = Field(default="WTB", pattern="^[A-Z0-9]{3}$", description="OCPI party id of this party")
    role: Literal["CPO", "EMSP", "HUB"] = Field(default="CPO", description="OCPI role shown to partners")
    name: str = Field(default="wattbook", description="business name shown to people and partners")
    currency: str = Field(default="KRW", description="ISO 4217 code of prices and accounts")
    time_zone: str = Field(default="Asia/Seoul", description="IANA zone of sites and billing periods")

    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="what sums interval readings: DuckDB in this process, or Spark"
    )

    ocpp_host: str = "0.0.0.0"
    ocpp_port: int = Field(default=9000, ge=0, le=65535)
    ocpp_gateways: int = Field(
        default=1, ge=1, le=64, description="processes that share the stations' ports; one a core at most"
    )
    ocpp_security_profile: int = Field(
        default=0, ge=0, le=3, description="the least security profile of stations of which nothing else is said"
    )
    ocpp_tls_port: int | None = Field(default=None, ge=0, le=65535, description="a second port, for wss; none: no TLS")
    ocpp_tls_hosts: list[str] = Field(
        default=["localhost", "127.0.0.1"], description="names and addresses in the certificate of our own authority"
    )
    ocpp_tls_certificate: Path | None = Field(
        default=None, description="certificate chain of the wss port, PEM, instead of one of our own authority"
    )
    ocpp_tls_key: Path | None = Field(default=None, description="its private key, PEM")
    ocpp_client_roots: Path | None = Field(
        default=None, description="further roots of stations' certificates, PEM, beside our own authority"
    )
    ocpp_contract_roots: Path | None = Field(
        default=None, description="roots of vehicles' contract certificates (ISO 15118), PEM"
    )
    ocpp_authority: Path | None = Field(
        default=None, description="folder of our own certificate authority; none: `authority` in the data folder"
    )
    ocpp_renew_before_days: int = Field(
        default=60, ge=1, le=700, description="a station is told to renew its certificate so long before it ends"
    )
    ocpp_connections_max: int = Field(default=100_000, ge=1, description="connections of stations of one process")
    ocpp_handshakes_max: int = Field(default=5_000, ge=1, description="connections that are not let in yet")
    ocpp_arrivals_per_s_max: int = Field(default=2_000, ge=1, description="new connections a second, over time")
    ocpp_arrivals_burst_max: int = Field(default=10_000, ge=1, description="new connections at once")
    ocpp_retry_after_s: int = Field(default=10, ge=1, le=3_600, description="what one that is turned away is told")
    ocpp_frame_bytes_max: int = Field(
        default=1 << 20, ge=1 << 16, le=64 << 20, description="bytes of one message of a station, inflated"
    )
    ocpp_frames_per_s_max: int = Field(default=1_000, ge=1, description="frames a second of one station, over time")
    ocpp_frames_burst_max: int = Field(default=10_000, ge=1, description="frames of one station at once")
    ocpp_ping_after_s: int = Field(default=60, ge=1, le=86_400, description="silence before a station is pinged")
    ocpp_pong_within_s: int = Field(default=30, ge=1, le=86_400, description="silence after it that ends its socket")
    ocpp_compress: bool = Field(default=True, description="compress messages where a station offers it")
    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65535)
    api_key_sha256: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the API key; without one, only this machine"
    )
    stripe_api_key: str | None = Field(
        default=None, repr=False, description="secret key of the operator's Stripe account; none: no payments by Stripe"
    )
    stripe_webhook_secrets: list[str] = Field(
        default=[], repr=False, description="signing secrets of our webhook endpoint at Stripe; old and new"
    )
    stripe_api_base: str | None = Field(default=None, description="another address of Stripe's interface, for tests")
    public_url: str | None = Field(default=None, description="how partners reach the web port, e.g. https://a.example")
    allow_private_partners: bool = Field(
        default=False, description="let partners live at loopback and private addresses; for demonstrations and tests"
    )
    allow_private_webhooks: bool = Field(
        default=False, description="let webhooks of commands live at loopback and private addresses"
    )
    ocpp_journal: bool = Field(
        default=True, description="keep every frame of stations, for inspection; a station can be set otherwise"
    )
    ocpp_journal_days: int = Field(default=7, ge=1, le=3_650, description="days that frames are kept")
    meter_values_keep_days: int | None = Field(
        default=None, ge=1, description="single readings are kept so long; their hours for ever; not set: for ever"
    )
    ocpp_notices_keep_days: int | None = Field(
        default=90, ge=1, description="what stations told that has no other place"
    )
    ocpp_rejected_keep_days: int | None = Field(default=90, ge=1, description="frames that could not be accepted")
    ocpp_security_events_keep_days: int | None = Field(default=365, ge=1, description="what happened at the door")
    ocpp_commands_keep_days: int | None = Field(default=90, ge=1, description="commands that are done")
    ocpp_transactions_keep_days: int | None = Field(
        default=400, ge=31, description="what is needed to know a repeated event again of a transaction that is over"
    )
    ocpp_signatures_keep_days: int | None = Field(
        default=None, ge=1, description="signed meter values and whether their signatures are right"
    )
    ocpp_stuck_transactions_keep_days: int | None = Field(
        default=400, ge=1, description="what was noticed of transactions that nobody ended"
    )
    ocpp_reservations_keep_days: int | None = Field(default=90, ge=1, description="reservations that are over")
    ocpp_settlements_keep_days: int | None = Field(
        default=None, ge=1, description="payments at stations' terminals, as they told them"
    )
    ocpp_tell_tariffs: bool = Field(
        default=True, description="tell stations of OCPP 2.1 the tariff in force, again when another comes into force"
    )
    ocpp_tell_costs_every_s: int | None = Field(
        default=None,
        ge=10,
        le=86_400,
        description="tell stations of OCPP 2.x that show costs what a session costs so far; not set: in answers alone",
    )
    announce_interval_s: int = Field(
        default=10, ge=1, le=3_600, description="a running session is told to partners at most this often"
    )
    token_sessions_max: int | None = Field(
        default=None, ge=1, description="sessions that a token may run at once, unless it says otherwise; not set: any"
    )
    token_cache_hours: int | None = Field(
        default=None, ge=1, description="how long a station may remember a token as good; not set: as long as it is"
    )
    master_pass_group: str | None = Field(
        default=None, max_length=36, description="tokens of this group end every session and begin none"
    )
    transaction_silent_minutes: int = Field(
        default=15, ge=1, description="a transaction silent for so long is asked for, if its station is there"
    )
    transaction_gone_hours: int = Field(
        default=24, ge=1, description="one of a station that is away so long is ended at its last good reading"
    )
    heartbeat_interval_s: int = Field(default=300, ge=10, le=86_400)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.ocpp_tls_certificate is None) is not (self.ocpp_tls_key is None):
            raise ValueError("a TLS certificate and its key are given both or not at all")
        if self.ocpp_security_profile >= 2 and self.ocpp_tls_port is None:
            raise ValueError("security profiles 2 and 3 need a TLS port")
        return self

    @property
    def authority_folder(self) -> Path:
        return self.ocpp_authority or self.data / "authority"

    def environment(self) -> dict[str, str]:
        """The variables by which another process gets the same settings."""
        said = self.model_dump(mode="json")
        texts = {
            name: "none" if value is None else value if isinstance(value, str) else json.dumps(value)
            for name, value in said.items()
        }
        return {f"WATTBOOK_{name.upper()}": text for name, text in texts.items()}

    @property
    def party(self) -> str:
        """`KR*WTB`"""
        return f"{self.country_code}*{self.party_id}"
