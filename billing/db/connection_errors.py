"""Why a connection to the database failed, as a sentence that states the action.

A sentence never repeats a part of the address: host, role, database or password.
"""

import ssl
from socket import gaierror

import asyncpg

from billing.core.errors import Unavailable

_SETTINGS = "VIENPHI_DATABASE_URL or VIENPHI_OWNER_URL"


class DatabaseUnavailable(Unavailable):
    """The connection failed, or was lost before COMMIT was sent: nothing was written."""

    code = "database_unavailable"


class DatabaseBusy(Unavailable):
    """A lock was held or a statement took too long, or a migration changed a view: nothing was written."""

    code = "database_busy"


class TransactionConflict(DatabaseBusy):
    """A deadlock or a change of the schema ended the transaction: nothing was written; it may be tried again at once.

    Its code is that of DatabaseBusy: for a client there is no difference.
    """


ADDRESS_UNREADABLE = (
    "the database's address cannot be read: postgresql://user:password@host:port/database, "
    "special characters of the password percent-encoded"
)

ADDRESS_ERRORS = (ValueError, OverflowError)
"""Errors of an unreadable address; OverflowError for a port beyond 65535."""

CONNECTION_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""All other errors of connecting."""


_CONFLICT_ERRORS = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # A migration added a column to a view while we run; the driver has dropped its cached columns.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""Another transaction decided; no wait for it is left."""


class OrganizationMoved(DatabaseBusy):
    """The organization is moving to another cell, or has moved; nothing was written. `cell` is the new one."""

    def __init__(self, detail: str, cell: str | None) -> None:
        super().__init__(detail)
        self.cell = cell


def name_busy(error: BaseException) -> DatabaseBusy:
    """What a temporary error means; `vienphi_enter_cell()` marks its own by the name of a constraint."""
    match getattr(error, "constraint_name", None):
        case "organization_moving":
            return OrganizationMoved("the organization is moving to another cell; nothing was written", None)
        case "organization_moved":
            return OrganizationMoved(
                "the organization is in another cell; nothing was written", getattr(error, "detail", None)
            )
    named = TransactionConflict if isinstance(error, _CONFLICT_ERRORS) else DatabaseBusy
    return named("the database is busy; nothing was written")


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (asyncpg.InvalidPasswordError,),
        f"the server refuses the role or its password; correct {_SETTINGS}, or ALTER ROLE … PASSWORD '…'",
    ),
    (
        (asyncpg.InvalidAuthorizationSpecificationError,),
        f"the server does not let this role in; create the roles (docs/operations.md), or correct {_SETTINGS} or"
        " pg_hba.conf",
    ),
    (
        (asyncpg.InvalidCatalogNameError,),
        f"the server has no database of this name; create it (docs/operations.md), or correct {_SETTINGS}",
    ),
    (
        (asyncpg.InsufficientPrivilegeError,),
        "the role may not connect to this database; GRANT CONNECT ON DATABASE … TO the role",
    ),
    ((asyncpg.TooManyConnectionsError,), "the server has no connection left; raise max_connections or stop others"),
    ((asyncpg.CannotConnectNowError,), "the server is starting or stopping; try again in a moment"),
    ((ssl.SSLError,), f"TLS with the server fails; check its certificate and sslmode in {_SETTINGS}"),
    ((gaierror,), f"the name of the server is not known; correct {_SETTINGS}"),
    ((TimeoutError,), f"the server does not answer in time; check the network, or correct {_SETTINGS}"),
    ((OSError, asyncpg.PostgresConnectionError), f"no server answers; start PostgreSQL, or correct {_SETTINGS}"),
)


def cannot_connect(error: BaseException) -> DatabaseUnavailable:
    """Convert an error of connecting into one sentence with the action."""
    kind = type(error).__name__
    if isinstance(error, ADDRESS_ERRORS) and not isinstance(error, ssl.SSLError):
        return DatabaseUnavailable(ADDRESS_UNREADABLE)
    for classes, reason in _REASONS:
        if isinstance(error, classes):
            return DatabaseUnavailable(f"the database cannot be reached ({kind}): {reason}")
    return DatabaseUnavailable(f"the database cannot be reached ({kind}); look at the log of the server")
