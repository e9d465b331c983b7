"""Changes of provider accounts: proposed by one person, decided by another, applied by the database only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.ids import PersonId, ProviderAccountId
from billing.db.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """The complete new state of an account; `payee` is (BIN, number, holder) if the bank account changes."""

    id: UUID
    account_id: ProviderAccountId
    account_name: str
    settings: Mapping[str, object]
    settings_before: Mapping[str, object]
    payee: tuple[str, str, str] | None
    is_active: bool
    state: str
    proposed_by: PersonId
    proposed_at: datetime
    decided_by: PersonId | None = None
    decided_at: datetime | None = None


_ADD = """
    INSERT INTO account_change (organization_id, id, provider_account_id, settings, bank_bin, account_number, holder,
        is_active, settings_before, state, proposed_by, proposed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'proposed', $10, $11)
    ON CONFLICT (organization_id, provider_account_id) WHERE state = 'proposed' DO NOTHING
    RETURNING id
"""


async def add_change(tx: Transaction, change: AccountChange) -> bool:
    """Add a proposal; False if another change of this account waits for a decision."""
    added = await tx.fetchval(
        _ADD,
        tx.organization_id,
        change.id,
        change.account_id,
        dict(change.settings),
        *(change.payee or (None, None, None)),
        change.is_active,
        dict(change.settings_before),
        change.proposed_by,
        change.proposed_at,
    )
    return added is not None


_LOCK = """
    SELECT change.id, change.provider_account_id AS account_id, account.name AS account_name, change.settings,
        change.settings_before, change.bank_bin, change.account_number, change.holder, change.is_active, change.state,
        change.proposed_by, change.proposed_at, change.decided_by, change.decided_at
    FROM account_change AS change
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = change.provider_account_id
    WHERE change.organization_id = $1 AND change.id = $2
    FOR UPDATE OF change
"""


async def lock_change(tx: Transaction, change_id: UUID) -> AccountChange | None:
    """Read one change and lock it; None if there is none."""
    row = await tx.fetchrow(_LOCK, tx.organization_id, change_id)
    return None if row is None else _change(dict(row))


_LIST = """
    SELECT change.id, change.provider_account_id AS account_id, account.name AS account_name, change.settings,
        change.settings_before, change.bank_bin, change.account_number, change.holder, change.is_active, change.state,
        change.proposed_by, change.proposed_at, change.decided_by, change.decided_at
    FROM account_change AS change
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = change.provider_account_id
    WHERE change.organization_id = $1 AND ($2::uuid IS NULL OR change.id < $2)
    ORDER BY change.id DESC LIMIT $3
"""


async def read_changes(tx: Transaction, *, after: UUID | None, limit: int) -> Sequence[AccountChange]:
    """Changes below `after`, the newest first."""
    return [_change(dict(row)) for row in await tx.fetch(_LIST, tx.organization_id, after, limit)]


_DECIDE = """
    UPDATE account_change SET state = $3, decided_by = $4, decided_at = $5 WHERE organization_id = $1 AND id = $2
"""


async def decide_change(
    tx: Transaction, change_id: UUID, *, state: str, decided_by: PersonId, decided_at: datetime
) -> None:
    """Write the decision on a locked change."""
    await tx.execute(_DECIDE, tx.organization_id, change_id, state, decided_by, decided_at)


_APPLY = """
    SELECT vienphi_apply_account_change($1, $2)
"""


async def apply_change(tx: Transaction, change_id: UUID, *, new_bank_account_id: UUID) -> None:
    """Apply an approved change: the database does it, and rejects a change without two persons."""
    await tx.execute(_APPLY, change_id, new_bank_account_id)


def _change(row: dict[str, object]) -> AccountChange:
    bank_bin, number, holder = row.pop("bank_bin"), row.pop("account_number"), row.pop("holder")
    payee = None if bank_bin is None else (str(bank_bin), str(number), str(holder))
    return AccountChange(payee=payee, **row)  # type: ignore[arg-type]
