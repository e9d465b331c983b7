"""A payout as finance reads it: what a provider states for one day, and whether the bank shows it.

Source: docs/reconciliation.md, Tables.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.money import Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutDay:
    """A payout, in đồng: `gross` less `fee` is `net`, which the bank credits; `is_at_bank` once a line shows it."""

    id: UUID
    account: str
    paid_out_on: date
    lines: int
    gross: int
    fee: Dong
    net: int
    due_on: date | None
    is_at_bank: bool
