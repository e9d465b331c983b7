"""The chain of an account's statements: each opens with the balance with which the one before it closed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby

from billing.core.money import Dong
from billing.reconciliation.domain.statement import Statement


class BreakKind(StrEnum):
    """The fault between two statements of an account.

    `gap`: movements between them are in neither. `overlap`: both state the same days, so lines may be known already.
    """

    GAP = "gap"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """Two statements of one account that do not follow each other.

    `difference` is the opening balance of `after` minus the closing balance of `before`, in đồng.
    """

    kind: BreakKind
    before: Statement
    after: Statement
    difference: Dong


def check_chain(statements: Iterable[Statement]) -> list[ChainBreak]:
    """Every gap and overlap among the statements of any accounts and currencies, by account and day.

    A later statement whose opening balance is the closing balance of the one before it follows it, whatever days lie
    between: days without movements have no lines. Statements of the same days are put in the order in which their
    balances connect. Source: docs/reference/statements.md, sections 2 and 3.
    """
    by_account = sorted(statements, key=_account)
    groups = (order_statements(list(each)) for _, each in groupby(by_account, key=_account))
    return [found for ordered in groups for found in _check_account(ordered)]


def _account(statement: Statement) -> tuple[str, str]:
    return statement.bank_account_number, statement.currency


def _file_order(statement: Statement) -> tuple[date, date, int, str, int]:
    sequence = statement.sequence or ""
    return statement.from_day, statement.to_day, len(sequence), sequence, statement.position


def order_statements(statements: Sequence[Statement]) -> list[Statement]:
    """By first day, then last day; among statements of the same days, the one that continues the balance first."""
    waiting = sorted(statements, key=_file_order)
    ordered: list[Statement] = []
    for _, same_days in groupby(waiting, key=lambda each: (each.from_day, each.to_day)):
        left = list(same_days)
        if not ordered:
            closings = [each.closing for each in left]
            left.sort(key=lambda each: each.opening in closings and each.opening != each.closing)
        while left:
            follows = [each for each in left if ordered and each.opening == ordered[-1].closing]
            chosen = (follows or left)[0]
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


def _check_account(statements: Sequence[Statement]) -> list[ChainBreak]:
    found = []
    reached = statements[0]
    for each in statements[1:]:
        difference = Dong(each.opening - reached.closing)
        shares_days = each.from_day <= reached.to_day
        is_within = shares_days and each.from_day < reached.to_day
        if is_within or (shares_days and difference != 0):
            found.append(ChainBreak(BreakKind.OVERLAP, reached, each, difference))
        elif difference != 0:
            found.append(ChainBreak(BreakKind.GAP, reached, each, difference))
        if each.to_day >= reached.to_day:
            reached = each
    return found


def days_between(found: ChainBreak) -> int:
    """The number of whole days between the two statements of a gap; 0 where they share a day or are adjacent."""
    return max(0, (found.after.from_day - found.before.to_day - timedelta(days=1)).days)
