"""The settings of an operator: read once at start from one TOML file and the environment; all errors in one report.

The environment (`VIENPHI_PORT`, `VIENPHI_INTAKE_QUEUES__COUNT`) wins over a file named in it
(`VIENPHI_DATABASE_URL_FILE`), which wins over the TOML file. A value never appears in an error, since any value may be
a secret. The settings of one organization (accounts, thresholds) are in the database. Source: docs/design.md §9.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from billing.core.errors import BillingError
from billing.db.database import HOME
from billing.ops.cell_settings import CellName, CellSettings, DatabaseAddress, split_address
from billing.ops.retention import DOCUMENT_YEARS_MIN, Retention
from billing.ops.settings import (
    BackupSettings,
    Count,
    FolderSettings,
    TracingSettings,
    WorkerHttpSettings,
    WorkerSettings,
    refuse_boolean,
)
from billing.organizations.domain.sessions import SignInLimits
from providers.addresses import AddressRules

CONFIG_VARIABLE = "VIENPHI_CONFIG"

_PREFIX = "VIENPHI_"
_ADDRESSES = ("database_url", "owner_url", "admin_url")
_SECRETS = (*_ADDRESSES, "seal_export_key")


class SettingsInvalid(BillingError):
    """The settings cannot be used; `problems` names each setting and what is wrong with it, never its value."""

    code = "settings_invalid"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("settings: " + "; ".join(problems))
        self.problems = tuple(problems)


class LogFormat(StrEnum):
    """Lines for people, or one JSON object a line for machines."""

    CONSOLE = "console"
    JSON = "json"


class IntakeQueueSettings(BaseModel):
    """The intake queues of provider deliveries (docs/design.md §5).

    Once a batch of an organization's deliveries waits and the oldest waits longer than `wait_ms`, the next ones are
    rejected; they are also rejected once the oldest waits 20 times as long.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Count = 8
    batch_max: Count = 96
    queue_max: Count = 2_048
    wait_ms: Count = 100


class PoolSettings(BaseModel):
    """Connections of one process to the database. The intake of callbacks has its own: one a queue and two more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connections_min: Count = 1
    connections_max: Count = 16

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.connections_min > self.connections_max:
            raise ValueError("connections_min is above connections_max")
        return self


class AnonymousSettings(BaseModel):
    """Requests without a key from one address (an IPv6 /64): misses a second after a burst, then they are held back.

    A miss is an unknown page, account or key, or a bad signature. `database_running_max` lookups of such clients run at
    a time. A correctly signed callback is limited by none of these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    misses_per_s: Count = 25
    misses_burst: Count = 50
    misses_total_per_s: Count = 100
    misses_total_burst: Count = 200
    database_running_max: Count = 4


class SignInSettings(BaseModel):
    """Sessions on the screens: minutes without a request and hours in all until they end; wrong attempts until an
    account or a PIN is locked, and for how many minutes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_minutes: Count = 60
    life_hours: Count = 13
    password_attempts_max: Count = 5
    password_lock_minutes: Count = 15
    pin_attempts_max: Count = 5
    pin_lock_minutes: Count = 10

    @property
    def limits(self) -> SignInLimits:
        """The same, as the screens take it."""
        return SignInLimits(
            idle=timedelta(minutes=self.idle_minutes),
            life=timedelta(hours=self.life_hours),
            password_attempts_max=self.password_attempts_max,
            password_lock=timedelta(minutes=self.password_lock_minutes),
            pin_attempts_max=self.pin_attempts_max,
            pin_lock=timedelta(minutes=self.pin_lock_minutes),
        )


class DocumentSettings(BaseModel):
    """Processes that work on big documents: how many, and what one document may take of memory and time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: Count = 2
    waiting_max: Count = 16
    timeout_s: Count = 90
    memory_max_mb: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=512, le=1_048_576)] = 2_048


class WebhookSettings(BaseModel):
    """How webhooks are delivered. A person who adds an endpoint can reach every address that is allowed here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=1, le=60)] = 15
    at_once: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=1, le=100)] = 4
    allow_private: bool = False
    allow_http: bool = False


class ProviderSettings(BaseModel):
    """Addresses of providers that are allowed in addition to https on the internet. A person who changes an account
    can reach them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_private: bool = False
    allow_http: bool = False

    @property
    def rules(self) -> AddressRules:
        """The same, as the check of outgoing addresses takes it."""
        return AddressRules(allow_private=self.allow_private, allow_http=self.allow_http)


Days = Annotated[int, BeforeValidator(refuse_boolean), Field(ge=1, le=36_500)]


