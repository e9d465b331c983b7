"""Settings of the worker, its folders, the traces and the backups; `billing/settings.py` reads all settings."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from billing.ops.cell_settings import split_address
from billing.tracing import TraceTarget

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER = re.compile(r"[!-~]([ -~]*[!-~])?")


def refuse_boolean(value: object) -> object:
    """A lax integer takes `true` as 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")  # noqa: TRY004 - pydantic handles ValueError only
    return value


Count = Annotated[int, BeforeValidator(refuse_boolean), Field(gt=0, le=2**31 - 1)]


class WorkerSettings(BaseModel):
    """Intervals of the worker's loops in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    poll_s: Count = 10
    feed_s: Count = 10
    match_s: Count = 10
    refund_s: Count = 10
    expire_s: Count = 10
    clearance_s: Count = 5
    reconcile_s: Count = 2
    dispatch_s: Count = 1
    seal_s: Count = 5
    snapshot_s: Count = 60
    exceptions_s: Count = 60
    maintenance_s: Count = 6 * 3600
    health_s: Count = 60
    folder_s: Count = 5
    measure_s: Count = 30


class WorkerHttpSettings(BaseModel):
    """Where `vienphi worker` answers for its health and metrics; without a port, nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Annotated[int, BeforeValidator(refuse_boolean), Field(ge=0, le=65_535)] | None = None


class TracingSettings(BaseModel):
    """Where traces are sent (OTLP over HTTP) and which part of requests and worker passes is recorded; by default none.

    `headers` go with every batch, as `name=value` separated by commas, and are a secret; `headers_file` is a file that
    holds them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str | None = None
    sampling_ratio: Annotated[float, BeforeValidator(refuse_boolean), Field(gt=0, le=1)] = 0.1
    headers: SecretStr | None = None
    headers_file: Path | None = None

    @field_validator("endpoint")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = split_address(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("an address beginning with http:// or https://, without a password, is wanted")
        if parts.query or parts.fragment or re.search(r"[^!-~]", value):
            raise ValueError("an address in ASCII without spaces, ? and # is wanted")
        return value if parts.path.strip("/") else f"{value.rstrip('/')}/v1/traces"

    @model_validator(mode="after")
    def _headers_can_be_read(self) -> Self:
        self._read_headers()
        return self

    def _read_headers(self) -> dict[str, str]:
        if self.headers is not None and self.headers_file is not None:
            raise ValueError("headers and headers_file are both set; which one holds?")
        given = "" if self.headers is None else self.headers.get_secret_value()
        if self.headers_file is not None:
            try:
                given = self.headers_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"headers_file cannot be read: {type(error).__name__}") from None
        headers = [each.strip().partition("=") for each in given.split(",") if each.strip()]
        if not all(sign and _HEADER_NAME.fullmatch(name) and _HEADER.fullmatch(value) for name, sign, value in headers):
            raise ValueError("headers are wanted as name=value, separated by commas, in ASCII")
        return {name: value for name, _, value in headers}

    def target(self, service: str) -> TraceTarget | None:
        """Where a process of this name sends its traces; None if nowhere."""
        if self.endpoint is None:
            return None
        return TraceTarget(
            endpoint=self.endpoint, headers=self._read_headers(), ratio=self.sampling_ratio, service=service
        )


class BackupSettings(BaseModel):
    """How `vienphi backup check` reaches barman, how old a base backup may be, and where a restore drill works."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str = Field(default="vienphi", pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    program: str = Field(default="barman", min_length=1)
    config: Path | None = None
    age_max_hours: Count = 26
    scratch: Path = Path("/var/tmp")  # noqa: S108 - a folder of mode 0700 is made in it


class FolderSettings(BaseModel):
    """A folder where a system of a facility drops CSV files of charges (`integration_folder.py`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organization: Count
    facility: str = Field(min_length=1, max_length=20)
    path: Path
