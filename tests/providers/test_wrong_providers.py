"""The conformance suite rejects each wrong provider with a message that names its fault, and accepts the right one."""

import re
from collections.abc import Iterator

import pytest

from tests.providers.wrong_providers import WRONG, Piggybank, PiggybankSuite, WrongProvider

SLOW = (
    "test_malformed_message_is_rejected_without_another_exception",
    "test_changed_byte_in_the_signed_part_is_refused",
    "test_query_without_a_trustworthy_answer_is_unknown",
    "test_message_does_not_select_the_algorithm",
)
CHECKS = sorted((name for name in dir(PiggybankSuite) if name.startswith("test_")), key=lambda name: name in SLOW)


def failures_of(provider: type[Piggybank]) -> Iterator[str]:
    """The messages of the checks that fail for a provider."""
    suite = type("Suite", (PiggybankSuite,), {"provider": provider})
    for name in CHECKS:
        try:
            getattr(suite(), name)()
        except pytest.skip.Exception:
            continue
        except (AssertionError, pytest.fail.Exception) as failure:
            yield str(failure)


def test_right_provider_passes() -> None:
    assert list(failures_of(Piggybank)) == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.provider.__name__)
def test_wrong_provider_is_rejected_by_name_of_its_fault(wrong: WrongProvider) -> None:
    messages = []

    for message in failures_of(wrong.provider):
        messages.append(message)
        if re.search(wrong.message, message):
            return

    pytest.fail(f"no check names the fault: {messages}")