class RetentionSettings(BaseModel):
    """How long personal data is kept: days, and for the documents of visits whole years after the end of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delivered_days: Days = 30
    idempotency_days: Days = 30
    session_days: Days = 90
    body_days: Days = 400
    payer_days: Days = 400
    document_years: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=DOCUMENT_YEARS_MIN, le=100)] = (
        DOCUMENT_YEARS_MIN
    )

    @property
    def terms(self) -> Retention:
        """The same, as the worker takes it."""
        return Retention(**self.model_dump())


class Settings(BaseSettings):
    """Every setting. The addresses are None where nothing gives them; sizes are in bytes.

    `public_base_url` is where patients and providers reach this service; without it links to pages are paths, and
    providers receive no callback address. `trusted_proxies` are networks of proxies of ours, whose X-Forwarded-For is
    believed. `seal_export_path` is the file of heads, on a disk outside the database, and `seal_export_key` the key of
    its HMAC.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseAddress | None = None
    owner_url: DatabaseAddress | None = None
    admin_url: DatabaseAddress | None = None
    cells: dict[CellName, CellSettings] = {}
    host: str = Field(default="127.0.0.1", min_length=1)
    port: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=0, le=65_535)] = 8080
    public_base_url: str = ""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    intake_queues: IntakeQueueSettings = IntakeQueueSettings()
    pool: PoolSettings = PoolSettings()
    anonymous: AnonymousSettings = AnonymousSettings()
    sign_in: SignInSettings = SignInSettings()
    documents: DocumentSettings = DocumentSettings()
    worker: WorkerSettings = WorkerSettings()
    worker_http: WorkerHttpSettings = WorkerHttpSettings()
    tracing: TracingSettings = TracingSettings()
    webhooks: WebhookSettings = WebhookSettings()
    folders: tuple[FolderSettings, ...] = ()
    backup: BackupSettings = BackupSettings()
    providers: ProviderSettings = ProviderSettings()
    retention: RetentionSettings = RetentionSettings()
    visit_size_max: Count = 8 * 1024 * 1024
    statement_size_max: Count = 256 * 1024 * 1024
    body_size_max: Count = 64 * 1024
    callback_size_max: Count = 64 * 1024
    log_format: LogFormat = LogFormat.CONSOLE
    seal_export_path: Path | None = None
    seal_export_key: Annotated[SecretStr, Field(min_length=16)] | None = None

    def backup_server(self, cell: str) -> str:
        """The name of a cell's server in barman."""
        own = self.cells[cell].backup_server if cell in self.cells else self.backup.server
        return own or f"{self.backup.server}-{cell}"

    @property
    def cell_urls(self) -> dict[str, str]:
        """The addresses of the further cells, by name."""
        return {name: cell.database_url.get_secret_value() for name, cell in self.cells.items()}

    @field_validator("cells")
    @classmethod
    def _home_is_the_database_url(cls, value: dict[str, CellSettings]) -> dict[str, CellSettings]:
        if HOME in value:
            raise ValueError(f"{HOME} is the cell of database_url; name the others")
        return value

    @model_validator(mode="after")
    def _export_has_a_key(self) -> Self:
        if self.seal_export_path is not None and self.seal_export_key is None:
            raise ValueError("seal_export_path needs seal_export_key, 16 characters or more")
        return self

    @field_validator("public_base_url")
    @classmethod
    def _is_base(cls, value: str) -> str:
        if not value:
            return value
        parts = split_address(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an address beginning with http:// or https://, without ? and #, is wanted")
        if "@" in parts.netloc or re.search(r"[^!-~]|[\\\"'<>;^`{|}]", value):
            raise ValueError("an address in ASCII without a password, spaces, quotes or ; is wanted")
        return value.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before what `load_settings` has read from files; nothing else."""
        return env_settings, init_settings


def load_settings(config: Path | None = None, *, needed: Sequence[str] = ()) -> Settings:
    """Read the settings. `config` is the TOML file, by default the one that VIENPHI_CONFIG names, if any.

    `needed` names the settings without a default that this command cannot do without. Raises SettingsInvalid.
    """
    problems: list[str] = []
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE])
    given = _read_toml(config, problems) if config else {}
    given |= _read_secret_files(problems)
    settings: Settings | None = None
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_problem(found["loc"], found["type"], found["msg"]) for found in error.errors(include_input=False)]
    except SettingsError as error:
        problems.append(f"{error}: a nested setting is given as {_PREFIX}NAME__PART")
    for name in needed:
        variable = _PREFIX + name.upper()
        if name not in given and not os.environ.get(variable):
            problems.append(f"{name} is missing: set {variable}, {variable}_FILE or {name} in the TOML file")
    if problems or settings is None:
        # Without its cause: pydantic's own words would carry the values.
        raise SettingsInvalid(problems) from None
    return settings


def _read_toml(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at [a-z0-9, ]+\)$", str(error))  # its other words may repeat a character or a key
        problems.append(f"{path} is no TOML {place[0] if place else ''}".rstrip())
    except UnicodeDecodeError:
        problems.append(f"{path} is not written in UTF-8")
    return {}


def _read_secret_files(problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _SECRETS:
        variable = f"{_PREFIX}{name.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            continue
        if os.environ.get(variable):
            problems.append(f"{variable} and {variable}_FILE are both set; which one holds?")
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{variable}_FILE names a file that cannot be read: {type(error).__name__}")
    return found


def _problem(location: tuple[int | str, ...], kind: str, words: str) -> str:
    name = ".".join(map(str, location))
    if kind == "extra_forbidden":
        return f"{name} is no setting"
    return f"{name}: {words.removeprefix('Value error, ')}"
