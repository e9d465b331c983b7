"""Stores intents with the invoices they collect for."""

from dataclasses import asdict

from billing.checkout.domain.intent_details import (
    IntentAmounts,
    IntentDetails,
    IntentFilter,
    ListedIntent,
    StandingCode,
)
from billing.core.ids import DepositId, IntentId, InvoiceId, ProviderAccountId
from billing.core.list_slice import ListSlice
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.payments.domain.intent import Intent
from billing.payments.store.intent_rows import intent_of
from providers.contract import PaymentInstruction

# An intent of a deposit has the advance type that its facility has set.
_ADD_INTENT = """
    INSERT INTO intent (organization_id, id, provider_account_id, reference_code, state, version, amount, received,
        created_at, expires_at, deposit_id, deposit_request_id, is_standing, advance_type)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $11::uuid IS NOT NULL THEN coalesce((
        SELECT setting.advance_type FROM deposit
        JOIN visit ON visit.organization_id = $1 AND visit.id = deposit.visit_id
        JOIN deposit_setting AS setting ON setting.organization_id = $1 AND setting.facility_id = visit.facility_id
        WHERE deposit.organization_id = $1 AND deposit.id = $11), 'guarantee_deposit') END)
    ON CONFLICT (organization_id, reference_code) DO NOTHING
    RETURNING id
"""

_ADD_TARGETS = """
    INSERT INTO intent_invoice (organization_id, intent_id, position, invoice_id)
    SELECT $1, $2, position, invoice_id
    FROM unnest($3::uuid[]) WITH ORDINALITY AS t (invoice_id, position)
"""


async def add_intent(tx: Transaction, intent: Intent) -> bool:
    """Add an intent with its invoices in their order; False if its reference code was ever issued before."""
    added = await tx.fetchval(
        _ADD_INTENT,
        tx.organization_id,
        intent.id,
        intent.account_id,
        intent.reference,
        intent.state.value,
        intent.version,
        intent.amount,
        intent.received,
        intent.created_at,
        intent.expires_at,
        intent.deposit_id,
        intent.deposit_request_id,
        intent.is_standing,
    )
    if added is None:
        return False
    await tx.execute(_ADD_TARGETS, tx.organization_id, intent.id, list(intent.invoices))
    return True


_FIND_STANDING = """
    SELECT id, reference_code, created_at FROM intent
    WHERE organization_id = $1 AND deposit_id = $2 AND is_standing AND state IN ('created', 'pending', 'unknown')
"""


async def find_standing(tx: Transaction, deposit_id: DepositId) -> StandingCode | None:
    """The open standing code of a deposit; the deposit is locked."""
    row = await tx.fetchrow(_FIND_STANDING, tx.organization_id, deposit_id)
    return None if row is None else read_row(StandingCode, row)


_SAVE_INSTRUCTION = """
    UPDATE intent SET instruction = $3,
        state = CASE WHEN state = 'created' THEN 'pending' ELSE state END,
        version = version + 1
    WHERE organization_id = $1 AND id = $2
"""


async def save_instruction(tx: Transaction, intent_id: IntentId, instruction: PaymentInstruction) -> None:
    """Record the payment instruction. Money may have been received meanwhile: a later state is not overwritten."""
    await tx.execute(_SAVE_INSTRUCTION, tx.organization_id, intent_id, asdict(instruction))


_HAS_INSTRUCTION = """
    SELECT instruction IS NOT NULL FROM intent WHERE organization_id = $1 AND id = $2
"""


async def has_instruction(tx: Transaction, intent_id: IntentId) -> bool:
    """Whether an intent has an instruction from its provider."""
    return await tx.fetchval(_HAS_INSTRUCTION, tx.organization_id, intent_id) is True


_LOCK_INTENT = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at,
        deposit_id, deposit_request_id, is_standing
    FROM intent
    WHERE organization_id = $1 AND id = $2
    FOR NO KEY UPDATE
"""

_TARGETS = """
    SELECT invoice_id FROM intent_invoice WHERE organization_id = $1 AND intent_id = $2 ORDER BY position
"""


async def lock_intent(tx: Transaction, intent_id: IntentId) -> Intent | None:
    """Read one intent and lock its row until the transaction ends; None if there is none."""
    row = await tx.fetchrow(_LOCK_INTENT, tx.organization_id, intent_id)
    if row is None:
        return None
    targets = await tx.fetch(_TARGETS, tx.organization_id, intent_id)
    return intent_of(tuple(row), [InvoiceId(target["invoice_id"]) for target in targets])


_LOCK_OPEN_OF_DEPOSIT = """
    SELECT id, provider_account_id, reference_code, state, version, amount, received, created_at, expires_at,
        deposit_id, deposit_request_id, is_standing
    FROM intent
    WHERE organization_id = $1 AND deposit_id = $2 AND state IN ('created', 'pending', 'unknown')
    ORDER BY id FOR NO KEY UPDATE
"""


async def lock_open_intents_of_deposit(tx: Transaction, deposit_id: DepositId) -> list[Intent]:
    """The open intents of a deposit, standing ones too, locked in id order; the deposit is locked before."""
    rows = await tx.fetch(_LOCK_OPEN_OF_DEPOSIT, tx.organization_id, deposit_id)
    return [intent_of(tuple(row), []) for row in rows]


_SET_STATE = """
    UPDATE intent SET state = $3, version = $4 WHERE organization_id = $1 AND id = $2
