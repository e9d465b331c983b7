"""Line refunds: charges that the room states as not performed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import VisitId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRefund:
    """A refunded line. `freed` is what the patient share fell by, `released` the part that became credit, in đồng."""

    id: UUID
    visit_id: VisitId
    line: str
    reason: str
    room_confirmation: str
    freed: Dong
    released: Dong
    recorded_at: datetime


_ADD_LINE_REFUND = """
    INSERT INTO line_refund (organization_id, id, visit_id, line, reason, room_confirmation, freed, released,
        actor_kind, actor_id, acting_for, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def add_line_refund(tx: Transaction, refund: LineRefund, actor: Actor) -> None:
    """Store a line refund; its charge is cancelled in the same transaction."""
    await tx.execute(
        _ADD_LINE_REFUND,
        tx.organization_id,
        *(refund.id, refund.visit_id, refund.line, refund.reason, refund.room_confirmation),
        *(refund.freed, refund.released, actor.kind.value, actor.id, actor.person, refund.recorded_at),
    )


_READ_LINE_REFUND = """
    SELECT id, visit_id, line, reason, room_confirmation, freed, released, recorded_at FROM line_refund
    WHERE organization_id = $1 AND id = $2
"""


async def read_line_refund(tx: Transaction, refund_id: UUID) -> LineRefund | None:
    """One line refund."""
    row = await tx.fetchrow(_READ_LINE_REFUND, tx.organization_id, refund_id)
    return None if row is None else read_row(LineRefund, row)
