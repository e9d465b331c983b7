"""How high a receipt of 80 mm becomes, and how its slips are named. A browser needs the height before it prints."""

import math

from billing.core.amount_words import write_in_words
from billing.core.money import Dong
from billing.visit_accounts.domain.receipt_print import PrintedForm, PrintedSlip
from billing.web.screens.texts import ScreenLanguage, translate

_FIXED_MM, _SLIPS_MM, _ROW_MM, _LINE_MM = 88.0, 14.0, 5.5, 4.4
_LINE, _COLUMN, _CODE_COLUMN, _LINES_AT_CODE = 36, 30, 22, 5
"""What a receipt of 80 mm needs: its fixed parts, those of a list of slips, a row, a further line of a text. How many
characters a line holds at least, alone, next to an amount, next to the code; and the lines that the code leaves room
for.
"""
_COST_GROUPS = frozenset(map(str, range(1, 20)))


def roll_height(form: PrintedForm, language: ScreenLanguage) -> int:
    """How high a receipt of 80 mm becomes at most, in mm; texts that take several lines count."""
    rows = len(form.slips) + len(form.parts) + len(form.guarantees) + (0 if form.tendered is None else 2)
    rows += sum(bool(each) for each in (form.covered, form.still_due, form.credit))
    wide = (form.facility, form.payer or form.patient, form.ma_lk, form.reason, write_in_words(Dong(form.amount)))
    further = sum(len(text) // _LINE for text in wide)
    further += sum(len(_slip_text(slip, language)) // _COLUMN for slip in form.slips)
    further += sum(max(len(one.reference), len(one.ma_lk)) // (_COLUMN // 2) for one in form.guarantees)
    at_code = 2 + sum((len(text) + 10) // _CODE_COLUMN for text in (form.cashier, form.desk))
    further += max(0, at_code - _LINES_AT_CODE)
    has_list = bool(form.slips or form.guarantees)
    return math.ceil(_FIXED_MM + _SLIPS_MM * has_list + _ROW_MM * rows + _LINE_MM * further)


def slip_group(slip: PrintedSlip) -> str:
    """The cost group (MA_NHOM) that names a slip; empty where its lines are of several groups or of an unknown one."""
    return slip.cost_groups[0] if len(slip.cost_groups) == 1 and slip.cost_groups[0] in _COST_GROUPS else ""


def _slip_text(slip: PrintedSlip, language: ScreenLanguage) -> str:
    group = slip_group(slip)
    name = translate(language, f"print.group_{group}" if group else "print.lines")
    return f"{name} {slip.order} ({slip.count})" if slip.count > 1 else f"{name} {slip.order}"
