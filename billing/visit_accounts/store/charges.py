"""Charges of open visits: read, locked and written; cancellations and changes of collected lines."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.core.actor import Actor
from billing.core.ids import VisitId
from billing.db.arrays import columns
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.charge import Cancellation, Charge, ChargeChange

_CHARGES = """
    SELECT visit_id, line, facility_id, order_number, version, gap_since, missing_versions, kind, state, stage,
        is_elective, is_emergency, department, stt, document, content_hash, hospital_amount, patient_amount,
        insurer_amount, other_amount, ordered_at, cleared_at, started_at, performed_at, cancelled_at, changed_at
    FROM charge_item WHERE organization_id = $1
"""

_READ_CHARGES = _CHARGES + "AND visit_id = $2 ORDER BY line"


async def read_charges(tx: Transaction, visit_id: VisitId) -> dict[str, Charge]:
    """Every charge of a visit by line, cancelled ones too, not locked."""
    rows = await tx.fetch(_READ_CHARGES, tx.organization_id, visit_id)
    return {row["line"]: read_row(Charge, row) for row in rows}


_LOCK_CHARGES = _READ_CHARGES + " FOR NO KEY UPDATE"


async def lock_charges(tx: Transaction, visit_id: VisitId) -> dict[str, Charge]:
    """Every charge of a visit by line, locked in line order; the visit account is locked before."""
    rows = await tx.fetch(_LOCK_CHARGES, tx.organization_id, visit_id)
    return {row["line"]: read_row(Charge, row) for row in rows}


_LOCK_LINES = _CHARGES + "AND visit_id = $2 AND line = ANY ($3::text[]) ORDER BY line FOR NO KEY UPDATE"


async def lock_lines(tx: Transaction, visit_id: VisitId, lines: Sequence[str]) -> dict[str, Charge]:
    """Some charges of a visit by line, locked in line order; the visit account is locked before."""
    rows = await tx.fetch(_LOCK_LINES, tx.organization_id, visit_id, list(lines))
    return {row["line"]: read_row(Charge, row) for row in rows}


# A new order is inserted as ordered where it is cancelled: the database starts no order as cancelled.
_ADD_CHARGES = """
    INSERT INTO charge_item (organization_id, visit_id, line, facility_id, order_number, version, kind, state, stage,
        is_elective, is_emergency, department, stt, document, content_hash, hospital_amount, patient_amount,
        insurer_amount, other_amount, ordered_at, cleared_at, started_at, performed_at, changed_at)
    SELECT $1, visit_id, line, facility_id, order_number, version, kind,
        CASE state WHEN 'cancelled' THEN 'ordered' ELSE state END, stage, is_elective, is_emergency, department, stt,
        document, content_hash, hospital_amount, patient_amount, insurer_amount, other_amount, ordered_at, cleared_at,
        started_at, performed_at, changed_at
    FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
        $10::bool[], $11::bool[], $12::text[], $13::int[], $14::jsonb[], $15::bytea[], $16::numeric[], $17::numeric[],
        $18::numeric[], $19::numeric[], $20::timestamptz[], $21::timestamptz[], $22::timestamptz[],
        $23::timestamptz[], $24::timestamptz[])
        AS t (visit_id, line, facility_id, order_number, version, kind, state, stage, is_elective, is_emergency,
            department, stt, document, content_hash, hospital_amount, patient_amount, insurer_amount, other_amount,
            ordered_at, cleared_at, started_at, performed_at, changed_at)
"""


async def add_charges(tx: Transaction, charges: Sequence[Charge]) -> None:
    """Store new charges. Raises asyncpg.UniqueViolationError where a line or an STT is taken."""
    rows = [
        (
            *(one.visit_id, one.line, one.facility_id, one.order_number, one.version, one.kind.value),
            *(one.state.value, one.stage.value, one.is_elective, one.is_emergency, one.department, one.stt),
            *(dict(one.document), one.content_hash, one.hospital_amount, one.patient_amount, one.insurer_amount),
            *(one.other_amount, one.ordered_at, one.cleared_at, one.started_at, one.performed_at, one.changed_at),
        )
        for one in charges
    ]
    await tx.execute(_ADD_CHARGES, tx.organization_id, *columns(rows, 23))
    await update_charges(tx, [one for one in charges if one.is_cancelled])


_UPDATE_CHARGE = """
    UPDATE charge_item SET order_number = $4, version = $5, gap_since = $6, missing_versions = $7, kind = $8,
        state = $9, stage = $10, is_elective = $11, is_emergency = $12, department = $13, stt = $14, document = $15,
        content_hash = $16, hospital_amount = $17, patient_amount = $18, insurer_amount = $19, other_amount = $20,
        cleared_at = $21, started_at = $22, performed_at = $23, cancelled_at = $24, changed_at = $25
    WHERE organization_id = $1 AND visit_id = $2 AND line = $3
"""


async def update_charges(tx: Transaction, charges: Sequence[Charge]) -> None:
    """Write the final state of charges that this transaction holds locked, in line order."""
    await tx.executemany(
        _UPDATE_CHARGE,
        [
            (
                *(tx.organization_id, one.visit_id, one.line, one.order_number, one.version, one.gap_since),
                *(list(one.missing_versions), one.kind.value, one.state.value, one.stage.value, one.is_elective),
                *(one.is_emergency, one.department, one.stt, dict(one.document), one.content_hash),
                *(one.hospital_amount, one.patient_amount, one.insurer_amount, one.other_amount, one.cleared_at),
                *(one.started_at, one.performed_at, one.cancelled_at, one.changed_at),
            )
            for one in sorted(charges, key=lambda one: one.line)
        ],
    )


_ADD_CANCELLATION = """
    INSERT INTO charge_cancellation (organization_id, visit_id, line, from_state, reason, actor_kind, actor_id,
        acting_for, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_cancellation(
    tx: Transaction, visit_id: VisitId, cancellation: Cancellation, *, actor: Actor, at: datetime
) -> None:
    """Store the decision of a person to cancel a charge."""
    await tx.execute(
        _ADD_CANCELLATION,
        tx.organization_id,
        visit_id,
        cancellation.line,
        cancellation.from_state.value,
        cancellation.reason,
        actor.kind.value,
        actor.id,
        actor.person,
        at,
    )


_ADD_CHANGES = """
    INSERT INTO charge_change (organization_id, id, visit_id, line, collected, patient_amount_before,
        patient_amount_after, recorded_at)
    SELECT $1, id, $2, line, collected, before, after, $3
    FROM unnest($4::uuid[], $5::text[], $6::bigint[], $7::numeric[], $8::numeric[])
        AS t (id, line, collected, before, after)
"""


async def add_changes(
    tx: Transaction, visit_id: VisitId, changes: Sequence[tuple[UUID, ChargeChange]], *, at: datetime
) -> None:
    """Store price changes of lines that money was collected for."""
    if changes:
        rows = [(key, one.line, one.collected, one.before, one.after) for key, one in changes]
        await tx.execute(_ADD_CHANGES, tx.organization_id, visit_id, at, *columns(rows, 5))
