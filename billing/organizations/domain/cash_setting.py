"""How a facility takes cash at its desks, and what a head cashier may state there."""

from dataclasses import dataclass

from billing.core.errors import InvalidValue

ROUNDING_STEPS = (1, 100, 200, 500, 1000)
"""What cash may be rounded to, in đồng; 1 is no rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CashSetting:
    """The cash settings of a facility. Raises InvalidValue for another step.

    `hides_expected_cash`: its cashiers count blindly. `confirms_offline`: a head cashier may confirm transfers
    manually also while the service does not reach the providers.
    """

    rounding_step: int = 1
    hides_expected_cash: bool = False
    confirms_offline: bool = False

    def __post_init__(self) -> None:
        if self.rounding_step not in ROUNDING_STEPS:
            raise InvalidValue(
                f"cash is rounded to one of {', '.join(map(str, ROUNDING_STEPS))}", field="rounding_step"
            )
