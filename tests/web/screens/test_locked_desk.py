"""A locked desk shows its last receipts, to be compared with the paper after a power cut, and no name of a patient."""

from tests.web.screens.desk_day import DeskDay
from tests.web.staff import text_of


async def test_locked_desk_lists_its_last_receipts_without_names(day: DeskDay) -> None:
    visit_id = await day.visit()
    await day.open_shift()
    fields = {"due": "100000", "method": "cash", "given": "", "line": ["L1", "L2"]}
    await day.staff.post(f"/desk/visits/{visit_id}/collect", **fields)

    await day.staff.post("/lock")
    page = text_of(await day.staff.page("/sign-in/pin"))

    assert "5 phiếu thu gần nhất của quầy này" in page
    assert f"PT{day.site.context.clock().year}-000001" in page
    assert "100.000" in page
    assert "Nguyễn" not in page


async def test_locked_desk_without_receipts_states_it(day: DeskDay) -> None:
    await day.staff.post("/lock")

    assert "Chưa có phiếu thu nào." in text_of(await day.staff.page("/sign-in/pin"))
