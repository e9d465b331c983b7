"""The payment page: its token, its content, and the versions that show a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.checkout.domain.intent_details import IntentWithInstruction
from billing.checkout.domain.page_content import (
    ChosenSurplus,
    PageBill,
    PageDeposit,
    PagePayment,
    PageReturn,
    SurplusChoice,
)
from billing.core.ids import IntentId
from billing.core.money import Dong
from billing.db.database import Transaction
from billing.db.rows import read_row


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIntent(IntentWithInstruction):
    """The intent of a page with its invoices and payments; `version` is that of the page.

    The bank account is None if its provider account has none. Names and reasons are as stored: not yet for a screen.
    `surplus` is in excess, in đồng; `return_days` is the term of the facility.
    """

    bank_bin: str | None
    account_number: str | None
    holder: str | None
    hospital: str
    is_training: bool
    help_phone: str
    bills: tuple[PageBill, ...]
    deposit: PageDeposit | None
    payments: tuple[PagePayment, ...]
    surplus: Dong
    last_received_at: datetime | None
    return_days: int | None
    chosen: ChosenSurplus | None
    returns: tuple[PageReturn, ...]


_ADD_PAGE = """
    INSERT INTO pay_page (organization_id, intent_id, token) VALUES ($1, $2, $3)
"""


async def add_pay_page(tx: Transaction, intent_id: IntentId, token: bytes) -> None:
    """Store the token of an intent's page; 16 random bytes."""
    await tx.execute(_ADD_PAGE, tx.organization_id, intent_id, token)


# The version is the sum of the versions of the intent, its targets, the refunds of its money and the choice of the
# payer: each only grows, so every change changes the sum.
_READ_PAGE = """
    SELECT intent.id, intent.reference_code, intent.state, intent.amount, intent.received, intent.created_at,
        intent.expires_at, intent.instruction, account.name AS account, bank.bank_bin, bank.account_number, bank.holder,
        intent.is_standing, due.owed, due.credit, due.is_closed, organization.name AS hospital,
        organization.is_training,
        coalesce(nullif(bills.phone, ''), nullif(advance.phone, ''), organization.help_phone) AS help_phone,
        (intent.version + bills.version + coalesce(advance.version, 0) + back.version
            + coalesce(wish.version, 0))::bigint AS version, bills.bills,
        CASE WHEN advance.ma_lk IS NOT NULL THEN
            jsonb_build_object('visit_number', advance.ma_lk, 'patient', coalesce(advance.patient, ''),
                'birth', coalesce(advance.birth, '')) END AS deposit,
        extra.surplus, extra.last_received_at, extra.return_days, back.returns, wish.chosen,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('amount', payment.amount, 'occurred_at', payment.occurred_at,
             'bank_reference', coalesce(nullif(payment.bank_reference, ''), payment.provider_reference))
             ORDER BY payment.occurred_at, payment.id), '[]')
         FROM payment WHERE payment.organization_id = $1 AND payment.intent_id = intent.id) AS payments
    FROM pay_page
    JOIN organization ON organization.id = $1
    JOIN intent ON intent.organization_id = $1 AND intent.id = pay_page.intent_id
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    JOIN provider_account AS account ON account.organization_id = $1 AND account.id = intent.provider_account_id
    LEFT JOIN bank_account AS bank ON bank.organization_id = $1 AND bank.id = account.bank_account_id
    JOIN intent_surplus AS extra ON extra.organization_id = $1 AND extra.intent_id = intent.id
    LEFT JOIN LATERAL (
        SELECT stated.changes + num_nonnulls(stated.accepted_at, stated.declined_at) AS version,
            jsonb_build_object('choice', stated.choice, 'changes', stated.changes, 'is_accepted',
                stated.accepted_at IS NOT NULL, 'is_declined', stated.declined_at IS NOT NULL) AS chosen
        FROM surplus_choice AS stated WHERE stated.organization_id = $1 AND stated.intent_id = intent.id
    ) AS wish ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(refund.version), 0) AS version,
            coalesce(jsonb_agg(jsonb_build_object('amount', refund.amount, 'way', refund.way, 'state', refund.state,
                'ended_at', refund.ended_at) ORDER BY refund.id), '[]') AS returns
        FROM refund
        WHERE refund.organization_id = $1 AND refund.id IN (
            SELECT part.refund_id FROM payment
            JOIN refund_part AS part ON part.organization_id = $1 AND part.payment_id = payment.id
            WHERE payment.organization_id = $1 AND payment.intent_id = intent.id)
    ) AS back
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(invoice.version), 0) AS version, max(facility.phone) AS phone,
            coalesce(jsonb_agg(jsonb_build_object('number', invoice.number, 'visit_number', visit.ma_lk,
                'patient', coalesce(patient.name, ''), 'birth', coalesce(patient.birth, ''),
                'patient_share', invoice.patient_share,
                'other_share', invoice.other_share, 'insurer_share', invoice.insurer_share,
                'private_share', invoice.private_share,
                'copay', parts.copay::text, 'self_pay', parts.self_pay::text,
                'reasons', coalesce(input.reasons, '[]'))
                ORDER BY target.position), '[]') AS bills
        FROM intent_invoice AS target
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = target.invoice_id
        JOIN visit ON visit.organization_id = $1 AND visit.id = invoice.visit_id
        JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
        LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
        LEFT JOIN invoice_snapshot AS input ON input.organization_id = $1 AND input.invoice_id = invoice.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(copay), 0) AS copay, coalesce(sum(self_pay), 0) AS self_pay
            FROM invoice_line AS line WHERE line.organization_id = $1 AND line.invoice_id = invoice.id
        ) AS parts
        WHERE target.organization_id = $1 AND target.intent_id = intent.id
    ) AS bills
    LEFT JOIN LATERAL (
        SELECT visit.ma_lk, patient.name AS patient, patient.birth, facility.phone,
            deposit.version + coalesce(request.version, 0) AS version
        FROM deposit
        JOIN visit ON visit.organization_id = $1 AND visit.id = deposit.visit_id
        JOIN facility ON facility.organization_id = $1 AND facility.id = visit.facility_id
        LEFT JOIN visit_patient AS patient ON patient.organization_id = $1 AND patient.visit_id = visit.id
        LEFT JOIN deposit_request AS request ON request.organization_id = $1
            AND request.id = intent.deposit_request_id
        WHERE deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    ) AS advance ON true
    WHERE pay_page.organization_id = $1 AND pay_page.token = $2
"""


