"""The opening balances of the ledger at go-live: they sum to zero and are posted once, before every other entry.

Source: docs/ledger-verification.md, Opening balances.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from billing.core.errors import InvalidValue, Refused
from billing.core.money import DONG_MAX, Dong
from billing.ledger.domain.accounts import CHART, AccountKey, AccountKind, Posting

BALANCES_MAX = 5_000


class OpeningUnbalanced(InvalidValue):
    """Debits and credits of the opening balances differ."""

    code = "opening_unbalanced"


class BooksHaveBegun(Refused):
    """The books have entries or days, or opening balances already: opening balances come first and once."""

    code = "books_have_begun"


class OpeningNotStated(Refused):
    """The opening balance of a bank account is not the one that its statement states."""

    code = "opening_not_stated"


@dataclass(frozen=True, slots=True)
class OpeningBalance:
    """The balance of one account, in đồng: positive is a debit balance."""

    account: AccountKey
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRow:
    """A row of a file: the account by role and subject, or by its number alone."""

    row: int
    role: str
    subject: str
    number: str
    amount: Dong


def check_balances(balances: Sequence[OpeningBalance]) -> None:
    """Raises InvalidValue for an account that cannot have an opening balance, OpeningUnbalanced."""
    if not 2 <= len(balances) <= BALANCES_MAX:
        raise InvalidValue(f"opening balances are 2 to {BALANCES_MAX} accounts", field="balances")
    twice = [key for key, times in Counter(each.account for each in balances).items() if times > 1]
    if twice:
        raise InvalidValue(f"account {_name(twice[0])} is stated twice", field="balances")
    for each in balances:
        if each.amount == 0 or abs(each.amount) > DONG_MAX:
            raise InvalidValue(f"the balance of {_name(each.account)} is 0 or too large", field="balances")
        terms = CHART[each.account.role]
        if terms.kind is AccountKind.INLINE:
            raise InvalidValue(
                f"{_name(each.account)} is a drawer and opens with its first shift; state the cash under role safe",
                field="balances",
            )
        if terms.is_per_subject != bool(each.account.subject):
            wanted = "names its subject" if terms.is_per_subject else "has no subject"
            raise InvalidValue(f"an account of role {each.account.role} {wanted}", field="balances")
    difference = sum(each.amount for each in balances)
    if difference:
        raise OpeningUnbalanced(
            f"debits less credits are {difference} đồng; correct the balances until they are 0", field="balances"
        )


def build_postings(balances: Sequence[OpeningBalance]) -> list[Posting]:
    """Postings that give each account its balance: debits and credits are paired in their order."""
    debits = [(each.account, each.amount) for each in reversed(balances) if each.amount > 0]
    credited = [(each.account, -each.amount) for each in reversed(balances) if each.amount < 0]
    postings = []
    while debits and credited:
        (debit, owed), (credit, owing) = debits.pop(), credited.pop()
        amount = min(owed, owing)
        postings.append(Posting(debit=debit, credit=credit, amount=Dong(amount)))
        if owed > amount:
            debits.append((debit, Dong(owed - amount)))
        if owing > amount:
            credited.append((credit, owing - amount))
    assert debits == credited == [], "the balances sum to zero"
    return postings


def _name(account: AccountKey) -> str:
    return f"{account.role} {account.subject}".rstrip()
