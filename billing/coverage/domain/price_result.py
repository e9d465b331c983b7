"""The result of pricing: amounts per charge item and in total, each with its applied rules.

Amounts have two decimals. For every line and in total
`hospital_amount = self_pay + copay + fund + other_funds` (THANH_TIEN_BV = T_BNTT + T_BNCCT + T_BHTT + T_NGUONKHAC).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import NamedTuple

from billing.core.money import NOTHING, ZERO, Dong, Shares, to_dong, total
from billing.visits.domain.copay_history import CopayPaid
from billing.visits.domain.visit import ChargeItem


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """One rule that contributed to an amount, with the operands of its sentence.

    `rule` is an id of rules.toml (`B-020`); operands are decimals, dates or codes as text, never personal data.
    `variant` selects another sentence of the same rule, where it applied in another way (`not_below`).
    """

    rule: str
    operands: Mapping[str, str]
    variant: str = ""


class ScopedLine(NamedTuple):
    """An item before the level is known: amounts with two decimals, and their applied rules.

    `pooled` is the amount that other funds paid to the facility; it was subtracted from the whole beforehand (B-076).
    """

    item: ChargeItem
    hospital_amount: Decimal  # THANH_TIEN_BV
    insured_amount: Decimal  # THANH_TIEN_BH
    reasons: tuple[AppliedRule, ...]
    pooled: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAmounts:
    """The amounts of a charge item, or their signed changes."""

    hospital_amount: Decimal  # THANH_TIEN_BV
    insured_amount: Decimal  # THANH_TIEN_BH
    self_pay: Decimal  # T_BNTT
    copay: Decimal  # T_BNCCT
    fund: Decimal  # T_BHTT
    other_funds: Decimal  # T_NGUONKHAC

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The amounts by name, for another type that has them."""
        return {name: getattr(self, name) for name in AMOUNTS}


AMOUNTS = tuple(field.name for field in fields(ItemAmounts))


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine(ItemAmounts):
    """One charge item with the share of each payer and the applied rules."""

    item: ChargeItem
    level: Decimal  # MUC_HUONG, percent after the route factor
    reasons: tuple[AppliedRule, ...]

    def __post_init__(self) -> None:
        # At most 24 digits each, so a plain sum is exact; it is computed for every line of every visit.
        self_pay, copay, fund, other_funds = self.self_pay, self.copay, self.fund, self.other_funds
        is_positive = self_pay >= ZERO and copay >= ZERO and fund >= ZERO and other_funds >= ZERO
        assert is_positive, "no part of a line is negative"
        assert self_pay + copay + fund + other_funds == self.hospital_amount, "the parts of a line sum to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedVisit:
    """The price of a visit: parameters used, lines by (STT, table), and the rules applied to the whole visit."""

    base_salary: Dong  # LCS in force
    threshold: Decimal  # 15 % of LCS
    route_factor: Decimal  # percent
    lines: tuple[PricedLine, ...]
    reasons: tuple[AppliedRule, ...]
    copay_threshold: Decimal | None = None  # of the year the visit ends in; None without a history (B-025, B-027)
    copay_accumulated: Decimal | None = None  # of that year, this visit in it
    copay_paid: tuple[CopayPaid, ...] = ()  # co-payments added to the history
    private_insurer: Dong | None = None  # of the patient's share; None without such a policy (B-090)
    guarantor: str = ""  # the private insurer, where it guarantees its part to the hospital

    @property
    def hospital_amount(self) -> Decimal:
        return total(line.hospital_amount for line in self.lines)

    @property
    def insured_amount(self) -> Decimal:
        return total(line.insured_amount for line in self.lines)

    @property
    def self_pay(self) -> Decimal:
        return total(line.self_pay for line in self.lines)

    @property
    def copay(self) -> Decimal:
        return total(line.copay for line in self.lines)

    @property
    def fund(self) -> Decimal:
        return total(line.fund for line in self.lines)

    @property
    def other_funds(self) -> Decimal:
        return total(line.other_funds for line in self.lines)

    @property
    def shares(self) -> Shares:
        """The shares of the payers in whole đồng; `shares.patient` is the amount that the patient owes."""
        shares = self._shares
        return shares.guaranteed(self.private_insurer or NOTHING) if self.guarantor else shares

    @property
    def patient_share(self) -> Dong:
        """The patient share by law, before a private insurer pays anything."""
        return self._shares.patient

    @property
    def _shares(self) -> Shares:
        return to_dong(
            patient=total((self.self_pay, self.copay)),
            other=self.other_funds,
            insurer=self.fund,
        )

    @property
    def patient_after_private(self) -> Dong:
        """The patient share less the private insurer share."""
        return Dong(self.patient_share - (self.private_insurer or NOTHING))
