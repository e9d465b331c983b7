"""The cost statement of a visit (bảng kê 01/KBCB): blocks by card and level, groups of the form, lines, 13 columns.

Amounts as in the claim, two decimals; sums are exact. Source: docs/reference/xml130.md §9 (form of Decision
697/QĐ-BYT; its numbers of groups are from memory there).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.core.money import total
from billing.coverage.domain.price_result import PricedLine
from billing.visits.domain.card import Card
from billing.visits.domain.visit import Visit

FORM_GROUPS: Mapping[int, str] = {
    13: "1",
    14: "2.1",
    15: "2.2",
    16: "2.3",
    1: "3",
    2: "4",
    3: "5",
    8: "6",
    18: "6",
    7: "7",
    17: "7",
    4: "8",
    5: "8",
    6: "8",
    10: "9",
    11: "9",
    12: "11",
    9: "12",
    19: "12",
}
"""The group of the form for each MA_NHOM; supplies with a GOI_VTYT are of group 10."""

GROUPS = ("1", "2.1", "2.2", "2.3", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12")
OTHER_GROUP = "12"
PACKAGE_GROUP = "10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Columns 7 and 9 to 13: hospital, insured, fund, co-payment, other funds, self-pay."""

    hospital: Decimal
    insured: Decimal
    fund: Decimal
    copay: Decimal
    other: Decimal
    self_pay: Decimal

    @property
    def patient(self) -> Decimal:
        """What the patient pays."""
        return self.copay + self.self_pay


@dataclass(frozen=True, slots=True)
class StatementGroup:
    """One group of the form with its lines."""

    number: str
    lines: Sequence[PricedLine]

    @property
    def amounts(self) -> Amounts:
        """The sums of the group."""
        return sum_amounts(self.lines)


@dataclass(frozen=True, slots=True)
class StatementBlock:
    """The costs under one card at one level; `card` is None and `level` 0 for costs without insurance."""

    card: Card | None
    level: Decimal
    groups: Sequence[StatementGroup]

    @property
    def lines(self) -> list[PricedLine]:
        """Every line of the block."""
        return [line for group in self.groups for line in group.lines]

    @property
    def amounts(self) -> Amounts:
        """The sums of the block."""
        return sum_amounts(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostStatement:
    """The statement of a visit. `is_final` is false while the visit is open: its costs may still change."""

    visit: Visit
    facility: str
    organization: str
    department: str
    blocks: Sequence[StatementBlock]
    is_final: bool

    @property
    def amounts(self) -> Amounts:
        """The sums of the visit."""
        return sum_amounts([line for block in self.blocks for line in block.lines])


def sum_amounts(lines: Sequence[PricedLine]) -> Amounts:
    """The sums of lines."""
    return Amounts(
        hospital=total(line.hospital_amount for line in lines),
        insured=total(line.insured_amount for line in lines),
        fund=total(line.fund for line in lines),
        copay=total(line.copay for line in lines),
        other=total(line.other_funds for line in lines),
        self_pay=total(line.self_pay for line in lines),
    )


def build_blocks(visit: Visit, lines: Sequence[PricedLine]) -> list[StatementBlock]:
    """The blocks of a visit: a change of card or of level begins one; lines without insurance are in the first."""
    keyed: dict[tuple[int, Decimal], list[PricedLine]] = {}
    for line in lines:
        card = _card_on(visit, line.item.ordered_at)
        if line.insured_amount:
            keyed.setdefault((card, line.level), []).append(line)
    without = [line for line in lines if not line.insured_amount]
    if not keyed:
        keyed[_card_on(visit, None), Decimal(0)] = []
    first = next(iter(sorted(keyed)))
    keyed[first] = [*keyed[first], *without]
    return [
        StatementBlock(
            card=visit.cards[index] if 0 <= index < len(visit.cards) else None,
            level=level,
            groups=_groups(of_block),
        )
        for (index, level), of_block in sorted(keyed.items())
    ]


def form_group(line: PricedLine) -> str:
    """The group of the form that a line belongs to."""
    if line.item.package:
        return PACKAGE_GROUP
    return FORM_GROUPS.get(line.item.group, OTHER_GROUP)


def _groups(lines: Sequence[PricedLine]) -> list[StatementGroup]:
    """Only groups with a cost, under their own numbers."""
    return [
        StatementGroup(number, found)
        for number in GROUPS
        if (found := tuple(line for line in lines if form_group(line) == number))
    ]


def _card_on(visit: Visit, at: datetime | None) -> int:
    """The position of the card in force when a line was ordered; the last one where none is; -1 without a card."""
    day = (at or visit.admitted_at).date()
    for index, card in enumerate(visit.cards):
        if card.valid_from <= day and (card.valid_to is None or day <= card.valid_to):
            return index
    return len(visit.cards) - 1
