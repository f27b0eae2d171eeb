"""The settings: environment variables with the prefix `CAMPAIGNS_`, or a `.env` file in the working directory."""

import re
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from tzlocal import get_localzone_name

from campaigns.definition import Rate
from campaigns.policy import ALL_KINDS, Policy
from worker.settings.explaining import problem_of
from worker.settings.files import PREFIX as PREFIX
from worker.settings.files import SettingsError as SettingsError
from worker.settings.files import bare_secret, named, problem_of_secret, read_secret, trusted_env_file
from worker.settings.values import (
    NOTHING,
    CommandLine,
    EmailAddresses,
    ErrorTexts,
    HeaderName,
    HelpAnswer,
    HostNames,
    HostPort,
    Kinds,
    KindsToApprove,
    Networks,
    OptionalAmount,
    OptionalCap,
    OptionalHours,
    OptionalPeople,
    OptionalRate,
    OptionalSegments,
    Region,
    SecretAddress,
    ServerAddress,
    StopWords,
    ZoneName,
    checked_server,
)


class Settings(BaseSettings):
    """Every setting, with its default. Seconds are seconds; rates count SMS segments (`30/minute`, or `none`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # compose files pass a variable that nobody has set as an empty one
        extra="ignore",
        frozen=True,
    )

    gateway_url: str = Field(default="", description="address of the SMS gateway; sending needs it, or `--sandbox`")
    api_key: SecretStr = Field(default=SecretStr(""), description="API key of the gateway's account")
    api_key_file: Path | None = Field(default=None, description="a file that holds the API key (a mounted secret)")
    ca_file: Path | None = Field(
        default=None,
        description="PEM certificates of your own authorities, for gateway, webhooks and mail server",
    )
    database_url: ServerAddress = Field(
        default="sqlite:///campaigns.db", description="SQLite, or PostgreSQL as `postgresql+psycopg://user@host/name`"
    )
    database_url_file: Path | None = Field(default=None, description="a file that holds the database's address")
    read_database_url: ServerAddress = Field(
        default="", description="a replica of the PostgreSQL database, from which pages and reports are read"
    )
    read_database_url_file: Path | None = Field(default=None, description="a file that holds the replica's address")
    redis_url: ServerAddress = Field(default="", description="Redis for queue and throttle; empty: both in one process")
    redis_url_file: Path | None = Field(default=None, description="a file that holds the address of Redis")
    inbox: Path = Field(default=Path("campaigns/inbox"), description="the folder that campaign files are dropped into")
    timezone: ZoneName = Field(
        default_factory=get_localzone_name, description="zone of times in campaign files; default: the machine's"
    )
    region: Region = Field(default=None, description="country of numbers without a country code, such as `IT`")
    rate: OptionalRate = Field(
        default=None, description="ceiling over all campaigns of the account, such as `100/minute`"
    )
    daily: OptionalSegments = Field(default=None, description="segments a day over all campaigns of the account")
    monthly: OptionalSegments = Field(default=None, description="segments a calendar month over all campaigns")
    device_rate: OptionalRate = Field(
        default=Rate(30, timedelta(minutes=1)),
        description="ceiling of each device or SIM (Android's own limit for an app); `none` with `--sandbox`",
    )
    device_daily: OptionalSegments = Field(default=None, description="segments a day of each device or SIM")
    device_monthly: OptionalSegments = Field(
        default=None, description="segments a calendar month of each device or SIM"
    )
    device_people_monthly: OptionalPeople = Field(
        default=None, description="different people a calendar month whom each device or SIM may text"
    )
    prices: Path | None = Field(default=None, description="a file with the price of a segment by prefix (CSV)")
    budget_daily: OptionalAmount = Field(default=None, description="what all campaigns may cost a day, as in `40 EUR`")
    budget_monthly: OptionalAmount = Field(default=None, description="what all campaigns may cost a calendar month")
    require_approval: KindsToApprove = Field(
        default=frozenset(),
        description="kinds of campaigns that must be approved before they send, whatever their file says: "
        "`marketing,reminder`, or `true` for all",
    )
    hours: OptionalHours = Field(
        default=None,
        description="the only times at which campaigns send, whatever their file says, such as `mon-sat 09:00-20:00`",
    )
    frequency_cap: OptionalCap = Field(
        default=None, description="marketing texts for one person, whatever a file says: `2/7d`"
    )
    kinds: Kinds = Field(
        default=frozenset(), description="what campaign files may be: `marketing,reminder`; empty: any kind"
    )
    send_by_seconds: float = Field(
        default=30, gt=0, le=3600, description="deadline for a request to begin; after it, the request is never made"
    )
    settle_seconds: float = Field(
        default=300,
        ge=0,
        le=86_400,
        description="a request in doubt that has left no trace for this long was not stored",
    )
    first_poll_seconds: float = Field(default=30, gt=0, le=3600, description="first look for receipts after a request")
    max_poll_seconds: float = Field(default=1800, gt=0, le=86_400, description="longest pause between two such looks")
    stuck_after_seconds: float = Field(
        default=600,
        gt=0,
        le=86_400,
        description="a phone that has sent nothing for this long, though texts wait, is stuck",
    )
    error_texts: ErrorTexts = Field(
        default={},
        description="what unknown error texts of this gateway mean, by fingerprint: `3f0c9a1b2c3d=refused,...`"
        " (account, refused, throttled, too_big or nothing; `held` and `doctor` show the fingerprints)",
    )
    reply_poll_seconds: float = Field(
        default=15, gt=0, le=3600, description="pause between two looks for replies at the gateway"
    )
    stop_words: StopWords = Field(
        default=(), description="more words that opt out if they are the whole reply: `R,TD1`"
    )
    help_answer: HelpAnswer = Field(default="", description="the answer to anyone who replies HELP; empty: no answer")
    report_webhook: SecretStr = Field(
        default=SecretStr(""), description="webhook for the events of campaigns whose file names none"
    )
    reply_webhook: SecretStr = Field(default=SecretStr(""), description="webhook that gets every reply, in full")
    webhook_secret: SecretStr = Field(default=SecretStr(""), description="the key that signs calls of webhooks")
    webhook_secret_file: Path | None = Field(default=None, description="a file that holds that key")
    allow_private_webhooks: bool = Field(
        default=False, description="allow webhooks in campaign files on private addresses, and with `http`"
    )
    notify_email: EmailAddresses = Field(
        default=(), description="addresses that get e-mail about the events of campaigns"
    )
    smtp_url: SecretAddress = Field(
        default=SecretStr(""), description="the mail server, as in `smtps://user:password@mail.example.com`"
    )
    smtp_url_file: Path | None = Field(default=None, description="a file that holds the mail server's address")
    notify_command: CommandLine = Field(
        default=(), description="a program that gets each event as JSON on its standard input; no shell"
    )
    notice_days: int = Field(
        default=90, ge=7, le=3_650, description="days after which notifications that were sent are forgotten"
    )
    keep_texts_days: int | None = Field(
        default=None, ge=2, le=3_650, description="days after which texts of campaigns that are over are erased"
    )
    keep_people_days: int | None = Field(
        default=None, ge=7, le=3_650, description="days after which their people are erased"
    )
    privacy_key_file: Path | None = Field(
        default=None, description="a file with the key of the hashes that stand for people who were erased"
    )
    http: HostPort = Field(
        default="", description="`host:port` for the API, the webhook of replies and `/healthz`; empty: nothing listens"
    )
    webhook_http: HostPort = Field(
        default="", description="`host:port` for the webhook of replies and `/healthz` alone; empty: they are at `http`"
    )
    http_hosts: HostNames = Field(
        default=(), description="host names of the API, such as `desk.example.com`; loopback needs none"
    )
    trusted_proxies: Networks = Field(
        default=(), description="addresses of trusted proxies in front, such as `10.0.3.0/24`"
    )
    trusted_user_header: HeaderName = Field(
        default="", description="the header in which a trusted proxy names the user who signed in there"
    )
    four_eyes: bool = Field(default=False, description="`true`: nobody can approve a campaign that they submitted")
    api_rate: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="calls per second that each caller of the API may make; bursts: 5 times as many",
    )
    metrics_http: HostPort = Field(
        default="", description="`host:port` where this process serves `/metrics` to Prometheus; empty: nowhere"
    )
    webhook_keys: SecretStr = Field(
        default=SecretStr(""),
        description="further API keys that sign calls of the gateway's webhook, separated by commas",
    )
    webhook_keys_file: Path | None = Field(
        default=None, description="a file that holds them, separated by commas or lines"
    )
    start_wait_seconds: float = Field(
        default=60, ge=0, le=86_400, description="how long a service waits for its database and Redis when it starts"
    )
    threads: int = Field(default=4, ge=1, le=64, description="requests that one worker process makes at once")
    heartbeat_file: Path | None = Field(
        default=None, description="a file that a service touches every two seconds while it works, for probes"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`json`, `text`, or `auto`: text on a terminal"
    )

    @field_validator("api_key", "webhook_keys", "webhook_secret")
    @classmethod
    def _visible_secret(cls, secret: SecretStr) -> SecretStr:
        text = bare_secret(secret.get_secret_value())
        if text and (problem := problem_of_secret(text)):
            raise ValueError(f"cannot be used ({problem}); copy the key again")
        return SecretStr(text)

    @property
    def zone(self) -> ZoneInfo:
        """Return the default zone of campaign files."""
        return ZoneInfo(self.timezone)

    @property
    def policy(self) -> Policy:
        """What the operator insists on, whatever a campaign file says."""
        kinds, own = self.kinds or ALL_KINDS, self.report_webhook.get_secret_value()
        private = self.allow_private_webhooks
        return Policy(self.require_approval, self.hours, self.frequency_cap, kinds, private, own)

    @property
    def texts_for_nothing(self) -> frozenset[str]:
        """Return the fingerprints of error texts that mean that nothing was found."""
        return frozenset(fingerprint for fingerprint, meaning in self.error_texts.items() if meaning == NOTHING)

    def key(self) -> SecretStr:
        """Return the API key, from the setting or the file it names; empty if there is neither."""
        file = self.api_key_file
        return SecretStr(read_secret(file, "api_key") if file else self.api_key.get_secret_value())

    def further_webhook_keys(self) -> list[SecretStr]:
        """Return the other keys that may sign the gateway's webhook while its API key is being replaced."""
        file = self.webhook_keys_file
        text = read_secret(file, "webhook_keys", may_be_empty=True) if file else self.webhook_keys.get_secret_value()
        return [SecretStr(key) for key in re.split(r"[,\s]+", text) if key]

    def signing_secret(self) -> SecretStr:
        """Return the secret that signs our own webhook calls; empty: they are not signed."""
        file = self.webhook_secret_file
        return SecretStr(read_secret(file, "webhook_secret") if file else self.webhook_secret.get_secret_value())

    def mail_server(self) -> SecretStr:
        """Return the mail server's address; empty: no e-mail is sent."""
        return SecretStr(_read_address(self.smtp_url_file, "smtp_url")) if self.smtp_url_file else self.smtp_url


