"""Every provider that this repository installs has a conformance class."""

from importlib.metadata import entry_points

import pytest

from providers.contract import Provider
from providers.testing.conformance import ProviderConformance
from tests.providers import test_bank_conformance, test_conformance, test_sandbox_conformance

OURS = [each for each in entry_points(group="billing.providers") if each.value.startswith("providers.")]


def providers_with_a_suite() -> set[type[Provider]]:
    """The providers of the conformance classes that pytest collects from this folder."""
    modules = (test_bank_conformance, test_conformance, test_sandbox_conformance)
    named = [(name, each) for module in modules for name, each in vars(module).items() if name.startswith("Test")]
    return {each.provider for _, each in named if isinstance(each, type) and issubclass(each, ProviderConformance)}


def test_entry_points_are_read() -> None:
    assert {"sandbox", "vietqr", "bank_collection"} <= {each.name for each in OURS}


@pytest.mark.parametrize("entry_point", OURS, ids=lambda each: each.name)
def test_entry_point_has_a_conformance_class(entry_point) -> None:
    assert entry_point.load() in providers_with_a_suite(), (
        f"{entry_point.name} has no conformance class in tests/providers"
    )
