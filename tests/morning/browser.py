"""A browser without a screen: full pages, the fragments that htmx requests, and forms with what the page holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from time import perf_counter
from typing import Self

import aiohttp

from tests.morning.page import Page, words
from tests.morning.record import Record

Fields = Mapping[str, Sequence[str]]
_TIMEOUT = aiohttp.ClientTimeout(total=60)


class Refused(Exception):
    """The service answered a page or a form of which it was expected that it succeeds with an error."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `path` is where redirects led."""

    status: int
    text: str
    headers: Mapping[str, str]
    path: str


class Browser:
    """One browser with its cookies. A context manager."""

    def __init__(self, address: str, record: Record) -> None:
        self.address = address
        self.record = record
        self.session = aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=_TIMEOUT)
        self.page = Page("")
        self.path = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def sign_in(self, login_name: str, password: str, place: str) -> None:
        """Sign in by the form; `place` is the name of a desk, empty for none."""
        await self.go("/sign-in")
        form = self.page.form_to("/sign-in")
        chosen = self._place(place)
        await self.submit("/sign-in", login_name=login_name, password=password, **({"place": chosen} if chosen else {}))
        assert "/sign-in" not in self.path, f"{login_name} is not signed in: {form.fields}"

    def _place(self, name: str) -> str:
        """The value of the option that names a desk."""
        for part in self.page.text.split("<option")[1:]:
            text = unescape(part.split(">", 1)[1].split("<")[0])
            if name and name in text:
                return unescape(part.split('value="', 1)[1].split('"')[0])
        return ""

    async def go(self, path: str) -> Page:
        """Open a page."""
        answer = await self._request("GET", path)
        self._take(answer)
        return self.page

    async def submit(self, ending: str, **values: str) -> Page:
        """Fill in the form whose address ends so, and send it as a full page."""
        form = self.page.form_to(ending)
        return await self.post(form.action or self.path, form.with_values(**values))

    async def post(self, path: str, fields: Fields) -> Page:
        """Send fields, and open the page that follows."""
        self._take(await self._request("POST", path, fields))
        return self.page

    async def fragment(self, method: str, path: str, fields: Fields | None = None) -> Answer:
        """What htmx requests; a refusal is returned as it is."""
        return await self._send(method, path, fields, {"HX-Request": "true", "HX-Current-URL": self.address})

    async def _request(self, method: str, path: str, fields: Fields | None = None) -> Answer:
        answer = await self._send(method, path, fields, {})
        if answer.status >= 400:
            self.record.refusals[f"{method} {_kind(path)} {answer.status}"] += 1
            raise Refused(f"{method} {path}: {answer.status} {_summary(answer.text)}")
        return answer

    async def _send(self, method: str, path: str, fields: Fields | None, headers: Mapping[str, str]) -> Answer:
        sent = {**headers, **({"Origin": self.address} if method == "POST" else {})}
        data = None if fields is None else [(name, value) for name, values in fields.items() for value in values]
        began = perf_counter()
        async with self.session.request(
            method,
            path,
            data=aiohttp.FormData(data) if data and method == "POST" else None,
            params=data if data and method == "GET" else None,
            headers=sent,
        ) as answer:
            text = await answer.text()
            self.record.requests_ms.append((perf_counter() - began) * 1000)
            return Answer(answer.status, text, answer.headers, answer.url.path_qs)

    def _take(self, answer: Answer) -> None:
        self.page, self.path = Page(answer.text), answer.path


def _kind(path: str) -> str:
    """The address without ids."""
    return "/".join("…" if len(part) == 36 else part for part in path.partition("?")[0].split("/"))


def _summary(text: str) -> str:
    """The text of an error page."""
    place = text.find('class="errors"')
    return words(text[place - 5 :] if place >= 0 else text)[:400]
