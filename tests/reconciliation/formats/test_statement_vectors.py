"""The recorded statements of `tests/vectors/statements.json`, each as its producer reads it."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.reconciliation.formats.reading import read

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "statements.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_vector_is_read_as_recorded(vector: Mapping[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    content = (given.get("text") or given["xml"]).encode()

    [found] = read(content, account=None if "account" in expected else "0000000000017")

    if "account" in expected:
        assert found.whole.bank_account_number == expected["account"]
        assert (str(found.whole.opening), str(found.whole.closing)) == (expected["opening"], expected["closing"])
        assert found.whole.currency == expected["currency"]
    for line, entry in zip(found.lines, expected["entries"], strict=True):
        assert line.booked_on == date.fromisoformat(entry.get("date") or entry["booking_date"])
        assert line.bank_reference == entry["bank_reference"]
        sign = -1 if entry["direction"] in ("D", "RC") else 1
        assert line.amount == sign * abs(int(entry["amount"]))
        assert " ".join(entry.get("details", entry.get("remittance", "")).split()) in line.text
