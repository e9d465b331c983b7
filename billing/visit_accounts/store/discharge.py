"""Reads what may block the final bill of a visit, in one statement, and stores the overrides of blockers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.ids import VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.db.single_reads import TenantReader
from billing.visit_accounts.domain.discharge import DischargeLine, OpenItem, Override


@dataclass(frozen=True, slots=True, kw_only=True)
class BedRow:
    """A bed line with the texts of its document: NGAY_YL, SO_LUONG, MA_NHOM, PHAM_VI, MA_DICH_VU."""

    line: str
    version: int
    department: str
    stt: int
    ordered_at: datetime
    day: str
    quantity: str
    group: str
    scope: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeRow:
    """A visit with what may block its final bill. Days of the header are texts of the data standard."""

    visit_id: VisitId
    department: str
    is_inpatient: bool
    opened_at: datetime
    sender_version: int
    gap_since: datetime | None
    care_kind: str
    admitted: str
    admitted_to_ward: str
    discharged: str
    leave_days: tuple[str, ...]
    lines: tuple[DischargeLine, ...]
    beds: tuple[BedRow, ...]
    intents: tuple[OpenItem, ...]
    requests: tuple[OpenItem, ...]
    guarantees: tuple[OpenItem, ...]
    overrides: tuple[Override, ...]


# The intents are those of the deposit and those of the invoices of the visit. A code that has expired collects nothing.
_READ_DISCHARGE = """
    SELECT account.visit_id, account.department, account.is_inpatient, account.opened_at, account.sender_version,
        account.gap_since,
        coalesce(header.document ->> 'MA_LOAI_KCB', '') AS care_kind,
        coalesce(header.document ->> 'NGAY_VAO', '') AS admitted,
        coalesce(header.document ->> 'NGAY_VAO_NOI_TRU', '') AS admitted_to_ward,
        coalesce(header.document ->> 'NGAY_RA', '') AS discharged,
        coalesce(header.document -> 'leave_days', '[]') AS leave_days,
        coalesce(item.lines, '[]') AS lines, coalesce(item.beds, '[]') AS beds,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('reference', intent.id, 'since', intent.created_at)
                ORDER BY intent.id), '[]')
            FROM (
                SELECT one.id, one.created_at FROM intent AS one
                WHERE one.organization_id = $1 AND one.deposit_id = deposit.id AND NOT one.is_standing
                    AND (one.state = 'unknown'
                        OR one.state IN ('created', 'pending') AND coalesce(one.expires_at > $3, true))
                UNION
                SELECT one.id, one.created_at FROM invoice
                JOIN intent_invoice AS target ON target.organization_id = $1 AND target.invoice_id = invoice.id
                JOIN intent AS one ON one.organization_id = $1 AND one.id = target.intent_id
                WHERE invoice.organization_id = $1 AND invoice.visit_id = $2
                    AND (one.state = 'unknown'
                        OR one.state IN ('created', 'pending') AND coalesce(one.expires_at > $3, true))
            ) AS intent
        ) AS intents,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('reference', request.id, 'since', request.requested_at)
                ORDER BY request.id), '[]')
            FROM deposit_request AS request
            WHERE request.organization_id = $1 AND request.deposit_id = deposit.id
                AND request.state IN ('requested', 'partly')
        ) AS requests,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('reference', given.id, 'since', given.created_at)
                ORDER BY given.position), '[]')
            FROM guarantee AS given
            WHERE given.organization_id = $1 AND given.visit_id = $2 AND given.state = 'requested'
        ) AS guarantees,
        (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', given.id, 'kind', given.kind, 'line', given.line,
                'version', given.version, 'reason', given.reason, 'overridden_by', given.overridden_by,
                'overridden_at', given.overridden_at) ORDER BY given.id), '[]')
            FROM discharge_override AS given WHERE given.organization_id = $1 AND given.visit_id = $2
        ) AS overrides
    FROM visit_account AS account
    LEFT JOIN visit_header AS header ON header.organization_id = $1 AND header.visit_id = $2
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = $2
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('line', charge.line, 'department', charge.department,
                'version', charge.version, 'state', charge.state, 'stage', charge.stage,
                'is_priced', charge.patient_amount IS NOT NULL, 'ordered_at', charge.ordered_at,
                'performed_at', charge.performed_at, 'changed_at', charge.changed_at, 'gap_since', charge.gap_since,
                'collected', coalesce(paid.amount, 0)) ORDER BY charge.stt) AS lines,
            jsonb_agg(jsonb_build_object('line', charge.line, 'version', charge.version,
                'department', charge.department, 'stt', charge.stt, 'ordered_at', charge.ordered_at,
                'day', coalesce(charge.document ->> 'NGAY_YL', ''),
                'quantity', coalesce(charge.document ->> 'SO_LUONG', ''),
                'group', coalesce(charge.document ->> 'MA_NHOM', ''),
                'scope', coalesce(charge.document ->> 'PHAM_VI', ''),
                'code', coalesce(charge.document ->> 'MA_DICH_VU', '')) ORDER BY charge.stt)
                FILTER (WHERE charge.kind = 'bed' AND charge.state <> 'cancelled') AS beds
        FROM charge_item AS charge
        LEFT JOIN (
            SELECT named.line, sum(named.amount)::bigint AS amount FROM deposit_request_line AS named
            JOIN deposit_request AS request ON request.organization_id = $1 AND request.id = named.request_id
                AND request.state = 'paid'
            WHERE named.organization_id = $1 AND named.visit_id = $2 GROUP BY named.line
        ) AS paid ON paid.line = charge.line
        WHERE charge.organization_id = $1 AND charge.visit_id = $2
    ) AS item ON true
    WHERE account.organization_id = $1 AND account.visit_id = $2
"""


async def read_discharge(tx: TenantReader, visit_id: VisitId, *, now: datetime) -> DischargeRow | None:
    """What may block the final bill of a visit at `now`; None where the visit has no account."""
    row = await tx.fetchrow(_READ_DISCHARGE, tx.organization_id, visit_id, now)
    return None if row is None else read_row(DischargeRow, row)


_ADD_OVERRIDES = """
    INSERT INTO discharge_override (organization_id, id, visit_id, kind, line, version, reason, overridden_by,
        overridden_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add_overrides(tx: Transaction, visit_id: VisitId, overrides: Sequence[Override]) -> None:
    """Store overrides of blockers; the visit account is locked."""
    await tx.executemany(
        _ADD_OVERRIDES,
        [
            (
                tx.organization_id,
                one.id,
                visit_id,
                one.kind,
                one.line,
                one.version,
                one.reason,
                one.overridden_by,
                one.overridden_at,
            )
            for one in overrides
        ],
    )
