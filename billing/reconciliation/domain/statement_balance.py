"""The balance of a bank account at the end of a day, as its statements state it.

Source: docs/reconciliation.md, Result of a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.core.money import Dong
from billing.reconciliation.domain.statement import Statement
from billing.reconciliation.domain.statement_chain import BreakKind, check_chain, order_statements


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBalance:
    """`closing` is None where no statement covers the day.

    `later_lines_from` and `later_lines_to` bound the days whose lines are part of `closing` and must be subtracted;
    both are None where no line is. `opening` is that of the first statement, `gap` the sum of the differences between
    statements until the day.
    """

    closing: Dong | None
    opening: Dong
    gap: Dong
    later_lines_from: date | None = None
    later_lines_to: date | None = None


def find_balance(statements: Sequence[Statement], day: date, *, opening_balance: Dong) -> StatementBalance | None:
    """The balance of one account on a day; None without any statement. The statements are of one account.

    A day between two statements is covered if the later one opens with the closing balance of the earlier one. The day
    before the first statement has its opening balance, and so has an earlier one whose ledger opens with the same
    balance.
    """
    if not statements:
        return None
    ordered = order_statements(statements)
    until = [each for each in ordered if each.from_day <= day]
    gap = sum(found.difference for found in check_chain(until) if found.kind is BreakKind.GAP)
    opening = ordered[0].opening
    after = [each for each in ordered if each.from_day > day]
    if not until:
        is_eve = after[0].from_day == day + timedelta(days=1)
        return StatementBalance(
            closing=opening if is_eve or opening == opening_balance else None, opening=opening, gap=Dong(0)
        )
    ended = [each for each in until if each.to_day <= day]
    spanning = [each for each in until if each.to_day > day]
    last = max(reversed(ended), key=lambda each: each.to_day, default=None)
    if spanning and (last is None or last.to_day < day):
        return StatementBalance(
            closing=spanning[-1].closing,
            opening=opening,
            gap=Dong(gap),
            later_lines_from=day + timedelta(days=1),
            later_lines_to=spanning[-1].to_day,
        )
    assert last is not None, "a statement that began has ended, or spans the day"
    is_covered = last.to_day == day or (bool(after) and after[0].opening == last.closing)
    return StatementBalance(closing=last.closing if is_covered else None, opening=opening, gap=Dong(gap))