"""


async def set_intent_state(tx: Transaction, intent: Intent) -> None:
    """Write the state and version of a locked intent."""
    await tx.execute(_SET_STATE, tx.organization_id, intent.id, intent.state.value, intent.version)


_READ_INTENT = """
    SELECT intent.id, intent.reference_code, intent.state, intent.version, intent.amount, intent.received,
        intent.created_at, intent.expires_at, intent.instruction, provider_account.name AS account,
        deposit.visit_id, intent.deposit_request_id, intent.advance_type,
        (SELECT coalesce(array_agg(invoice_id ORDER BY position), '{}') FROM intent_invoice
         WHERE intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id) AS invoice_ids,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', payment.id, 'amount', payment.amount,
                'occurred_at', payment.occurred_at, 'on_invoices', position.on_invoices, 'credit', position.credit)
                ORDER BY payment.id), '[]')
         FROM payment
         JOIN payment_position AS position ON position.organization_id = $1 AND position.payment_id = payment.id
         WHERE payment.organization_id = $1 AND payment.intent_id = intent.id) AS payments,
        (SELECT encode(token, 'hex') FROM pay_page
         WHERE pay_page.organization_id = $1 AND pay_page.intent_id = intent.id) AS page_token,
        due.owed, due.credit, due.is_closed, intent.is_standing
    FROM intent
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    JOIN provider_account ON provider_account.organization_id = $1 AND provider_account.id = intent.provider_account_id
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    WHERE intent.organization_id = $1 AND intent.id = $2
"""


async def read_intent(tx: Transaction, intent_id: IntentId) -> IntentDetails | None:
    """An intent with its invoices and the payments received under its code; None if there is none."""
    row = await tx.fetchrow(_READ_INTENT, tx.organization_id, intent_id)
    return None if row is None else read_row(IntentDetails, row)


_LIST_INTENTS = """
    SELECT intent.id, intent.reference_code, intent.state, intent.version, intent.amount, intent.received,
        intent.created_at, intent.expires_at, provider_account.name AS account,
        deposit.visit_id, intent.deposit_request_id, intent.advance_type,
        (SELECT coalesce(array_agg(invoice_id ORDER BY position), '{}') FROM intent_invoice
         WHERE intent_invoice.organization_id = $1 AND intent_invoice.intent_id = intent.id) AS invoice_ids,
        due.owed, due.credit, due.is_closed, intent.is_standing
    FROM intent
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    JOIN provider_account ON provider_account.organization_id = $1 AND provider_account.id = intent.provider_account_id
    LEFT JOIN deposit ON deposit.organization_id = $1 AND deposit.id = intent.deposit_id
    WHERE intent.organization_id = $1
        AND ($2::uuid IS NULL OR intent.id < $2) AND ($3::uuid IS NULL OR intent.id >= $3)
        AND ($5::text IS NULL OR intent.reference_code = $5) AND ($6::text IS NULL OR intent.state = $6)
        AND ($7::uuid IS NULL OR EXISTS (
            SELECT FROM intent_invoice WHERE intent_invoice.organization_id = $1
                AND intent_invoice.invoice_id = $7 AND intent_invoice.intent_id = intent.id))
        AND ($8::text IS NULL OR intent.id IN (
            SELECT intent_invoice.intent_id FROM visit
            JOIN invoice ON invoice.organization_id = $1 AND invoice.visit_id = visit.id
            JOIN intent_invoice ON intent_invoice.organization_id = $1 AND intent_invoice.invoice_id = invoice.id
            WHERE visit.organization_id = $1 AND visit.ma_lk = $8
            UNION ALL
            SELECT advance.id FROM visit
            JOIN deposit ON deposit.organization_id = $1 AND deposit.visit_id = visit.id
            JOIN intent AS advance ON advance.organization_id = $1 AND advance.deposit_id = deposit.id
            WHERE visit.organization_id = $1 AND visit.ma_lk = $8))
        AND ($9::uuid IS NULL OR intent.deposit_request_id = $9)
    ORDER BY intent.id DESC LIMIT $4
"""


async def read_intents(tx: Transaction, part: ListSlice, wanted: IntentFilter) -> list[ListedIntent]:
    """Intents of a slice of the list, the newest first."""
    rows = await tx.fetch(
        _LIST_INTENTS,
        tx.organization_id,
        part.before,
        part.first,
        part.limit,
        wanted.reference_code,
        wanted.state,
        wanted.invoice_id,
        wanted.ma_lk,
        wanted.deposit_request_id,
    )
    return [read_row(ListedIntent, row) for row in rows]


_FIND_INQUIRED = """
    SELECT intent.state, intent.amount, intent.received, intent.created_at, intent.expires_at,
        due.owed, due.credit, due.is_closed, intent.is_standing
    FROM intent
    JOIN intent_due AS due ON due.organization_id = $1 AND due.intent_id = intent.id
    WHERE intent.organization_id = $1 AND intent.provider_account_id = $2 AND intent.reference_code = $3
"""


async def find_inquired(tx: Transaction, account_id: ProviderAccountId, reference: str) -> IntentAmounts | None:
    """The intent of a code that an account issued; None if this account never issued that code."""
    row = await tx.fetchrow(_FIND_INQUIRED, tx.organization_id, account_id, reference)
    return None if row is None else read_row(IntentAmounts, row)
