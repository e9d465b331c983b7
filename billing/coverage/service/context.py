"""The context of use cases that price: the parameters of the law and the policy of the installation."""

from dataclasses import dataclass

from billing.coverage.domain.parameters import Parameters
from billing.coverage.domain.policy import Policy
from billing.organizations.service.context import OrganizationContext


@dataclass(slots=True, kw_only=True)
class PricingContext(OrganizationContext):
    """Amounts and rates by date, and the policy where a facility has none of its own."""

    parameters: Parameters
    policy: Policy
