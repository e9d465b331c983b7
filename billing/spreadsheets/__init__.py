"""Price lists as hospitals keep them: CSV and XLSX in, rows of exact values out, every doubt named."""

from billing.spreadsheets.amounts import DecimalMark
from billing.spreadsheets.cells import SheetUnreadable
from billing.tariffs.formats.price_list import ReadPriceList, RowFault, SheetFormat, read_price_list, sheet_format

__all__ = [
    "DecimalMark",
    "ReadPriceList",
    "RowFault",
    "SheetFormat",
    "SheetUnreadable",
    "read_price_list",
    "sheet_format",
]
