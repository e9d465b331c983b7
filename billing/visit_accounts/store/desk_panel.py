"""Rows that the pay panel of a desk is built from: requests with their lines, invoices, codes, arrived money."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.ids import DepositRequestId, VisitId
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.visit_accounts.domain.desk_panel import ArrivedMoney, DeskCode, DeskInvoice, DeskRequest

_REQUESTS = """
    SELECT request.id, request.kind, request.state, request.amount, request.received, request.requested_at,
        (SELECT coalesce(array_agg(line.line ORDER BY line.line), '{}') FROM deposit_request_line AS line
         WHERE line.organization_id = $1 AND line.request_id = request.id) AS lines
    FROM deposit
    JOIN deposit_request AS request ON request.organization_id = $1 AND request.deposit_id = deposit.id
    WHERE deposit.organization_id = $1 AND deposit.visit_id = $2 AND request.state IN ('requested', 'partly', 'paid')
    ORDER BY request.id
"""


async def read_desk_requests(tx: Transaction, visit_id: VisitId) -> list[DeskRequest]:
    """The open and paid requests of a visit with the lines that they name, the oldest first; not locked."""
    rows = await tx.fetch(_REQUESTS, tx.organization_id, visit_id)
    return [read_row(DeskRequest, {**row, "lines": tuple(row["lines"])}) for row in rows]


_INVOICES = """
    SELECT id, number, owed FROM invoice
    WHERE organization_id = $1 AND visit_id = $2 AND state = 'issued' ORDER BY id
"""


async def read_desk_invoices(tx: Transaction, visit_id: VisitId) -> list[DeskInvoice]:
    """The issued invoices of a visit, the oldest first."""
    return [read_row(DeskInvoice, row) for row in await tx.fetch(_INVOICES, tx.organization_id, visit_id)]


CODES_MAX = 20

# A standing code has no amount of its own: the panel of a deposit shows it.
_CODES = """
    WITH target AS (
        SELECT intent.id, NULL::uuid AS invoice_id FROM deposit
        JOIN intent ON intent.organization_id = $1 AND intent.deposit_id = deposit.id
        WHERE deposit.organization_id = $1 AND deposit.visit_id = $2 AND NOT intent.is_standing
        UNION ALL
        SELECT named.intent_id, named.invoice_id FROM invoice
        JOIN intent_invoice AS named ON named.organization_id = $1 AND named.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.visit_id = $2
    )
    SELECT intent.id, intent.reference_code, intent.state, intent.version, intent.amount, intent.received,
        intent.created_at, intent.expires_at, intent.deposit_request_id AS request_id, target.invoice_id,
        intent.instruction IS NOT NULL AS has_instruction, due.owed, due.credit, due.is_closed, intent.is_standing,
        code.desk_id, code.put_away_at
    FROM target
    JOIN intent ON intent.organization_id = $1 AND intent.id = target.id
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    LEFT JOIN desk_code AS code ON code.organization_id = $1 AND code.intent_id = intent.id
    ORDER BY intent.id DESC LIMIT $3
"""


async def read_desk_codes(tx: Transaction, visit_id: VisitId) -> list[DeskCode]:
    """The newest codes of the deposit and the invoices of a visit, standing ones left out."""
    rows = await tx.fetch(_CODES, tx.organization_id, visit_id, CODES_MAX)
    return [read_row(DeskCode, row) for row in rows]


_ARRIVED = """
    SELECT payment.id AS payment_id, payment.intent_id, intent.deposit_request_id AS request_id, part.invoice_id,
        sum(part.amount)::bigint AS amount, payment.occurred_at,
        coalesce(nullif(payment.bank_reference, ''), payment.provider_reference) AS reference
    FROM (
        SELECT allocation.id, allocation.payment_id, allocation.amount, NULL::uuid AS invoice_id FROM deposit
        JOIN allocation ON allocation.organization_id = $1 AND allocation.deposit_id = deposit.id
        WHERE deposit.organization_id = $1 AND deposit.visit_id = $2 AND deposit.state = 'open'
            AND allocation.reverses_id IS NULL
        UNION ALL
        SELECT allocation.id, allocation.payment_id, allocation.amount, invoice.id FROM invoice
        JOIN allocation ON allocation.organization_id = $1 AND allocation.invoice_id = invoice.id
        WHERE invoice.organization_id = $1 AND invoice.visit_id = $2 AND invoice.state = 'issued'
            AND allocation.reverses_id IS NULL
    ) AS part
    JOIN payment ON payment.organization_id = $1 AND payment.id = part.payment_id AND payment.method = 'provider'
    LEFT JOIN intent ON intent.organization_id = $1 AND intent.id = payment.intent_id
    WHERE NOT EXISTS (SELECT FROM allocation AS reversal
            WHERE reversal.organization_id = $1 AND reversal.reverses_id = part.id)
        AND NOT EXISTS (SELECT FROM receipt_part AS listed
            JOIN receipt ON receipt.organization_id = $1 AND receipt.id = listed.receipt_id
            WHERE listed.organization_id = $1 AND listed.payment_id = payment.id AND receipt.state = 'valid'
                AND receipt.direction = 'in')
    GROUP BY payment.id, payment.intent_id, intent.deposit_request_id, part.invoice_id, payment.occurred_at,
        payment.bank_reference, payment.provider_reference
    ORDER BY payment.id
"""


async def read_arrived_money(tx: Transaction, visit_id: VisitId) -> list[ArrivedMoney]:
    """The provider money on the deposit or the invoices of a visit that no valid receipt lists, the oldest first."""
    return [read_row(ArrivedMoney, row) for row in await tx.fetch(_ARRIVED, tx.organization_id, visit_id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRequest:
    """An open or paid request that names some of the given lines, with all lines that it names."""

    id: DepositRequestId
    lines: frozenset[str]


_NAMING = """
    SELECT request.id, array_agg(line.line) AS lines
    FROM deposit_request AS request
    JOIN deposit_request_line AS line ON line.organization_id = $1 AND line.request_id = request.id
    WHERE request.organization_id = $1 AND line.visit_id = $2 AND request.state IN ('requested', 'partly', 'paid')
        AND request.id IN (SELECT named.request_id FROM deposit_request_line AS named
            WHERE named.organization_id = $1 AND named.visit_id = $2 AND named.line = ANY ($3::text[]))
    GROUP BY request.id ORDER BY request.id
"""


async def read_requests_naming(tx: Transaction, visit_id: VisitId, lines: Sequence[str]) -> list[NamedRequest]:
    """The open and paid requests that name any of the lines; the deposit is locked, so none is added meanwhile."""
    rows = await tx.fetch(_NAMING, tx.organization_id, visit_id, list(lines))
    return [NamedRequest(id=DepositRequestId(row["id"]), lines=frozenset(row["lines"])) for row in rows]
