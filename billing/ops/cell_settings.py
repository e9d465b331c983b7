"""Addresses of databases, and the settings of a cell (`db/cells.py`): parts of `settings.py`."""

from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr


def split_address(address: str) -> SplitResult:
    """The parts of an address. Raises ValueError in words that repeat nothing of it."""
    try:
        return urlsplit(address)
    except ValueError:
        raise ValueError("an address that cannot be read; special characters are percent-encoded") from None


def _check_database_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    if not address.lower().startswith(("postgresql://", "postgres://")):
        raise ValueError("an address beginning with postgresql:// is wanted")
    split_address(address)
    return value


DatabaseAddress = Annotated[SecretStr, AfterValidator(_check_database_address)]
ServerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]
CellName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class CellSettings(BaseModel):
    """A further database that serves organizations.

    `owner_url` is for commands that set up, `admin_url` (a superuser) for those that move organizations to and from it.
    `backup_server` is the name of its server in barman; without one, that of the home cell, a hyphen and its own name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: DatabaseAddress
    owner_url: DatabaseAddress | None = None
    admin_url: DatabaseAddress | None = None
    backup_server: ServerName | None = None
