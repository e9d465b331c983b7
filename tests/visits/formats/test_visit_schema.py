"""The published schema of a visit has the fields that its reader takes, and holds for the visits it reads."""

from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from billing.core.errors import InvalidValue
from billing.coverage.formats.visit_input import read_visit
from billing.visits.formats.charge_item_json import line_keys
from billing.visits.formats.visit_json import CARD_KEYS, PATIENT_KEYS, PRIVATE_KEYS, VISIT_KEYS
from billing.visits.formats.visit_schema import VISIT_SCHEMA
from tests.builders import visit_document

FIELDS = VISIT_SCHEMA["properties"]


def test_schema_names_every_field_of_the_reader_and_no_other() -> None:
    drug, service = FIELDS["lines"]["items"]["oneOf"]

    assert FIELDS.keys() == VISIT_KEYS
    assert FIELDS["cards"]["items"]["properties"].keys() == CARD_KEYS
    assert FIELDS["patient"]["properties"].keys() == PATIENT_KEYS.keys()
    assert FIELDS["private_insurance"]["properties"].keys() == PRIVATE_KEYS
    assert drug["properties"].keys() == line_keys(is_service=False)
    assert service["properties"].keys() == line_keys(is_service=True)


def test_schema_is_valid_and_accepts_what_the_reader_accepts() -> None:
    Draft202012Validator.check_schema(VISIT_SCHEMA)

    Draft202012Validator(VISIT_SCHEMA).validate(visit_document())
    assert read_visit(visit_document()).ma_lk == "LK0001"


@pytest.mark.parametrize("where", ["visit", "card", "line", "patient", "private_insurance"])
def test_unknown_field_is_refused_with_the_names_of_the_known_ones(where: str) -> None:
    document: dict[str, Any] = deepcopy(visit_document(private_insurance={"deductible": "0"}))
    places = {"visit": document, "card": document["cards"][0], "line": document["lines"][0]}
    place = places.get(where) or document[where]
    known = {"visit": "NGAY_VAO", "card": "valid_from", "line": "DON_GIA_BV", "patient": "HO_TEN"}
    place["NGAY_VAOO"] = "1"

    with pytest.raises(InvalidValue, match=rf"known are .*{known.get(where, 'deductible')}"):
        read_visit(document)
    assert not Draft202012Validator(VISIT_SCHEMA).is_valid(document)
