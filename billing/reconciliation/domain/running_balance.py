"""Direction and order of the rows of a statement, found from the running balance, never from the headings alone.

"Nợ" and "Có" are the bank's view in some editions and ours in others, debits are negative at some banks, and some
files begin with the newest row. Every balance is the balance before it plus the amounts of its row, so the differences
of the balances fix the sign of each column and the order of the rows. Source: docs/reference/statements.md, section 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from billing.core.money import Dong
from billing.reconciliation.domain.statement import Place, StatementUnreadable

Amounts = tuple[int, int, int, int]
"""The amounts of the columns debit, credit, fee and tax, with the sign that is written; 0 for an empty cell."""

Signs = tuple[int, int, int, int]
"""The sign of each column: 1 as written, -1 the opposite, 0 not known yet."""

_NO_AMOUNTS: Amounts = (0, 0, 0, 0)
_UNKNOWN: Signs = (0, 0, 0, 0)
_DEBIT, _CREDIT = 0, 1


@dataclass(frozen=True, slots=True)
class Directions:
    """Order, signs and ends of a statement's rows.

    `is_newest_first`: the file lists the newest row first. `signs` turn written amounts into signed ones (positive is
    money into our account). `opening` and `closing` are the balances before the oldest and after the newest row.
    """

    is_newest_first: bool
    signs: Signs
    opening: Dong
    closing: Dong


class DirectionFinder:
    """Excludes, row by row, every order and every sign of a column that contradicts the balances.

    A row without a balance is compared together with the next balance. `opening` and `closing` are the balances that
    the file states before its rows, None where it states none there; `finish` accepts those below the rows.
    """

    def __init__(self, *, sheet: str | None = None, opening: int | None = None, closing: int | None = None) -> None:
        self._possible: tuple[_Order, ...] = (
            _Order(is_newest_first=False, beginning=opening),
            _Order(is_newest_first=True, beginning=closing),
        )
        self._opening = opening
        self._closing = closing
        self._first: list[int] = list(_NO_AMOUNTS)
        self._sheet = sheet
        self._last_row: int | None = None

    @property
    def decided(self) -> tuple[bool, Signs] | None:
        """Whether the newest row is first, and the signs known so far; None while two answers are possible."""
        if len(self._possible) == 1 and len(self._possible[0].signs) == 1:
            return self._possible[0].is_newest_first, self._possible[0].signs[0]
        return None

    @property
    def opening(self) -> int | None:
        """The opening balance of rows whose oldest is known to be first; None until it is known."""
        if self.decided is None or self._possible[0].is_newest_first:
            return None
        return self._possible[0].first_balance()

    def add(self, amounts: Amounts, balance: int | None, row: int) -> None:
        """Compare the next row of the file. Raises StatementUnreadable with its number if no answer is left."""
        self._last_row = row
        if not is_known(amounts, self._first):
            self._first = [first or amount for first, amount in zip(self._first, amounts, strict=True)]
        possible = self._possible
        if len(possible) > 1:
            possible = tuple(order for order in possible if order.add(amounts, balance))
        elif not possible[0].add(amounts, balance):
            possible = ()
        if not possible:
            raise StatementUnreadable(
                "the balance of this row is not the balance before it with the amounts of the row; a row is missing"
                " or was changed: export the statement again",
                Place(row, self._sheet),
            )
        self._possible = possible

    def finish(
        self, *, opening: int | None = None, closing: int | None = None, is_newest_first_by_time: bool | None = None
    ) -> Directions:
        """Order, signs and ends after the last row. Raises StatementUnreadable.

        `opening` and `closing` are the stated balances, wherever they stand. `is_newest_first_by_time` is the order of
        the days and times of the rows, None if all are equal; it decides only between orders that the balances allow.
        """
        opening = self._opening if opening is None else opening
        closing = self._closing if closing is None else closing
        if self._last_row is None:
            return _without_rows(opening, closing)
        found: list[Directions] = []
        reached_end = False
        for order in self._possible:
            if order.finish(opening, closing):
                reached_end = True
                found += order.directions(self._exclude(order.signs), opening, closing)
        if not reached_end:
            raise StatementUnreadable(
                "the rows do not lead from the stated opening balance to the stated closing balance; the file is cut,"
                " or rows were changed: export the statement again",
                Place(self._last_row, self._sheet),
            )
        return self._choose(found, is_newest_first_by_time)

    def _exclude(self, signs: Iterable[Signs]) -> list[Signs]:
        """Debit and credit columns have opposite directions: where one is known, so is the other."""
        found = []
        debit, credit = self._first[_DEBIT], self._first[_CREDIT]
        for each in signs:
            known = list(each)
            opposite = -1 if (debit > 0) == (credit > 0) else 1
            if debit and credit and (known[_DEBIT] == 0) != (known[_CREDIT] == 0):
                known[_DEBIT] = known[_DEBIT] or opposite * known[_CREDIT]
                known[_CREDIT] = known[_CREDIT] or opposite * known[_DEBIT]
            if all(sign or not first for sign, first in zip(known, self._first, strict=True)):
                found.append((known[0], known[1], known[2], known[3]))
        return found

    def _choose(self, found: Sequence[Directions], is_newest_first_by_time: bool | None) -> Directions:
        outcomes = {(each.signs, each.opening, each.closing) for each in found}
        by_time = [each for each in found if each.is_newest_first is is_newest_first_by_time]
        if len(outcomes) == 1:
            return (by_time or list(found))[0]
        if len({(each.signs, each.opening, each.closing) for each in by_time}) == 1:
            return by_time[0]
        raise StatementUnreadable(
            "the balances do not prove which column is money in and which row is the oldest; export an edition with"
            " the opening balance and a balance in every row",
            Place(self._last_row, self._sheet),
        )


class _Order:
    """One order of the rows with the signs that are still possible under it.

    `_sums` are the amounts since the last stated balance; `_edge` those before the first stated balance.
    """

    def __init__(self, *, is_newest_first: bool, beginning: int | None) -> None:
        self.is_newest_first = is_newest_first
        self.signs: tuple[Signs, ...] = (_UNKNOWN,)
        self._last = self._edge_balance = beginning
        self._edge = self._sums = _NO_AMOUNTS

    def add(self, amounts: Amounts, balance: int | None) -> bool:
        """Compare a row. False if the order contradicts it."""
        if balance is None:
            self._sums = _plus(self._sums, amounts)
            return True
        sums = self._sums
        if not self.is_newest_first:
            sums = amounts if sums is _NO_AMOUNTS else _plus(sums, amounts)
        self._sums = amounts if self.is_newest_first else _NO_AMOUNTS
        last, self._last = self._last, balance
        if last is None:
            self._edge, self._edge_balance = sums, balance
            return True
        return self._compare(last - balance if self.is_newest_first else balance - last, sums)

    def first_balance(self) -> int | None:
        """The balance before the first row, the oldest; None while a direction up to the first balance is unknown."""
        signs = self.signs[0]
        if self._edge_balance is None or any(
            amount and not sign for sign, amount in zip(signs, self._edge, strict=True)
        ):
            return None
        return self._edge_balance - _total(self._edge, signs)

    def finish(self, opening: int | None, closing: int | None) -> bool:
        """Compare the ends. False if they contradict the order."""
        if self._last is None or self._edge_balance is None:
            return opening is not None and closing is not None and self._compare(closing - opening, self._sums)
        before, after = (self._edge_balance, self._last)
        edges = (self._edge, self._sums) if not self.is_newest_first else (self._sums, self._edge)
        if self.is_newest_first:
            before, after = after, before
        return (opening is None or self._compare(before - opening, edges[0])) and (
            closing is None or self._compare(closing - after, edges[1])
        )

    def directions(self, signs: Iterable[Signs], opening: int | None, closing: int | None) -> list[Directions]:
        """The directions for each of the signs; the balances that the file does not state are computed."""
        found = []
        for each in signs:
            edge, end = _total(self._edge, each), _total(self._sums, each)
            beginning, ending = self._edge_balance or 0, self._last or 0
            oldest, newest = (
                (ending - end, beginning + edge) if self.is_newest_first else (beginning - edge, ending + end)
            )
            found.append(
                Directions(
                    self.is_newest_first,
                    each,
                    Dong(oldest if opening is None else opening),
                    Dong(newest if closing is None else closing),
                )
            )
        return found

    def _compare(self, difference: int, sums: Amounts) -> bool:
        if len(self.signs) == 1:
            known = self.signs[0]
            if is_known(sums, known):
                return _total(sums, known) == difference
        self.signs = tuple(
            dict.fromkeys(
                wider for each in self.signs for wider in _widened(each, sums) if _total(sums, wider) == difference
            )
        )
        return bool(self.signs)


def is_known(amounts: Sequence[int], signs: Sequence[int]) -> bool:
    """Whether each column that has an amount has a sign."""
    return (
        (bool(signs[0]) or not amounts[0])
        and (bool(signs[1]) or not amounts[1])
        and (bool(signs[2]) or not amounts[2])
        and (bool(signs[3]) or not amounts[3])
    )


def _widened(signs: Signs, sums: Amounts) -> Iterable[Signs]:
    """The signs with every choice for a column that occurs and is not known yet."""
    debit, credit, fee, tax = (
        (1, -1) if amount and not sign else (sign,) for sign, amount in zip(signs, sums, strict=True)
    )
    return product(debit, credit, fee, tax)


def _plus(first: Amounts, second: Amounts) -> Amounts:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2], first[3] + second[3]


def _total(amounts: Amounts, signs: Signs) -> int:
    return amounts[0] * signs[0] + amounts[1] * signs[1] + amounts[2] * signs[2] + amounts[3] * signs[3]


def _without_rows(opening: int | None, closing: int | None) -> Directions:
    if opening is not None and closing is not None and opening != closing:
        raise StatementUnreadable("the statement has no rows, and its opening and closing balances differ")
    balance = closing if opening is None else opening
    if balance is None:
        raise StatementUnreadable("the statement has neither rows nor a balance")
    return Directions(is_newest_first=False, signs=_UNKNOWN, opening=Dong(balance), closing=Dong(balance))
