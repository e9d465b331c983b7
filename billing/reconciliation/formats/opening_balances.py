"""The CSV file of opening balances: role, subject, number and amount in đồng; a credit balance is negative."""

import re
from collections.abc import Sequence

from billing.core.errors import InvalidValue
from billing.core.money import Dong
from billing.reconciliation.domain.opening_balance import OpeningRow
from billing.spreadsheets.csv_rows import decode_csv, read_csv

_COLUMNS = ("role", "subject", "number", "amount")
_AMOUNT = re.compile(r"-?[0-9]{1,16}")


def read_opening_balances(content: bytes) -> list[OpeningRow]:
    """The rows of the file. Raises InvalidValue with the line, SheetUnreadable."""
    text = decode_csv(content)
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    rows = iter(read_csv(text, delimiter=delimiter))
    header = next(rows, None)
    if header is None or tuple(_texts(header.cells)) != _COLUMNS:
        raise InvalidValue(f"the first line names the columns {', '.join(_COLUMNS)}, in this order", field="file")
    found = []
    for row in rows:
        cells = _texts(row.cells)
        if not any(cells):
            continue
        if len(cells) != len(_COLUMNS):
            raise InvalidValue(f"line {row.number}: {len(cells)} columns; write {len(_COLUMNS)}", field="file")
        role, subject, number, amount = cells
        if bool(role) == bool(number):
            raise InvalidValue(f"line {row.number}: write the role of the account, or its number", field="file")
        if not _AMOUNT.fullmatch(amount):
            raise InvalidValue(
                f'line {row.number}, column "amount": "{amount[:40]}" is not a whole amount; enter đồng without'
                " separators, negative for a credit balance",
                field="file",
            )
        found.append(OpeningRow(row=row.number, role=role, subject=subject, number=number, amount=Dong(int(amount))))
    return found


def _texts(cells: Sequence[object]) -> list[str]:
    return ["" if cell is None else str(cell).strip() for cell in cells]
