"""A shift from its float to its minutes, by its pages: counted blindly, signed by two persons."""

from billing.visit_accounts.domain.shift import DENOMINATIONS
from billing.web.screens.texts import ScreenLanguage, translate
from tests.morning.desk import Desk
from tests.morning.page import words
from tests.morning.record import Record

FLOAT = 2_000_000
_CODES_WAIT = translate(ScreenLanguage.VIETNAMESE, "shift.no_code")


def notes_of(amount: int) -> dict[str, str]:
    """An amount in as few notes as possible, as the fields of the count."""
    fields = {}
    for note in DENOMINATIONS:
        number, amount = divmod(amount, note)
        fields[f"n{note}"] = str(number) if number else ""
    assert amount == 0, "notes pay it"
    return fields


async def open_shift(desk: Desk) -> None:
    """Open the shift with a counted float."""
    await desk.go("/shift")
    await desk.submit("/shift", issued_float=str(FLOAT), **notes_of(FLOAT))
    assert desk.path.endswith("?opened"), desk.path
    desk.drawer = FLOAT


async def close_shift(desk: Desk, pin: str, record: Record) -> None:
    """Count the drawer without knowing what is expected, tick the other receipts, and sign with a second person."""
    await desk.go("/shift/close")
    if _CODES_WAIT not in words(desk.page.text):
        record.wrongs.append(f"{desk.name}: codes wait at the end of the shift")
    counted = desk.drawer - desk.drawer % DENOMINATIONS[-1]
    if counted != desk.drawer:
        record.wrongs.append(f"{desk.name}: no notes are {desk.drawer} đồng")
    await desk.go("/shift/close?step=count")
    await desk.submit("/shift/close/count", **notes_of(counted))
    form = desk.page.form_to("/shift/close/receipts")
    ticked = {"receipts": form.choices["receipts"]} if "receipts" in form.choices else {}
    await desk.post(form.action, form.with_values() | ticked)
    expected = dict(desk.page.form_to("/shift/close/sign").fields)["shown_expected"]
    record.counts[desk.name] = {"counted": counted, "expected": int(expected)}
    reason = {"reason": "Không rõ"} if int(expected) != counted else {}
    await desk.submit("/shift/close/sign", second_secret=pin, **reason)
    assert desk.path.endswith("/minutes"), desk.path
