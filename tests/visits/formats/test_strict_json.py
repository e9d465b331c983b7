"""JSON from outside: numbers that no Decimal holds are refused by name like everything else that is no JSON of ours."""

from decimal import Decimal

import pytest

from billing.core.errors import InvalidValue
from billing.coverage.formats.visit_input import read_visit
from billing.visits.formats.strict_json import read_object
from tests.builders import service_line, visit_document


@pytest.mark.parametrize("number", ["1E99999999999999999999", "-1E-99999999999999999999", "0.1e+99999999999999999999"])
def test_exponent_beyond_all_numbers_is_refused(number: str) -> None:
    """Found by fuzzing: the answer was a fault of ours."""
    with pytest.raises(InvalidValue, match="number"):
        read_object(f'{{"a": {number}}}'.encode())


@pytest.mark.parametrize("number", ["1E999999", "1E999999999", "1E-999999999999999999", "-1E+999999999"])
def test_giant_exponent_is_read_and_refused_where_a_number_is_expected(number: str) -> None:
    value = read_object(f'{{"a": {number}}}'.encode())["a"]
    assert isinstance(value, Decimal)

    for field in ("SO_LUONG", "DON_GIA_BV", "TYLE_TT_BH", "T_BNTT", "MA_NHOM"):
        line = {**service_line(1, name="Khám", group=13, price="50000"), field: value}
        with pytest.raises(InvalidValue) as refusal:
            read_visit(visit_document(lines=[line]))
        assert refusal.value.field == f"lines[0].{field}"


def test_repeated_key_after_very_many_is_found_without_comparing_all_pairs() -> None:
    keys = ",".join(f'"{number}":0' for number in range(200_000))

    with pytest.raises(InvalidValue, match="stands twice"):
        read_object(f'{{{keys},"199999":1}}'.encode())
