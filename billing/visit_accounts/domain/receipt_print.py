"""The printed form of a receipt, stored when it is issued: a later print shows these values and no others.

Amounts in đồng, of order slips summed and rounded once. `domain/receipt.py` has the receipt itself. Source:
docs/visit-accounts.md, Cash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedSlip:
    """What a receipt collects for one order slip: `count` lines; `order` is empty for lines without a number.

    `cost_groups` are the values of MA_NHOM of its lines.
    """

    order: str
    department: str
    cost_groups: tuple[str, ...]
    count: int
    hospital: int
    insurer: int
    other: int
    patient: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedGuarantee:
    """What a payer paid for one guarantee, and what it still owes for it."""

    ma_lk: str
    reference: str
    amount: int
    owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedPart:
    """One method with its amount."""

    method: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedForm:
    """A receipt as it was printed; a text is empty where the paper has no such value, as on an older receipt.

    `payer` is that of guarantees, `credit` is what it paid above what they needed. `token` is the random part of its
    public address. Of what the slips sum to, `covered` was paid before, by the deposit or a part; `still_due` is open.
    """

    number: str
    issued_at: str
    direction: str
    purpose: str
    amount: int
    parts: tuple[PrintedPart, ...]
    slips: tuple[PrintedSlip, ...] = ()
    organization: str = ""
    tax_code: str = ""
    facility: str = ""
    phone: str = ""
    patient: str = ""
    birth_year: str = ""
    sex: str = ""
    card: str = ""
    department: str = ""
    ma_lk: str = ""
    invoice: str = ""
    desk: str = ""
    cashier: str = ""
    reason: str = ""
    refund: str = ""
    token: str = ""
    tendered: int | None = None
    change: int | None = None
    payer: str = ""
    guarantees: tuple[PrintedGuarantee, ...] = ()
    credit: int = 0
    covered: int = 0
    still_due: int = 0

    @property
    def patient_total(self) -> int:
        """What the slips sum to for the patient."""
        return sum(slip.patient for slip in self.slips)

    @property
    def insurer_total(self) -> int:
        """What the slips sum to for the insurer."""
        return sum(slip.insurer for slip in self.slips)


def read_printed(document: Mapping[str, Any]) -> PrintedForm:
    """The printed form from its stored document; keys that a later version added may be absent."""
    known = PrintedForm.__dataclass_fields__
    values = {name: value for name, value in document.items() if name in known and value is not None}
    values["parts"] = tuple(PrintedPart(**part) for part in document["parts"])
    values["slips"] = tuple(_read_slip(slip) for slip in document.get("slips", ()))
    values["guarantees"] = tuple(PrintedGuarantee(**one) for one in document.get("guarantees", ()))
    return PrintedForm(**values)


def _read_slip(slip: Mapping[str, Any]) -> PrintedSlip:
    return PrintedSlip(**{**slip, "cost_groups": tuple(str(group) for group in slip["cost_groups"])})
