"""The file of a payment order for a bank: one layout per bank as data, written as CSV or XLSX.

A text never becomes a formula: XLSX holds inline strings, and a CSV field that begins like a formula gets an
apostrophe. Source: docs/visit-accounts.md, Refunds; OWASP, CSV Injection.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from billing.core.money import Dong
from billing.core.text import transliterate
from billing.spreadsheets.csv_writer import write_csv
from billing.spreadsheets.xlsx_writer import write_xlsx

_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Part):
    """One column of the file, with the text of its header."""

    field: Literal["line", "account_number", "bank_bin", "bank_name", "holder", "amount", "text"]
    header: str


class Layout(_Part):
    """The columns that a bank expects, and the longest text of a transfer that it carries."""

    name: str
    file: Literal["csv", "xlsx"]
    text_length_max: int = Field(ge=25)
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One transfer of a payment order, in đồng. `text` carries our code of the refund."""

    line: int
    account_number: str
    bank_bin: str
    bank_name: str
    holder: str
    amount: Dong
    text: str


@dataclass(frozen=True, slots=True)
class PaymentOrderFile:
    """The file as the bank takes it."""

    content: bytes
    media_type: str
    suffix: str


@cache
def layouts() -> Mapping[str, Layout]:
    """The known layouts by name."""
    folder = resources.files("billing.visit_accounts.formats").joinpath("payment_order_layouts")
    found = [
        Layout.model_validate(tomllib.loads(each.read_text("utf-8")))
        for each in folder.iterdir()
        if each.name.endswith(".toml")
    ]
    return {layout.name: layout for layout in sorted(found, key=lambda layout: layout.name)}


def write_payment_order(layout: Layout, transfers: Sequence[Transfer]) -> PaymentOrderFile:
    """The file of transfers in the layout of a bank. Names and texts are plain Latin letters, as banks carry them."""
    rows: list[list[str | int]] = [[column.header for column in layout.columns]]
    rows += [[_value(transfer, column, layout) for column in layout.columns] for transfer in transfers]
    content = write_xlsx(rows) if layout.file == "xlsx" else write_csv(rows)
    return PaymentOrderFile(content, _MEDIA_TYPES[layout.file], layout.file)


def _value(transfer: Transfer, column: Column, layout: Layout) -> str | int:
    if column.field in ("holder", "text"):
        return transliterate(getattr(transfer, column.field)).upper()[: layout.text_length_max].strip()
    value: str | int = getattr(transfer, column.field)
    return value
