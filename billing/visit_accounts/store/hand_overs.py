"""Hand-overs of cash to the treasurer, and cash paid into bank accounts."""

from datetime import datetime
from uuid import UUID

from billing.core.ids import PersonId, ShiftId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.hand_over import HandOver, HandOverState, NewBankDeposit

_ADD_HAND_OVER = """
    INSERT INTO hand_over (organization_id, id, shift_id, amount, state, notes, requested_by, requested_at)
    VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7)
"""


async def add_hand_over(tx: Transaction, sent: HandOver) -> None:
    """Store a new hand-over."""
    await tx.execute(
        _ADD_HAND_OVER,
        tx.organization_id,
        sent.id,
        sent.shift_id,
        sent.amount,
        sent.notes,
        sent.requested_by,
        sent.requested_at,
    )


_READ_HAND_OVER = """
    SELECT id, shift_id, amount, state, notes, requested_by, requested_at, decision_reason, decided_by, decided_at
    FROM hand_over WHERE organization_id = $1 AND id = $2
"""

_LOCK_HAND_OVER = """
    SELECT id, shift_id, amount, state, notes, requested_by, requested_at, decision_reason, decided_by, decided_at
    FROM hand_over WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE
"""


async def read_hand_over(tx: Transaction, hand_over_id: UUID, *, locked: bool = False) -> HandOver | None:
    """A hand-over; `locked` locks its row until the transaction ends."""
    row = await tx.fetchrow(_LOCK_HAND_OVER if locked else _READ_HAND_OVER, tx.organization_id, hand_over_id)
    return None if row is None else read_row(HandOver, row)


_DECIDE = """
    UPDATE hand_over SET state = $3, decision_reason = $4, decided_by = $5, decided_at = $6
    WHERE organization_id = $1 AND id = $2
"""


async def write_decision(tx: Transaction, decided: HandOver) -> None:
    """Write the decision on a locked hand-over."""
    await tx.execute(
        _DECIDE,
        tx.organization_id,
        decided.id,
        decided.state.value,
        decided.decision_reason,
        decided.decided_by,
        decided.decided_at,
    )


_LIST_HAND_OVERS = """
    SELECT id, shift_id, amount, state, notes, requested_by, requested_at, decision_reason, decided_by, decided_at
    FROM hand_over
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
        AND ($5::uuid IS NULL OR shift_id = $5) AND ($6::text IS NULL OR state = $6)
    ORDER BY id DESC LIMIT $4
"""


async def list_hand_overs(
    tx: Transaction, part: ListSlice, *, shift_id: ShiftId | None, state: HandOverState | None
) -> list[HandOver]:
    """Hand-overs, the newest first; None filters nothing."""
    rows = await tx.fetch(
        _LIST_HAND_OVERS,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        shift_id,
        None if state is None else state.value,
    )
    return [read_row(HandOver, row) for row in rows]


_ADD_BANK_DEPOSIT = """
    INSERT INTO bank_deposit (organization_id, id, bank_account_id, amount, slip, recorded_by, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (organization_id, bank_account_id, slip) DO NOTHING RETURNING id
"""


async def add_bank_deposit(
    tx: Transaction, deposit_id: UUID, new: NewBankDeposit, *, by: PersonId, at: datetime
) -> bool:
    """Store cash paid into a bank account; False if the slip was recorded before."""
    values = (deposit_id, new.bank_account_id, new.amount, new.slip, by, at)
    added = await tx.fetchval(_ADD_BANK_DEPOSIT, tx.organization_id, *values)
    return added is not None


_HAS_BANK_ACCOUNT = """
    SELECT EXISTS (SELECT FROM bank_account WHERE organization_id = $1 AND id = $2)
"""


async def has_bank_account(tx: Transaction, bank_account_id: UUID) -> bool:
    """Whether the organization has this bank account."""
    found: bool = await tx.fetchval(_HAS_BANK_ACCOUNT, tx.organization_id, bank_account_id)
    return found
