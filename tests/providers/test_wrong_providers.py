"""The conformance suite rejects each wrong provider with a message that names its fault, and accepts the right one."""

import re
from collections.abc import Iterator

import pytest

from providers.contract import Provider
from providers.testing.conformance import ProviderConformance
from tests.providers.body_signed_provider import WRONG_IN_THE_BODY, BodySigned, BodySignedSuite
from tests.providers.form_signed_provider import WRONG_FORMS, FormSigned, FormSuite
from tests.providers.wrong_providers import WRONG, Piggybank, PiggybankSuite, WrongProvider

SLOW = (
    "test_malformed_message_is_rejected_without_another_exception",
    "test_changed_byte_in_the_signed_part_is_refused",
    "test_query_without_a_trustworthy_answer_is_unknown",
    "test_message_does_not_select_the_algorithm",
)
CHECKS = sorted((name for name in dir(PiggybankSuite) if name.startswith("test_")), key=lambda name: name in SLOW)


def failures_of(provider: type[Provider], of: type[ProviderConformance] = PiggybankSuite) -> Iterator[str]:
    """The messages of the checks that fail for a provider."""
    suite = type("Suite", (of,), {"provider": provider})
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


def test_right_provider_with_the_signature_in_the_body_passes() -> None:
    assert list(failures_of(BodySigned, BodySignedSuite)) == []


@pytest.mark.parametrize(("wrong", "suite", "fault"), WRONG_IN_THE_BODY, ids=lambda each: getattr(each, "__name__", ""))
def test_wrong_signature_in_the_body_is_found_by_one_check_only(
    wrong: type[Piggybank], suite: type[PiggybankSuite], fault: str
) -> None:
    messages = list(failures_of(wrong, suite))

    assert len(messages) == 1, messages
    assert re.search(fault, messages[0])


def test_right_provider_of_signed_forms_passes() -> None:
    assert list(failures_of(FormSigned, FormSuite)) == []


@pytest.mark.parametrize(("wrong", "fault"), WRONG_FORMS, ids=lambda each: getattr(each, "__name__", ""))
def test_wrong_provider_of_signed_forms_is_found_by_one_check_only(wrong: type[FormSigned], fault: str) -> None:
    messages = list(failures_of(wrong, FormSuite))

    assert len(messages) == 1, messages
    assert re.search(fault, messages[0])
