"""Totals of a day of reconciliation: payments of providers, statement lines, decisions, and the newest statement."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from billing.core.list_slice import day_begins, day_ends, first_id_of_day
from billing.db.database import Transaction
from billing.db.rows import read_row
from billing.reconciliation.domain.day_overview import BankAccountName, BankTotal, LastImport, ProviderTotal

LATE_DAYS = 7
"""A payment of a day counts if it was reported within these days; a later one is in the books of its own day."""

_BANK_ACCOUNTS = """
    SELECT bank.id, bank.account_number AS number,
        array(SELECT account.name FROM provider_account AS account
            WHERE account.organization_id = $1 AND account.bank_account_id = bank.id ORDER BY account.name) AS names
    FROM bank_account AS bank WHERE bank.organization_id = $1 ORDER BY bank.account_number, bank.id
"""


async def read_bank_account_names(tx: Transaction) -> list[BankAccountName]:
    """Every bank account of the organization."""
    return [read_row(BankAccountName, row) for row in await tx.fetch(_BANK_ACCOUNTS, tx.organization_id)]


# Ids contain the time of recording: the key bounds what is read. Noon sharp is no known time (`noon_of`).
_PROVIDER = """
    SELECT count(*) AS count, coalesce(sum(payment.amount), 0)::bigint AS amount,
        max(payment.occurred_at) FILTER (
            WHERE (payment.occurred_at AT TIME ZONE interval '7 hours')::time <> '12:00') AS last_at
    FROM payment
    WHERE payment.organization_id = $1 AND payment.id >= $2 AND payment.id < $3 AND payment.method = 'provider'
        AND payment.occurred_at >= $4 AND payment.occurred_at < $5
        AND ($6::uuid IS NULL OR payment.bank_account_id = $6)
"""


async def read_provider_total(tx: Transaction, day: date, bank_account_id: UUID | None) -> ProviderTotal:
    """Payments of a day that providers reported, of all bank accounts or of one."""
    row = await tx.fetchrow(
        _PROVIDER,
        tx.organization_id,
        first_id_of_day(day),
        first_id_of_day(day + timedelta(days=LATE_DAYS)),
        day_begins(day),
        day_ends(day),
        bank_account_id,
    )
    assert row is not None, "an aggregate has a row"
    return read_row(ProviderTotal, row)


_BANK = """
    SELECT count(*) AS count,
        coalesce(sum(line.amount) FILTER (WHERE line.amount > 0), 0)::bigint AS received,
        coalesce(-sum(line.amount) FILTER (WHERE line.amount < 0), 0)::bigint AS sent,
        count(linked.match_id) AS matched,
        count(*) FILTER (WHERE linked.rule = 'manual') AS by_persons,
        count(*) FILTER (WHERE linked.match_id IS NULL AND NOT waits.is_decided) AS undecided,
        coalesce(sum(line.amount) FILTER (WHERE linked.match_id IS NULL AND NOT waits.is_decided), 0)::bigint
            AS undecided_amount,
        count(*) FILTER (WHERE linked.match_id IS NULL AND NOT waits.is_decided AND NOT waits.is_open) AS unsorted
    FROM active_statement_line AS line
    LEFT JOIN LATERAL (
        SELECT item.match_id, match.rule FROM match_item AS item
        JOIN match ON match.organization_id = $1 AND match.id = item.match_id
        WHERE item.organization_id = $1 AND item.item_kind = 'statement_line' AND item.item_id = line.id
            AND item.is_live
    ) AS linked ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(one.state = 'open'), false) AS is_open,
            coalesce(bool_and(one.state = 'closed'), false) AS is_decided
        FROM exception_case AS one WHERE one.organization_id = $1 AND one.item_id = line.id
    ) AS waits
    WHERE line.organization_id = $1 AND line.bank_account_id = ANY ($2::uuid[]) AND line.booked_on = $3
"""


async def read_bank_total(tx: Transaction, day: date, bank_account_ids: Sequence[UUID]) -> BankTotal:
    """Statement lines of a day on some bank accounts. A line whose exceptions are all closed is decided."""
    row = await tx.fetchrow(_BANK, tx.organization_id, list(bank_account_ids), day)
    assert row is not None, "an aggregate has a row"
    return read_row(BankTotal, row)


# Stops at the limit: the rows behind it are not read.
_HAS_MANY = """
    SELECT count(*) > $3 FROM (
        SELECT FROM bank_account AS bank
        JOIN statement_line AS line ON line.organization_id = $1 AND line.bank_account_id = bank.id
            AND line.booked_on <= $2 AND line.booked_on > coalesce(
                (SELECT max(day) FROM day_closing WHERE organization_id = $1 AND day < $2), '-infinity')
        WHERE bank.organization_id = $1 LIMIT $3 + 1
    ) AS since
"""


async def has_more_lines(tx: Transaction, day: date, at_most: int) -> bool:
    """Whether there are more statement lines than `at_most` since the last closed day before a day."""
    found: bool = await tx.fetchval(_HAS_MANY, tx.organization_id, day, at_most)
    return found


_LAST_IMPORT = """
    SELECT import.file_name, import.ended_at AS imported_at, person.name AS person
    FROM bank_statement AS statement
    JOIN reconciliation_import AS import ON import.organization_id = $1 AND import.id = statement.import_id
        AND import.state = 'active'
    LEFT JOIN person ON person.organization_id = $1 AND person.id = import.acting_for
    WHERE statement.organization_id = $1 AND statement.bank_account_id = ANY ($2::uuid[])
        AND $3::date BETWEEN statement.from_day AND statement.to_day
    ORDER BY import.ended_at DESC LIMIT 1
"""


async def read_last_import(tx: Transaction, day: date, bank_account_ids: Sequence[UUID]) -> LastImport | None:
    """The newest statement that covers a day; None where there is none."""
    row = await tx.fetchrow(_LAST_IMPORT, tx.organization_id, list(bank_account_ids), day)
    return None if row is None else read_row(LastImport, row)


# The rows that `work_list.py` lists as decided on the day: without what was reverted or only proposed.
_DECIDED = """
    SELECT count(*) FROM exception_case AS one
    WHERE one.organization_id = $1 AND one.state = 'closed' AND one.changed_at >= $2 AND one.changed_at < $3
"""


async def count_decided(tx: Transaction, day: date) -> int:
    """Exceptions that were closed on a day and still are."""
    found: int = await tx.fetchval(_DECIDED, tx.organization_id, day_begins(day), day_ends(day))
    return found
