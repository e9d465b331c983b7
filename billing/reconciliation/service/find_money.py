"""Find money (tìm tiền về) by what a person knows of a transfer: ranked results, each with its reasons.

Each search is one audit row with the person. Names and accounts leave shortened. Source: docs/reconciliation.md,
Find money; docs/personal-data.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.clock import business_date
from billing.core.ids import OrganizationId
from billing.core.text import shorten_name
from billing.db.context import Context
from billing.ledger.service.audit import note
from billing.reconciliation.domain.money_search import FoundMoney, MoneyQuestion, compact, rank_money
from billing.reconciliation.store.money_search import read_open_lines_of_period, read_payments_of_period

CANDIDATES_MAX = 5_000
"""Payments, and lines, of the period that one search compares."""

FOUND_MAX = 20
"""Results of one search."""

_ENDING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMoney:
    """A result with its payer shortened: the initials of the name, the last digits of the account."""

    found: FoundMoney
    payer: str
    account_ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Results, the best first. `is_cut`: the period has more money than one search compares; narrow it."""

    shown: Sequence[ShownMoney]
    is_cut: bool


async def find_money(
    context: Context, organization_id: OrganizationId, question: MoneyQuestion, *, actor: Actor
) -> SearchResult:
    """Search payments and open statement lines of the organization. Raises PersonNeeded."""
    person = require_person(actor)
    last_day = business_date(question.until - timedelta(microseconds=1))
    async with context.database.transaction(organization_id) as tx:
        payments = await read_payments_of_period(
            tx,
            since=question.since,
            until=question.until,
            last_day=last_day,
            amount=question.amount,
            at_most=CANDIDATES_MAX + 1,
        )
        lines = await read_open_lines_of_period(
            tx,
            first_day=business_date(question.since),
            last_day=last_day,
            amount=question.amount,
            at_most=CANDIDATES_MAX + 1,
        )
        await note(tx, context, actor, "money_searched", ("person", person))
    found = rank_money(question, [*payments[:CANDIDATES_MAX], *lines[:CANDIDATES_MAX]], at_most=FOUND_MAX)
    shown = [
        ShownMoney(
            found=each,
            payer=shorten_name(each.money.payer_name),
            account_ending=compact(each.money.payer_account)[-_ENDING:],
        )
        for each in found
    ]
    return SearchResult(shown=shown, is_cut=max(len(payments), len(lines)) > CANDIDATES_MAX)
