"""Every creating request of a hospital's day, sent again under its key: the same answer, and nothing is written."""

import re
from dataclasses import dataclass, field

import httpx

from billing.web.idempotency import HEADER, REPLAYED
from billing.web.operation import operation_of
from billing.web.routes import API
from tests.web.site import Site
from tests.web.test_openapi_examples import record

_CREATING = {
    re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", route.path)): route.handler.__name__
    for route in API
    if operation_of(route.handler).is_creating
}


@dataclass
class Created:
    """The first successful request of each creating operation with its answer."""

    answers: dict[str, httpx.Response] = field(default_factory=dict)

    async def keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        name = next((name for path, name in _CREATING.items() if path.fullmatch(request.url.path)), None)
        if name is not None and request.method == "POST" and answer.is_success and HEADER in request.headers:
            self.answers.setdefault(name, answer)


async def test_creating_request_that_is_sent_again_writes_nothing(site: Site) -> None:
    created = Created()
    await record(site, created.keep)
    assert created.answers.keys() == set(_CREATING.values())

    before = await site.content()

    again = {
        name: await site.anonymous_client.request(
            first.request.method, str(first.request.url), content=first.request.content, headers=_headers(first)
        )
        for name, first in created.answers.items()
    }

    after = await site.content()
    assert [table for table in before if after[table] != before[table]] == []
    for name, answer in again.items():
        first = created.answers[name]
        assert (name, answer.status_code) == (name, first.status_code), answer.text
        assert (name, answer.headers.get(REPLAYED)) == (name, "true")
        assert answer.headers.get("Location") == first.headers.get("Location"), name
    assert {name for name, first in created.answers.items() if REPLAYED in first.headers} == set()


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.request.headers[name] for name in (HEADER, "Authorization", "Content-Type")}
