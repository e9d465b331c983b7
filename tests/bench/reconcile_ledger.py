"""The ledger of a generated month, written by the server: an invoice, an intent and, mostly, a payment of each item.

Rows are those of callbacks that paid one invoice each; triggers and foreign keys are passed over while they are
written. `bench_item` and `bench_line` hold the truth of the month for the comparison afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from uuid import UUID

import asyncpg

from billing.core.ids import ProviderAccountId
from billing.organizations.service.setup import NewBankAccount, Setup
from tests.bench.reconcile_files import WrittenLine
from tests.bench.reconcile_month import BANK_TERMS, DAYS, GATEWAY_TERMS, Item, Month
from tests.bench.stock import analyze
from tests.builders import BANK_BIN, DemoHospital

GATEWAY = "gateway"
_CHUNK = 50_000

_TRUTH = """
    CREATE TABLE bench_item (n bigint PRIMARY KEY, day int, occurred_at timestamptz, amount bigint, code text,
        bank_reference text, transaction text, is_gateway boolean, has_payment boolean, fault text);
    CREATE TABLE bench_line (row bigint PRIMARY KEY, n bigint, role text, amount bigint);
"""
_TRUTH_INDEXES = """
    CREATE UNIQUE INDEX ON bench_item (transaction);
    CREATE UNIQUE INDEX ON bench_item (code);
    ANALYZE bench_item;
    ANALYZE bench_line;
