"""The values that a visit may have."""

import pytest

from billing.core.errors import InvalidValue
from billing.visits.domain.visit import OUT_OF_ROUTE_TIERS, FormerTier
from tests.coverage.builders import a_visit


@pytest.mark.parametrize("tier", OUT_OF_ROUTE_TIERS)
def test_visit_is_out_of_route_at_a_facility_above_the_commune(tier: FormerTier) -> None:
    """Source: docs/reference/bhyt.md, rule B-040."""
    assert a_visit(out_of_route_tier=tier).out_of_route_tier is tier


def test_commune_care_is_never_out_of_route() -> None:
    with pytest.raises(InvalidValue, match="commune care is in route") as rejected:
        a_visit(out_of_route_tier=FormerTier.COMMUNE)

    assert rejected.value.field == "route.line"
