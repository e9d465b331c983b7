"""The routes of order clearance and discharge clearance with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.clearance import get_clearance_policies, get_order_clearance, post_clearance_policy
from billing.web.api.discharge import get_discharge_clearance, post_discharge_override
from billing.web.operation import api_route

_FACILITY = "/facilities/{facility_code}"

CLEARANCE_API = (
    api_route("GET", _FACILITY + "/orders/{order_number}/clearance", get_order_clearance, Right.READ_CLEARANCE),
    api_route("POST", _FACILITY + "/clearance-policies", post_clearance_policy, Right.SET_CLEARANCE),
    api_route("GET", _FACILITY + "/clearance-policies", get_clearance_policies, Right.READ_CLEARANCE),
    api_route("GET", "/visits/{id}/discharge-clearance", get_discharge_clearance, Right.READ_CLEARANCE),
    api_route("POST", "/visits/{id}/discharge-overrides", post_discharge_override, Right.OVERRIDE_DISCHARGE),
)
"""Routes of order clearance and discharge clearance."""