"""


def _id(kind: int) -> str:
    """Ids of the kind, growing with the item's number as real ids do; the payment's contains the number at its end."""
    return (
        "('0' || to_hex((extract(epoch FROM occurred_at) * 1000)::bigint) "
        f"|| '7{kind:03x}8000' || to_hex(n + (1::bigint << 44)))::uuid"
    )


_VISIT, _INVOICE, _INTENT, _PAYMENT, _ISSUED, _RECEIVED, _ALLOCATION = map(_id, range(1, 8))
_OWN = """
    (SELECT item.*, CASE WHEN is_gateway THEN $2::uuid ELSE $1::uuid END AS account_id, $3::uuid AS bank_account_id,
        (occurred_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS booked_on, receivable.id AS receivable,
        revenue.id AS revenue, clearing.id AS clearing, facility.id AS facility_id
    FROM bench_item AS item
    JOIN facility ON true
    JOIN ledger_account AS receivable ON receivable.role = 'receivable_patient'
    JOIN ledger_account AS revenue ON revenue.role = 'revenue'
    JOIN ledger_account AS clearing ON clearing.role = 'clearing'
        AND clearing.subject = (CASE WHEN is_gateway THEN $2::uuid ELSE $1::uuid END)::text
    ORDER BY n) AS item
"""
_PAID = f"{_OWN} WHERE has_payment"

_ROWS: Sequence[tuple[str, str, str, str]] = (  # table, columns, values, source
    ("visit", "organization_id, id, facility_id, ma_lk, version, admitted_at, created_at",
     f"1, {_VISIT}, facility_id, 'M' || n, 1, occurred_at, occurred_at", _OWN),
    ("visit_version", "organization_id, visit_id, version, content_hash, source, recorded_at",
     f"1, {_VISIT}, 1, sha256(''), 'json', occurred_at", _OWN),
    ("invoice", "organization_id, id, visit_id, visit_version, number, state, version, patient_share, other_share, "
     "insurer_share, allocated, owed, issued_at",
     f"1, {_INVOICE}, {_VISIT}, 1, 'M' || n, 'issued', 1, amount, 0, 0, CASE WHEN has_payment THEN amount ELSE 0 END, "
     "CASE WHEN has_payment THEN 0 ELSE amount END, occurred_at", _OWN),
    ("intent", "organization_id, id, provider_account_id, reference_code, state, version, amount, received, "
     "created_at, expires_at",
     f"1, {_INTENT}, account_id, code, CASE WHEN has_payment THEN 'succeeded' ELSE 'pending' END, 1, amount, "
     "CASE WHEN has_payment THEN amount ELSE 0 END, occurred_at, occurred_at + interval '60 days'", _OWN),
    ("intent_invoice", "organization_id, intent_id, position, invoice_id", f"1, {_INTENT}, 1, {_INVOICE}", _OWN),
    ("journal_entry", "organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind",
     f"1, {_ISSUED}, 'invoice_issued', occurred_at, occurred_at, booked_on, 'system'", _OWN),
    ("posting", "organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, "
     "payer", f"1, {_ISSUED}, 1, receivable, revenue, amount, {_VISIT}, {_INVOICE}, 'patient'", _OWN),
    ("payment", "organization_id, id, provider_account_id, bank_account_id, delivery_id, intent_id, amount, "
     "provider_reference, bank_reference, occurred_at, recorded_at",
     f"1, {_PAYMENT}, account_id, bank_account_id, {_PAYMENT}, {_INTENT}, amount, transaction, "
     "CASE WHEN is_gateway THEN '' ELSE bank_reference END, occurred_at, occurred_at", _PAID),
    ("payment_position", "organization_id, payment_id, amount, on_invoices", f"1, {_PAYMENT}, amount, amount", _PAID),
    ("allocation", "organization_id, id, payment_id, target, invoice_id, amount, reason, recorded_at",
     f"1, {_ALLOCATION}, {_PAYMENT}, 'invoice', {_INVOICE}, amount, '', occurred_at", _PAID),
    ("movement_key", "organization_id, account_id, movement, key, movement_id, amount",
     f"1, account_id, 'received', 'transaction:' || transaction, {_PAYMENT}, amount", _PAID),
    ("bank_reference", "organization_id, account_id, movement, reference, number, payment_id, provider_account_id, "
     "source, name, amount, booked_on, codes",
     f"1, bank_account_id, 'received', bank_reference, row_number() OVER (PARTITION BY bank_reference ORDER BY n), "
     f"{_PAYMENT}, account_id, 'callback', 'transaction:' || transaction, amount, booked_on, ARRAY[code]",
     f"{_PAID} AND NOT is_gateway"),
    ("journal_entry", "organization_id, id, kind, effective_at, recorded_at, accounting_date, actor_kind, actor_id",
     f"1, {_RECEIVED}, 'payment_received', occurred_at, occurred_at, booked_on, 'provider', account_id", _PAID),
    ("posting", "organization_id, entry_id, line, debit_account_id, credit_account_id, amount, visit_id, invoice_id, "
     "payment_id, payer",
     f"1, {_RECEIVED}, 1, clearing, receivable, amount, {_VISIT}, {_INVOICE}, {_PAYMENT}, 'patient'", _PAID),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MonthAccounts:
    """The accounts of the month: transfers straight to the bank account, and the gateway that pays out to it."""

    bank: ProviderAccountId
    gateway: ProviderAccountId
    bank_account: UUID


async def add_gateway(setup: Setup, hospital: DemoHospital) -> ProviderAccountId:
    """A second account of the sandbox provider that pays out to the bank account of the hospital."""
    settings = hospital.settings
    return await setup.add_provider_account(
        hospital.organization_id,
        name=GATEWAY,
        provider="sandbox",
        bank_account=NewBankAccount(
            bank_bin=BANK_BIN, account_number=settings.account_number, holder=settings.account_holder
        ),
        settings={**settings.model_dump(mode="json", exclude={"secret"}, exclude_defaults=True), "merchant_id": "GW"},
        secret_name="sandbox",
    )


async def load_truth(
    connection: "asyncpg.Connection[asyncpg.Record]", items: Iterable[Item], lines: Sequence[WrittenLine]
) -> None:
    """Store items and lines as they are by construction."""
    await connection.execute(_TRUTH)
    rows = iter(items)
    while chunk := [_truth(item) for item in islice(rows, _CHUNK)]:
        await connection.copy_records_to_table("bench_item", records=chunk)
    await connection.copy_records_to_table(
        "bench_line", records=((line.row, line.number, line.role, line.amount) for line in lines)
    )
    await connection.execute(_TRUTH_INDEXES, timeout=600)


async def load_ledger(connection: "asyncpg.Connection[asyncpg.Record]", month: Month, accounts: MonthAccounts) -> None:
    """Write the rows of the ledger from `bench_item`; statistics are brought up to date."""
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.executemany(
            "INSERT INTO business_day (organization_id, day, state, opened_at) "
            "VALUES (1, $1, 'open', $1::date) ON CONFLICT DO NOTHING",
            [(month.first_day + timedelta(days=day),) for day in range(DAYS + 1)],
        )
        await connection.executemany(
            "INSERT INTO provider_contract (organization_id, provider_account_id, valid_from, pays_out, "
            "fee_basis_points, fee_fixed, recorded_at) VALUES (1, $1, $2, $3, $4, $5, $2::date)",
            [
                (account, month.first_day, pays_out, terms.fee_basis_points, terms.fee_fixed)
                for account, pays_out, terms in (
                    (accounts.bank, False, BANK_TERMS),
                    (accounts.gateway, True, GATEWAY_TERMS),
                )
            ],
        )
        for table, columns, values, source in _ROWS:
            # Each statement names all three accounts, so that all have the same arguments.
            await connection.execute(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM {source}",
                accounts.bank, accounts.gateway, accounts.bank_account, timeout=3600,
            )  # fmt: skip
    await analyze(connection)


def _truth(item: Item) -> tuple[object, ...]:
    message = item.transfer.message
    return (
        item.number,
        item.day,
        message.occurred_at,
        message.amount,
        item.code,
        message.bank_reference,
        message.transaction_id,
        item.is_gateway,
        item.has_payment,
        item.fault.value if item.fault else "",
    )
