"""Corrections of issued invoices: signed changes per payer, and the payers that take over a part of the patient share.

A correction of the price changes the shares of an invoice. A guarantor, the fund of an exemption or a write-off takes
over a part of the patient share. All of them are computed for the invoices of a visit together, from the newest to the
oldest, so that no share and no amount owed becomes negative. Source: docs/design.md §2, Correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from billing.core.ids import InvoiceId
from billing.core.money import Dong, Shares
from billing.coverage.domain.price_result import AMOUNTS, ItemAmounts
from billing.visits.domain.visit import Table


class CorrectionKind(StrEnum):
    """Whether the price changed, or who bears a part of the patient share."""

    PRICE = "price"
    GUARANTEE = "guarantee"
    EXEMPTION = "exemption"
    WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareChanges:
    """Signed changes of the shares of an invoice, in đồng."""

    patient: int = 0
    other: int = 0
    insurer: int = 0
    private: int = 0

    @property
    def total(self) -> int:
        return self.patient + self.other + self.insurer + self.private

    def apply_to(self, shares: Shares) -> Shares:
        """The shares after these changes."""
        return Shares(
            patient=Dong(shares.patient + self.patient),
            other=Dong(shares.other + self.other),
            insurer=Dong(shares.insurer + self.insurer),
            private=Dong(shares.private + self.private),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """The amount of the patient share of a visit that a guarantor, a fund or a write-off takes over.

    `id` is that of the guarantee, the exemption or the debt; `fund` is that of an exemption.
    """

    kind: CorrectionKind
    id: UUID
    amount: Dong
    fund: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One signed change of an invoice. A negative `patient` amount is a credit note; `source` is the reduction."""

    invoice_id: InvoiceId
    kind: CorrectionKind
    changes: ShareChanges
    source: Reduction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine(ItemAmounts):
    """A line of a visit as billed, or the signed changes of its quantity and amounts.

    `stt` is its number in the table of the visit.
    """

    table: Table
    stt: int
    code: str
    name: str
    quantity: Decimal

    @property
    def key(self) -> tuple[Table, int]:
        return self.table, self.stt


_CHANGING = ("quantity", *AMOUNTS)
_PAYERS = ("patient", "other", "insurer", "private")


def changed_lines(before: Sequence[BilledLine], after: Sequence[BilledLine]) -> list[BilledLine]:
    """The signed changes of the lines of a visit, by table and number; lines without a change are left out."""
    old, new = {line.key: line for line in before}, {line.key: line for line in after}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        named = now or was
        assert named is not None, "a key is of one side at least"
        amounts = {
            name: (getattr(now, name) if now else Decimal(0)) - (getattr(was, name) if was else Decimal(0))
            for name in _CHANGING
        }
        if any(amounts.values()):
            changes.append(replace(named, **amounts))  # type: ignore[arg-type]  # a mapping of names
    return changes


def price_corrections(whole: Shares, billed: Mapping[InvoiceId, Shares]) -> list[Correction]:
    """The corrections that bring the invoices of a visit to its new price to the đồng.

    `billed` are the shares of each invoice as corrected before, the oldest first. What a payer owes more goes to the
    newest invoice; what it owes less is taken from the newest one first, at most its share of each.
    """
    newest_first = [*billed.items()][::-1]
    changes: dict[InvoiceId, dict[str, int]] = {invoice_id: {} for invoice_id, _ in newest_first}
    for payer in _PAYERS:
        difference = getattr(whole, payer) - sum(getattr(shares, payer) for shares in billed.values())
        for invoice_id, shares in newest_first:
            if difference == 0:
                break
            change = difference if difference > 0 else -min(-difference, getattr(shares, payer))
            if change:
                changes[invoice_id][payer] = change
            difference -= change
    return [
        Correction(invoice_id=invoice_id, kind=CorrectionKind.PRICE, changes=ShareChanges(**by_payer))
        for invoice_id, by_payer in changes.items()
        if by_payer
    ]


def limit_reductions(patient_share: int, reductions: Sequence[Reduction]) -> list[Reduction]:
    """The reductions in their order, each at most what the earlier ones leave of the patient share."""
    limited, rest = [], patient_share
    for one in reductions:
        amount = Dong(min(one.amount, rest))
        rest -= amount
        limited.append(replace(one, amount=amount))
    return limited


def limit_write_offs(patient_share: int, reductions: Sequence[Reduction], *, covered: int) -> list[Reduction]:
    """The reductions, each write-off at most what the others and `covered`, the patient's own money, leave owed.

    A share that fell after a write-off takes the write-off back before the patient's money becomes credit.
    """
    limited = limit_reductions(patient_share, reductions)
    rest = patient_share - covered - sum(one.amount for one in limited if one.kind is not CorrectionKind.WRITE_OFF)
    for position, one in enumerate(limited):
        if one.kind is CorrectionKind.WRITE_OFF:
            limited[position] = replace(one, amount=Dong(max(0, min(one.amount, rest))))
            rest -= limited[position].amount
    return limited


def reduction_corrections(
    billed: Mapping[InvoiceId, Shares],
    reduced: Mapping[InvoiceId, Mapping[UUID, int]],
    reductions: Sequence[Reduction],
) -> list[Correction]:
    """The corrections that bring the invoices of a visit to these reductions.

    `billed` are the shares of each invoice as corrected, the oldest first; `reduced` is the part that each invoice has
    of each earlier reduction, in đồng. A reduction that is no longer needed, or needed on another invoice, is taken
    back with a positive amount. An earlier reduction that is not among `reductions` must be given with the amount 0.
    """
    left = {invoice_id: int(shares.patient) for invoice_id, shares in billed.items()}
    corrections = []
    for reduction in limit_reductions(sum(left.values()), reductions):
        rest = int(reduction.amount)
        for invoice_id in reversed([*billed]):
            part = min(rest, left[invoice_id])
            rest -= part
            left[invoice_id] -= part
            change = reduced.get(invoice_id, {}).get(reduction.id, 0) - part
            if change:
                corrections.append(
                    Correction(
                        invoice_id=invoice_id,
                        kind=reduction.kind,
                        changes=ShareChanges(patient=change),
                        source=reduction,
                    )
                )
    return corrections
