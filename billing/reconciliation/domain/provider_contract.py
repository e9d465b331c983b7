"""The contract of a provider account: how it pays out and its fee, from a day on.

Source: docs/reconciliation.md, Contracts and rule sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from billing.core.errors import InvalidValue, Refused

_FEE_FIXED_MAX = 1_000_000
_BASIS_POINTS_MAX = 10_000


class ContractExists(Refused):
    """The account has a contract from this day."""

    code = "contract_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """`pays_out`: the provider pays one amount for many payments, net of fees; else the bank shows each payment.

    The fee of a payment is its amount × `fee_basis_points` / 10,000, rounded down, + `fee_fixed` in đồng; both are None
    where the contract states no fee.
    """

    valid_from: date
    pays_out: bool
    fee_basis_points: int | None = None
    fee_fixed: int | None = None

    def __post_init__(self) -> None:
        if (self.fee_basis_points is None) != (self.fee_fixed is None):
            raise InvalidValue("state both parts of the fee, or none; 0 is no fee", field="fee_fixed")
        if self.fee_basis_points is not None and not 0 <= self.fee_basis_points <= _BASIS_POINTS_MAX:
            raise InvalidValue("the fee is 0 to 10000 basis points of a payment", field="fee_basis_points")
        if self.fee_fixed is not None and not 0 <= self.fee_fixed <= _FEE_FIXED_MAX:
            raise InvalidValue("the fixed fee is 0 to 1,000,000 đồng", field="fee_fixed")

    def as_payload(self) -> dict[str, object]:
        """What the second person reads."""
        return {
            "valid_from": self.valid_from.isoformat(),
            "pays_out": self.pays_out,
            "fee_basis_points": self.fee_basis_points,
            "fee_fixed": self.fee_fixed,
        }

    @classmethod
    def of_payload(cls, payload: Mapping[str, object]) -> Self:
        """The terms of an approved proposal."""
        points, fixed = payload["fee_basis_points"], payload["fee_fixed"]
        return cls(
            valid_from=date.fromisoformat(str(payload["valid_from"])),
            pays_out=payload["pays_out"] is True,
            fee_basis_points=points if isinstance(points, int) else None,
            fee_fixed=fixed if isinstance(fixed, int) else None,
        )
