"""The desk in a real browser at 1366×768: the cashier scans and presses keys, the page's own scripts do the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from playwright.async_api import Browser as Chromium
from playwright.async_api import Page as Window
from playwright.async_api import TimeoutError as NotSeen

from tests.browser.test_cashier_desk import SCANNER
from tests.morning.browser import Refused
from tests.morning.desk import Desk
from tests.morning.page import Page

_WAIT_MS = 30_000
_SAME_VISIT_MS = 3_000
_KEYS = {"qr": ("F6", "#part"), "card": ("F7", "#approval_code")}
_STATE = "document.querySelector('#pay')?.dataset.state"


class ChromiumDesk(Desk):
    """A desk whose page is open in a browser. Sign-in, shift and refunds are done in another tab of the session."""

    _window: Window | None = None

    async def show_in(self, chromium: Chromium) -> None:
        """Open a window with the session that was signed in."""
        context = await chromium.new_context(viewport={"width": 1366, "height": 768}, locale="vi-VN")
        [cookie] = [each for each in self.session.cookie_jar if each.key == "vienphi"]
        await context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.address}])
        self._window = await context.new_page()
        self._window.set_default_timeout(_WAIT_MS)
        self._window.on("pageerror", lambda error: self.record.wrongs.append(f"{self.name}: {error}"))

    @property
    def window(self) -> Window:
        assert self._window is not None, "the window is open"
        return self._window

    def listen(self) -> None:
        """The page listens by itself."""

    async def stop_listening(self) -> None:
        if self._window is not None:
            await self._window.context.close()
            self._window = None

    async def open_desk(self) -> None:
        await self.window.goto(f"{self.address}/desk")
        await self._read()

    async def scan(self, text: str) -> str:
        """A scanner types; a visit that is open already stays open."""
        before = urlsplit(self.window.url).path
        await self.window.keyboard.press("Escape")
        await self.window.evaluate(SCANNER, text)
        with suppress(NotSeen):
            await self.window.wait_for_function(
                "before => location.pathname !== before && document.querySelector('#pay')",
                arg=before,
                timeout=_SAME_VISIT_MS if before.startswith("/desk/visits/") else _WAIT_MS,
            )
        await self._read()
        return self.path.partition("/desk/visits/")[2]

    async def choose(self, method: str) -> None:
        key, field = _KEYS[method]
        await self.window.keyboard.press(key)
        await self.window.locator(field).wait_for()
        await self._read()

    async def press(self, times: int = 1, **values: str) -> None:
        before = await self.window.evaluate(f"() => {_STATE}")
        for name, value in values.items():
            if value:
                await self.window.locator(f"#{name}").fill(value)
        for _ in range(times):
            await self.window.keyboard.press("Enter")
        await self._changed_from(before)

    async def give(self, amount: int) -> None:
        await self.window.locator("#given").fill(str(amount))
        await self.window.wait_for_function("() => document.querySelector('#change output')?.textContent !== '–'")

    async def print_receipt(self) -> None:
        async with self.window.expect_popup() as opened:
            await self.window.locator("#print").click()
        await (await opened.value).close()

    async def send_form(self, ending: str) -> None:
        before = await self.window.evaluate(f"() => {_STATE}")
        await self.window.locator(f'form[action$="{ending}"] button').first.click()
        await self._changed_from(before)

    @asynccontextmanager
    async def full_page(self) -> AsyncIterator[None]:
        yield
        await self.open_desk()

    async def _changed_from(self, state: str) -> None:
        try:
            await self.window.wait_for_function(f"before => {_STATE} && {_STATE} !== before", arg=state)
        except NotSeen:
            await self._read()
            raise Refused(f"{self.name}: the panel stays {state}") from None
        await self._read()

    async def _read(self) -> None:
        self.path = urlsplit(self.window.url).path
        self.page = Page(await self.window.content())