async def read_pay_page(tx: Transaction, token: bytes) -> PageIntent | None:
    """The content of the page of a token; None if there is none."""
    row = await tx.fetchrow(_READ_PAGE, tx.organization_id, token)
    return None if row is None else read_row(PageIntent, row)


_LOCK_PAYMENTS = """
    SELECT position.payment_id FROM payment
    JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
    WHERE payment.organization_id = $1 AND payment.intent_id = $2
    ORDER BY position.payment_id FOR NO KEY UPDATE OF position
"""


async def lock_payments(tx: Transaction, intent_id: IntentId) -> None:
    """Lock the positions of the payments under a code: nobody returns or moves their money meanwhile."""
    await tx.fetch(_LOCK_PAYMENTS, tx.organization_id, intent_id)


_CHOOSE = """
    INSERT INTO surplus_choice (organization_id, intent_id, choice, chosen_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization_id, intent_id) DO UPDATE
        SET choice = excluded.choice, chosen_at = excluded.chosen_at, chosen_by = 'payer',
            changes = surplus_choice.changes + 1
    WHERE surplus_choice.choice <> excluded.choice AND surplus_choice.accepted_at IS NULL
        AND surplus_choice.declined_at IS NULL
    RETURNING intent_id
"""


async def choose_surplus(tx: Transaction, intent_id: IntentId, choice: SurplusChoice, *, at: datetime) -> bool:
    """Store what the payer wishes; a later choice replaces it. False: an equal one, which changes nothing."""
    changed = await tx.fetchval(_CHOOSE, tx.organization_id, intent_id, choice.value, at)
    return changed is not None


