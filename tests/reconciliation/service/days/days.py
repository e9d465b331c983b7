"""Payments, statements and matches of a day, and its results, for tests."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from billing.core.actor import Actor
from billing.core.money import Dong
from billing.ledger.domain.accounts import AccountKey, AccountRole, EntryKind, Posting, account_subject
from billing.ledger.service.posting import post_entry
from billing.reconciliation.domain.day_result import (
    AccountDay,
    AccountKind,
    ItemKind,
)
from billing.reconciliation.service.close_day import close_day, find_results
from billing.reconciliation.service.import_statement import import_statement
from tests.flow import OWED, PaymentFlow
from tests.reconciliation.statement_file import Line, statement_csv, statement_file

DAY = timedelta(days=1)
SYSTEM = Actor.system()


async def pay(flow: PaymentFlow, transaction: str, visit: str = "LK0001") -> None:
    started = await flow.start_intent(visit)
    await flow.deliver(flow.notice(transaction, started.code))


async def state(flow: PaymentFlow, *lines: Line, opening: int = 0) -> None:
    """Import a statement of the bank account with these lines."""
    content = statement_csv(*lines, opening=opening)
    await import_statement(flow.context, flow.hospital.organization_id, statement_file(content), actor=SYSTEM)


async def execute(flow: PaymentFlow, query: str, *arguments: object) -> None:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        await tx.execute(query, *arguments)


async def fetch(flow: PaymentFlow, query: str) -> list[Any]:
    async with flow.context.database.transaction(flow.hospital.organization_id) as tx:
        return [row[0] for row in await tx.fetch(query)]


async def match(flow: PaymentFlow, line: UUID, payment: UUID, *, amount: int = OWED, is_swept: bool = True) -> UUID:
    """Match a statement line with a payment, and sweep it: D 1121 · C 113."""
    context = flow.context
    found: UUID = context.ids.new()
    async with context.database.transaction(flow.hospital.organization_id, posting=True) as tx:
        bank = AccountKey(AccountRole.BANK, account_subject(await tx.fetchval("SELECT id FROM bank_account")))
        clearing = AccountKey(AccountRole.CLEARING, account_subject(flow.account.id))
        entry = None
        if is_swept:
            sweep = Posting(debit=bank, credit=clearing, amount=Dong(amount))
            entry = await post_entry(tx, context, EntryKind.CARD_BATCH_CREDITED, [sweep], actor=SYSTEM)
        await tx.execute(
            "INSERT INTO match_rule_set (organization_id, version, rules, created_at) VALUES (1, 1, '{}', now())"
            " ON CONFLICT DO NOTHING"
        )
        await tx.execute(
            "INSERT INTO match (organization_id, id, rule, rule_set, run_id, state, entry_id, actor_kind, matched_at,"
            " clearing_subject) VALUES (1, $1, 'bank_reference', 1, $1, 'live', $2, 'system', now(), $3)",
            found,
            entry,
            flow.account.id,
        )
        for kind, item in (("statement_line", line), ("payment", payment)):
            await tx.execute(
                "INSERT INTO match_item (organization_id, match_id, item_kind, item_id, amount)"
                " VALUES (1, $1, $2, $3, $4)",
                found,
                kind,
                item,
                amount,
            )
    return found


async def accounts_of(flow: PaymentFlow, day: date) -> tuple[AccountDay, AccountDay]:
    """The results of the bank account and of the provider account."""
    _, results = await find_results(flow.context, flow.hospital.organization_id, day)
    by_kind = {each.kind: each for each in results.accounts}
    return by_kind[AccountKind.BANK_ACCOUNT], by_kind[AccountKind.PROVIDER_ACCOUNT]


async def clearing_of_bank(flow: PaymentFlow, day: date) -> AccountDay:
    """The result of the 113 of the bank account."""
    _, results = await find_results(flow.context, flow.hospital.organization_id, day)
    [found] = [each for each in results.accounts if each.kind is AccountKind.BANK_CLEARING]
    assert found.residual == 0
    return found


async def find_accounts(flow: PaymentFlow, day: date, kind: AccountKind) -> list[AccountDay]:
    """The results of the accounts of a kind."""
    _, results = await find_results(flow.context, flow.hospital.organization_id, day)
    return [each for each in results.accounts if each.kind is kind]


def listed(account: AccountDay) -> list[tuple[ItemKind, int]]:
    return [(item.kind, item.amount) for item in account.items]


async def close(flow: PaymentFlow, day: date) -> None:
    await close_day(flow.context, flow.hospital.organization_id, day, actor=SYSTEM)
