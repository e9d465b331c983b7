"""How soon an exception of a reason is due, and who owns it. Set with the owner's role."""

from datetime import timedelta

from asyncpg import ForeignKeyViolationError

from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.database import Database
from billing.db.tenants import NO_ORGANIZATION, require_organization
from billing.organizations.store.api_keys import find_persons
from billing.payments.domain.exception import DEFAULT_POLICIES, ExceptionPolicy, ExceptionReason, policy_of
from billing.payments.store import exceptions as store

EXCEPTION_DUE_MAX = timedelta(days=30)


async def set_exception_policy(
    database: Database,
    organization_id: OrganizationId,
    reason: ExceptionReason,
    *,
    due: timedelta,
    owner_name: str | None = None,
) -> None:
    """Set how soon an exception of a reason is due, in whole hours up to 30 days, and who owns it.

    Without an owner every person with the role finance may decide it. Open exceptions are not changed. `database` must
    be opened with the owner's role. Raises InvalidValue, NotFound.
    """
    if not timedelta(0) < due <= EXCEPTION_DUE_MAX or due % timedelta(hours=1):
        raise InvalidValue("an exception is due after 1 to 720 whole hours", field="due")
    try:
        async with database.transaction(organization_id) as tx:
            found = [] if owner_name is None else await find_persons(tx, owner_name)
            if owner_name is not None and not found:
                raise NotFound("no person has this name", field="owner")
            await store.set_exception_policy(tx, reason.value, ExceptionPolicy(due, found[0] if found else None))
    except ForeignKeyViolationError as error:
        raise NotFound(NO_ORGANIZATION, field="organization") from error


async def read_exception_policies(
    database: Database, organization_id: OrganizationId
) -> dict[ExceptionReason, ExceptionPolicy]:
    """The policy of each reason: the organization's own, else the default. Raises NotFound."""
    async with database.transaction(organization_id) as tx:
        await require_organization(tx)
        own = await store.read_exception_policies(tx)
    return {reason: policy_of(reason, own) for reason in DEFAULT_POLICIES}
