"""Every page in every state of the tables `shots_<area>.py`: no serious violation of WCAG 2.2 A and AA, nothing in the
console, nothing cut off sideways.

`make screenshots` writes the pictures.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from billing.web.screens.texts import MISSING
from tests.browser.conftest import Complaints
from tests.browser.stage import DESK, Shot, Stage
from tests.web.site import Site
from tests.web.staff import add_desk

AREAS = sorted(path.stem for path in Path(__file__).parent.glob("shots_*.py"))
_FOLDER = os.environ.get("VIENPHI_SCREENSHOTS", "")
_ONLY = frozenset(os.environ.get("VIENPHI_SCREENSHOT_NAMES", "").split()) or None
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
_GRAVE = {"serious", "critical"}
_WIDTH = "document.documentElement.scrollWidth"
REFLOWED = 320
"""The width of a window of 1280 px at 400 % zoom, at which nothing may need scrolling sideways (WCAG 1.4.10)."""


@asynccontextmanager
async def opened(browser: Browser, stage: Stage, shot: Shot, found: list[str], prepared: object) -> AsyncIterator[Page]:
    width, height = shot.size
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="vi-VN")
    try:
        if shot.role is not None:
            staff = await stage.staff(shot.role)
            await context.add_cookies([{"name": "vienphi", "value": staff.cookie, "url": stage.site.address}])
        if shot.device_key is not None:
            key = {"name": "vienphi-device", "value": shot.device_key(prepared), "url": stage.site.address}
            await context.add_cookies([key])
        page = await context.new_page()
        complaints = Complaints()
        complaints.watch(page, stage.site.address)
        path = shot.path if isinstance(shot.path, str) else shot.path(prepared)
        answer = await page.goto(stage.site.address + path)
        if answer is None or answer.status != shot.status:
            found.append(f"{shot.name}: {path} answered {answer and answer.status}")
        await page.emulate_media(media="print" if shot.media == "print" else "screen")
        if shot.act is not None:
            await shot.act(page)
        yield page
        expected = ("Failed to load resource", *(("htmx:afterRequest", "htmx:sendError") if shot.is_cut else ()))
        found += [f"{shot.name}: {each}" for each in complaints if not each.startswith(expected)]
    finally:
        await context.close()


async def check(page: Page, shot: Shot, found: list[str]) -> None:
    result = await Axe().run(page, options=_RULES)
    for violation in result.response["violations"]:
        if violation["impact"] in _GRAVE and not (violation["id"] == "meta-refresh" and shot.device_key):
            places = [node["target"][0] for node in violation["nodes"][:3]]
            found.append(f"{shot.name}: {violation['id']} at {places}")
    if MISSING[0] in await page.content():
        found.append(f"{shot.name}: a text is missing")
    if shot.media == "screen" and (width := await page.evaluate(_WIDTH)) > shot.size[0]:
        found.append(f"{shot.name}: {width} px wide")
    if shot.size == DESK and not await page.query_selector(".paper"):
        await page.set_viewport_size({"width": REFLOWED, "height": 512})
        if (width := await page.evaluate(_WIDTH)) > REFLOWED:
            found.append(f"{shot.name}: {width} px wide at {REFLOWED} px")


@pytest.mark.parametrize("area", AREAS)
async def test_pages_of_an_area_are_accessible(site: Site, browser: Browser, area: str) -> None:
    module: ModuleType = import_module(f"tests.browser.{area}")
    found: list[str] = []
    async with AsyncExitStack() as stack:
        stage = Stage(site, await add_desk(site, "Quầy 3"), stack)
        prepared = await module.prepare(stage) if hasattr(module, "prepare") else None
        shots: tuple[Shot, ...] = module.SHOTS
        assert shots
        shots = tuple(shot for shot in shots if _ONLY is None or shot.name in _ONLY)
        for shot in shots:
            async with opened(browser, stage, shot, found, prepared) as page:
                if _FOLDER:
                    await page.screenshot(path=Path(_FOLDER) / f"{shot.name}.png")
                await check(page, shot, found)

    assert found == [], "\n".join(found)


def test_each_picture_has_a_name_of_its_own() -> None:
    names = [shot.name for area in AREAS for shot in import_module(f"tests.browser.{area}").SHOTS]

    assert len(names) == len(set(names)) > 5
