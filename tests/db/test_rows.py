"""The reader of rows: columns by name, values of JSON as the types of the fields."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from billing.core.ids import InvoiceId, OrganizationId
from billing.core.money import Dong
from billing.db.database import Database
from billing.db.rows import extend, read_row
from tests.conftest import DatabaseAddress


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    id: InvoiceId
    amount: Decimal
    at: datetime
    on: date | None = None
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    id: InvoiceId
    colour: Colour | None
    amount: Dong
    at: datetime
    parts: tuple[Part, ...]
    first: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPart(Part):
    label: str


ID = UUID("01932f6e-8c5a-7b1d-9f3e-2a4b6c8d0e1f")
AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def whole(**changes: object) -> dict[str, object]:
    part = {
        "id": str(ID),
        "amount": "80.50",
        "at": "2026-11-22T10:30:00+00:00",
        "on": "2026-11-22",
        "names": [["a", "b"]],
    }
    row = {"id": ID, "colour": "red", "amount": 5, "at": AT, "parts": [part], "first": None}
    return row | changes


def test_columns_are_the_fields_of_their_names_and_text_of_json_gets_its_type() -> None:
    part = Part(id=InvoiceId(ID), amount=Decimal("80.50"), at=AT, on=date(2026, 11, 22), names=(("a", "b"),))

    read = read_row(Whole, whole(first={"id": str(ID), "amount": "1", "at": AT.isoformat()}))

    first = Part(id=InvoiceId(ID), amount=Decimal(1), at=AT)
    assert read == Whole(id=InvoiceId(ID), colour=Colour.RED, amount=Dong(5), at=AT, parts=(part,), first=first)
    assert isinstance(read.colour, Colour)
    assert read_row(Whole, whole(colour=None, parts=[])).colour is None


def test_subclass_is_built_from_a_value_and_the_fields_it_adds() -> None:
    part = Part(id=InvoiceId(ID), amount=Decimal(1), at=AT)

    assert extend(NamedPart, part, label="x") == NamedPart(id=InvoiceId(ID), amount=Decimal(1), at=AT, label="x")
    with pytest.raises(TypeError, match="label"):
        extend(NamedPart, part)


def test_column_without_a_field_and_field_without_a_column_are_refused() -> None:
    missing = whole()
    del missing["amount"]

    with pytest.raises(KeyError, match="more"):
        read_row(Whole, whole(more=1))
    with pytest.raises(TypeError, match="amount"):
        read_row(Whole, missing)
    with pytest.raises(ValueError, match="blue"):
        read_row(Whole, whole(colour="blue"))


async def test_row_of_the_database_is_read(database: DatabaseAddress) -> None:
    statement = """
        SELECT $1::uuid AS id, NULL AS colour, 5::bigint AS amount, $2::timestamptz AS at, NULL::jsonb AS first,
            jsonb_build_array(jsonb_build_object('id', $1::uuid, 'amount', 1.50::text, 'at', $2)) AS parts
    """
    opened = await Database.open(database.app_url)
    try:
        async with opened.transaction(OrganizationId(1)) as tx:
            record = await tx.fetchrow(statement, ID, AT)
    finally:
        await opened.close()

    assert record is not None
    part = Part(id=InvoiceId(ID), amount=Decimal("1.50"), at=AT)
    assert read_row(Whole, record) == Whole(
        id=InvoiceId(ID), colour=None, amount=Dong(5), at=AT, parts=(part,), first=None
    )
