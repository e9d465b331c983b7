"""The one table of states: complete, the same in the document, and its display on pages together with the invoices."""

from itertools import product
from string import Formatter

import pytest

from billing.checkout.domain.patient_states import VERDICTS, WORDS
from billing.core.money import Dong
from billing.core.text import shorten_name
from billing.coverage.domain.explain import Language
from billing.payments.domain.amount_due import (
    FINAL,
    PATIENT_STATES,
    PatientState,
    Received,
    received_level,
    state_for_patient,
    state_on_page,
)
from billing.payments.domain.intent import IntentState
from providers.contract import Verdict
from tests.checkout.states_document import PAGE, write_states

WHOLE = {Received.WHOLE, Received.MORE}


def test_document_is_what_the_tables_state() -> None:
    assert PAGE.read_text("utf-8") == write_states(), "run: python -m tests.checkout.states_document"


def test_every_pair_that_can_be_has_a_state_and_no_other_has_one() -> None:
    # An intent has succeeded exactly when its whole amount is received: the database checks the same.
    can_be = {
        (state, received)
        for state, received in product(IntentState, Received)
        if (state is IntentState.SUCCEEDED) == (received in WHOLE)
    }

    assert PATIENT_STATES.keys() == can_be


def test_every_state_and_verdict_has_its_words_in_both_languages() -> None:
    assert WORDS.keys() == set(PatientState)
    assert VERDICTS.keys() == set(Verdict)
    for words in WORDS.values():
        assert words.keys() == set(Language)
        for each in words.values():
            names = {name for _, name, _, _ in Formatter().parse(each.sentence) if name}
            assert names <= {"due", "received", "owed", "credit"}
            assert each.label


def test_labels_of_staff_are_those_of_the_desk() -> None:
    labels = {state: words[Language.VIETNAMESE].desk_label for state, words in WORDS.items()}

    assert labels[PatientState.WAITING] == "Chờ báo có"
    assert labels[PatientState.SHORT] == "Còn thiếu"
    assert labels[PatientState.OVER] == "Nộp thừa"
    assert labels[PatientState.PAID] == "Đã thu"


@pytest.mark.parametrize(
    ("received", "amount", "expected"),
    [(0, 5, Received.NONE), (4, 5, Received.PART), (5, 5, Received.WHOLE), (6, 5, Received.MORE)],
)
def test_how_much_has_come(received: int, amount: int, expected: Received) -> None:
    assert received_level(received=Dong(received), amount=Dong(amount)) is expected


def test_pair_that_cannot_be_is_no_state() -> None:
    with pytest.raises(KeyError):
        state_for_patient(IntentState.SUCCEEDED, Received.PART)


@pytest.mark.parametrize(
    ("state", "received", "owed", "credit", "expected"),
    [
        (IntentState.PENDING, 0, 100, 0, PatientState.WAITING),
        (IntentState.PENDING, 0, 0, 0, PatientState.PAID_OTHERWISE),
        (IntentState.PENDING, 40, 60, 0, PatientState.SHORT),
        (IntentState.PENDING, 40, 0, 0, PatientState.PAID_OTHERWISE),
        (IntentState.PENDING, 40, 0, 10, PatientState.OVER),
        (IntentState.CANCELLED, 0, 0, 0, PatientState.PAID_OTHERWISE),
        (IntentState.CANCELLED, 0, 100, 0, PatientState.CANCELLED),
        (IntentState.SUCCEEDED, 100, 0, 0, PatientState.PAID),
        (IntentState.SUCCEEDED, 100, 50, 0, PatientState.PART_PAID),
        (IntentState.SUCCEEDED, 100, 0, 100, PatientState.OVER),
        (IntentState.SUCCEEDED, 120, 0, 20, PatientState.OVER),
        (IntentState.SUCCEEDED, 120, 30, 0, PatientState.PART_PAID),
        (IntentState.SUCCEEDED, 120, 0, 0, PatientState.PAID),
    ],
)
def test_what_invoices_owe_decides_whether_the_page_collects(
    state: IntentState, received: int, owed: int, credit: int, expected: PatientState
) -> None:
    state_found = state_on_page(state, amount=Dong(100), received=Dong(received), owed=Dong(owed), credit=Dong(credit))

    assert state_found is expected


def test_only_what_is_paid_is_final() -> None:
    assert {PatientState.PAID, PatientState.PART_PAID, PatientState.OVER, PatientState.PAID_OTHERWISE} == FINAL


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Nguyễn Văn An", "Nguyễn V. An"),
        ("Nguyễn Thị Minh Khai", "Nguyễn T. M. Khai"),
        ("  Lê   Đình  Ân ", "Lê Đ. Ân"),
        ("Trần An", "Trần An"),
        ("An", "An"),
        ("", ""),
        ("Nguyễn Ánh Âu", "Nguyễn Á. Âu"),
    ],
)
def test_name_is_shortened_for_a_screen_that_others_see(name: str, expected: str) -> None:
    assert shorten_name(name) == expected
