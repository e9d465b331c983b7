"""The guide for providers explains every definition that a conformance class may supply or override."""

import re
from pathlib import Path

from providers.testing.conformance import MessageFields, ProviderConformance
from tests.providers import test_bank_conformance, test_conformance, test_sandbox_conformance

GUIDE = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
CLASSES = [
    each
    for module in (test_bank_conformance, test_conformance, test_sandbox_conformance)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, ProviderConformance) and each is not ProviderConformance
]


def documented() -> set[str]:
    """The names in the guide that stand as code, without their arguments."""
    return {name for code in re.findall(r"`([^`]+)`", GUIDE) for name in re.findall(r"[a-z_]+", code)}


def test_guide_names_every_value_that_a_conformance_class_may_set() -> None:
    values = {name for each in ProviderConformance.__mro__ for name in vars(each).get("__annotations__", {})}

    assert {"fields", "query_names_bank_key", "refunded_transaction"} <= values
    assert values - documented() == set()


def test_guide_names_every_definition_that_a_provider_of_ours_overrides() -> None:
    overridden = {
        name
        for each in CLASSES
        for name in vars(each)
        if hasattr(ProviderConformance, name) and not name.startswith(("_", "test_"))
    }

    assert {"with_status", "signed_places", "pending"} <= overridden
    assert overridden - documented() == set()


def test_guide_names_the_optional_fields_of_a_message() -> None:
    optional = {name for name in MessageFields.__slots__ if name.startswith("text")}

    assert optional <= documented()
