"""Card terminals, their slips and their daily batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from billing.core.ids import FacilityId, PaymentId, PersonId, ShiftId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTerminal:
    """A card terminal of a facility; `bank_account_id` is where its batches are credited."""

    id: UUID
    facility_id: FacilityId
    name: str
    terminal_number: str
    bank_account_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSlip:
    """One card payment at a terminal, in đồng."""

    payment_id: PaymentId
    terminal_id: UUID
    shift_id: ShiftId
    day: date
    approval_code: str
    amount: Dong


_ADD_TERMINAL = """
    INSERT INTO card_terminal (organization_id, id, facility_id, name, terminal_number, bank_account_id)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (organization_id, terminal_number) DO NOTHING RETURNING id
"""


async def add_terminal(tx: Transaction, terminal: CardTerminal) -> bool:
    """Store a terminal; False if its number is known."""
    added = await tx.fetchval(
        _ADD_TERMINAL,
        tx.organization_id,
        terminal.id,
        terminal.facility_id,
        terminal.name,
        terminal.terminal_number,
        terminal.bank_account_id,
    )
    return added is not None


_TERMINALS = """
    SELECT id, facility_id, name, terminal_number, bank_account_id FROM card_terminal
    WHERE organization_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY terminal_number
"""


async def read_terminals(tx: Transaction, terminal_id: UUID | None = None) -> list[CardTerminal]:
    """Every terminal, or the one of an id."""
    return [read_row(CardTerminal, row) for row in await tx.fetch(_TERMINALS, tx.organization_id, terminal_id)]


_ADD_SLIP = """
    INSERT INTO card_slip (organization_id, payment_id, terminal_id, shift_id, day, approval_code, amount)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (organization_id, terminal_id, day, approval_code) DO NOTHING RETURNING payment_id
"""


async def add_slip(tx: Transaction, slip: CardSlip) -> bool:
    """Store a slip; False if the terminal has this approval code on this day."""
    added = await tx.fetchval(
        _ADD_SLIP,
        tx.organization_id,
        slip.payment_id,
        slip.terminal_id,
        slip.shift_id,
        slip.day,
        slip.approval_code,
        slip.amount,
    )
    return added is not None


_LOCK_SLIPS = """
    SELECT payment_id, terminal_id, shift_id, day, approval_code, amount FROM card_slip
    WHERE organization_id = $1 AND terminal_id = $2 AND day = $3 AND batch_id IS NULL
    ORDER BY payment_id FOR NO KEY UPDATE
"""


async def lock_slips_without_batch(tx: Transaction, terminal_id: UUID, day: date) -> list[CardSlip]:
    """The slips of a terminal and day that are in no batch, locked."""
    return [read_row(CardSlip, row) for row in await tx.fetch(_LOCK_SLIPS, tx.organization_id, terminal_id, day)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardBatch:
    """The daily batch of a terminal: what the acquirer states, in đồng, and how it differs from our slips."""

    id: UUID
    terminal_id: UUID
    day: date
    batch_number: str
    slips: int
    gross: Dong
    fee: Dong
    net: Dong
    recorded_by: PersonId
    recorded_at: datetime
    differences: Sequence[dict[str, object]] = ()


_ADD_BATCH = """
    INSERT INTO card_batch (organization_id, id, terminal_id, day, batch_number, slips, gross, fee, net, recorded_by,
        recorded_at, differences)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (organization_id, terminal_id, day, batch_number) DO NOTHING RETURNING id
"""

_ASSIGN_SLIPS = """
    UPDATE card_slip SET batch_id = $2 WHERE organization_id = $1 AND payment_id = ANY ($3::uuid[])
"""


async def add_batch(tx: Transaction, batch: CardBatch, *, payment_ids: Sequence[PaymentId]) -> bool:
    """Store a batch with its slips, which are locked; False if it was recorded before."""
    added = await tx.fetchval(
        _ADD_BATCH,
        tx.organization_id,
        batch.id,
        batch.terminal_id,
        batch.day,
        batch.batch_number,
        batch.slips,
        batch.gross,
        batch.fee,
        batch.net,
        batch.recorded_by,
        batch.recorded_at,
        list(batch.differences),
    )
    if added is not None and payment_ids:
        await tx.execute(_ASSIGN_SLIPS, tx.organization_id, batch.id, list(payment_ids))
    return added is not None


_READ_BATCH = """
    SELECT id, terminal_id, day, batch_number, slips, gross, fee, net, recorded_by, recorded_at, differences
    FROM card_batch WHERE organization_id = $1 AND id = $2
"""


async def read_batch(tx: Transaction, batch_id: UUID) -> CardBatch | None:
    """A batch with its differences."""
    row = await tx.fetchrow(_READ_BATCH, tx.organization_id, batch_id)
    return None if row is None else CardBatch(**dict(row))
