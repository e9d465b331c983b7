"""Settings of the worker, of the folders that it reads and of the backups; `billing/settings.py` reads all settings."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


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