_READ_VERSIONS = """
    SELECT intent.id, intent.version + (
        SELECT coalesce(sum(invoice.version), 0) FROM intent_invoice AS target
        JOIN invoice ON invoice.organization_id = $1 AND invoice.id = target.invoice_id
        WHERE target.organization_id = $1 AND target.intent_id = intent.id) + (
        SELECT coalesce(sum(version), 0) FROM deposit
        WHERE deposit.organization_id = $1 AND deposit.id = intent.deposit_id) + (
        SELECT coalesce(sum(version), 0) FROM deposit_request AS request
        WHERE request.organization_id = $1 AND request.id = intent.deposit_request_id) + (
        SELECT coalesce(sum(version), 0) FROM refund
        WHERE refund.organization_id = $1 AND refund.id IN (
            SELECT part.refund_id FROM payment
            JOIN refund_part AS part ON part.organization_id = $1 AND part.payment_id = payment.id
            WHERE payment.organization_id = $1 AND payment.intent_id = intent.id)) + (
        SELECT coalesce(sum(wish.changes + num_nonnulls(wish.accepted_at, wish.declined_at)), 0)
        FROM surplus_choice AS wish
        WHERE wish.organization_id = $1 AND wish.intent_id = intent.id) AS version
    FROM intent WHERE intent.organization_id = $1 AND intent.id = ANY ($2::uuid[])
"""


async def read_versions(tx: Transaction, intent_ids: Sequence[IntentId]) -> dict[IntentId, int]:
    """The versions of pages. Only committed rows are read: no watermark is needed."""
    rows = await tx.fetch(_READ_VERSIONS, tx.organization_id, list(intent_ids))
    return {IntentId(row["id"]): int(row["version"]) for row in rows}


_DESK_PHONES = """
    SELECT name, phone FROM facility WHERE organization_id = $1 AND phone <> ''
    UNION ALL
    SELECT name, help_phone FROM organization WHERE id = $1 AND help_phone <> ''
        AND NOT EXISTS (SELECT FROM facility WHERE organization_id = $1 AND phone <> '')
    ORDER BY name
"""


async def read_desk_phones(tx: Transaction) -> list[tuple[str, str]]:
    """Name and phone of each payment desk: of the facilities, else of the organization; empty if none is set."""
    return [(row["name"], row["phone"]) for row in await tx.fetch(_DESK_PHONES, tx.organization_id)]


# A poll that is due within $4 is left alone: it may be in flight, and its lease must not be ended.
_EXPEDITE_POLL = """
    INSERT INTO status_poll (organization_id, intent_id, provider_account_id, started_at, due_at)
    SELECT $1, id, provider_account_id, $3, $3 FROM intent
    WHERE organization_id = $1 AND id = $2 AND state IN ('pending', 'unknown', 'expired') AND NOT is_standing
    ON CONFLICT (organization_id, intent_id) DO UPDATE SET due_at = $3
    WHERE (status_poll.polled_at IS NULL OR status_poll.polled_at <= $5)
        AND (status_poll.due_at > $4 OR status_poll.due_at IS NULL
            AND coalesce(status_poll.last_outcome, 'not_found') = 'not_found')
"""


async def expedite_poll_of(
    tx: Transaction, intent_id: IntentId, *, now: datetime, leases_end_by: datetime, last_polled_by: datetime
) -> None:
    """Make the poll of an open intent due now; does nothing if the provider was just polled."""
    await tx.execute(_EXPEDITE_POLL, tx.organization_id, intent_id, now, leases_end_by, last_polled_by)


_PAGE_OF = """
    SELECT encode(token, 'hex') FROM pay_page WHERE organization_id = $1 AND intent_id = $2
"""


async def read_page_token(tx: Transaction, intent_id: IntentId) -> str | None:
    """The token of an intent's page in hexadecimal digits; None once the page was erased."""
    found: str | None = await tx.fetchval(_PAGE_OF, tx.organization_id, intent_id)
    return found