ADDRESSES: Final = ("database_url", "read_database_url", "redis_url")
"""Settings that may carry a password, and may therefore be read from a mounted secret: `NAME_file` wins over `NAME`."""


def load_settings(**overrides: Any) -> Settings:
    """Return the settings in force; `overrides` win over the environment. Raises `SettingsError`, one sentence."""
    settings = _load(overrides)
    files: dict[str, Path | None] = {name: getattr(settings, f"{name}_file") for name in ADDRESSES}
    return settings.model_copy(
        update={
            name: _read_address(file, name)
            for name, file in files.items()
            if file is not None and name not in overrides
        }
    )


def _read_address(file: Path, name: str) -> str:
    try:
        return checked_server(read_secret(file, name))
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: the address in {named(file)} {error}") from None


def _load(overrides: dict[str, Any]) -> Settings:
    with trusted_env_file() if "_env_file" not in overrides else nullcontext(overrides["_env_file"]) as env_file:
        return _parsed({**overrides, "_env_file": env_file})


def _parsed(overrides: dict[str, Any]) -> Settings:
    try:
        return Settings(**overrides)
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8; save it again in that encoding") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(map(str, first["loc"])).upper()
        raise SettingsError(f"{name}: {problem_of(first, Settings.model_fields.get(str(first['loc'][0])))}") from None
