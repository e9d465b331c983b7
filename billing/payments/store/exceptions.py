"""Stored exceptions and the policy of an organization for a reason. Exceptions are opened with a booking."""

from datetime import datetime, timedelta
from uuid import UUID

from billing.core.ids import PersonId, ProviderAccountId
from billing.db.database import Transaction
from billing.payments.domain.exception import ExceptionPolicy

_READ_TERMS = """
    SELECT reason, due_hours, owner_id FROM exception_terms WHERE organization_id = $1
"""


async def read_exception_policies(tx: Transaction) -> dict[str, ExceptionPolicy]:
    """The organization's own policies by reason; a reason not in it has the default."""
    return {
        row["reason"]: ExceptionPolicy(
            timedelta(hours=row["due_hours"]), None if row["owner_id"] is None else PersonId(row["owner_id"])
        )
        for row in await tx.fetch(_READ_TERMS, tx.organization_id)
    }


_OPEN_OF_ACCOUNT = """
    INSERT INTO exception_case (organization_id, id, reason, state, amount, provider_account_id, opened_at, due_at,
        owner_id)
    SELECT $1, $2, $3, 'open', 0, $4, $5, $6, $7
    WHERE NOT EXISTS (SELECT FROM exception_case WHERE organization_id = $1 AND state = 'open' AND reason = $3
        AND provider_account_id = $4)
"""


async def open_exception_of_account(
    tx: Transaction,
    exception_id: UUID,
    reason: str,
    account_id: ProviderAccountId,
    *,
    at: datetime,
    policy: ExceptionPolicy,
) -> None:
    """Open an exception of an account unless one of this reason is open; a row of the account must be locked."""
    await tx.execute(
        _OPEN_OF_ACCOUNT, tx.organization_id, exception_id, reason, account_id, at, at + policy.due, policy.owner_id
    )


_SET_TERMS = """
    INSERT INTO exception_terms (organization_id, reason, due_hours, owner_id) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, reason) DO UPDATE SET due_hours = excluded.due_hours, owner_id = excluded.owner_id
"""


async def set_exception_policy(tx: Transaction, reason: str, policy: ExceptionPolicy) -> None:
    """Set the policy of a reason, in whole hours; requires the owner's role. Open exceptions are not changed."""
    await tx.execute(_SET_TERMS, tx.organization_id, reason, policy.due // timedelta(hours=1), policy.owner_id)
