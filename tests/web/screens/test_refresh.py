"""What an open page requests by itself: it keeps no unattended session, and never becomes the page to return to."""

import re
from datetime import timedelta

from billing.core.actor import Role
from tests.web.screens.test_layout import SCREENS
from tests.web.site import Site
from tests.web.staff import add_desk, signed_in

REFRESHED = ("/desk/alive?refresh", "/desk/waiting?refresh", "/desk/waiting-visits?refresh", "/desk/queue?refresh")
_BY_ITSELF = re.compile(r'hx-trigger="[^"]*\b(?:every |sse:)')
_ADDRESS = re.compile(r'hx-(?:get|post)="([^"]*)" hx-trigger="[^"]*\b(?:every |sse:)')
_STREAM = re.compile(r'sse-connect="([^"]*)"')
_DEVICES = ("/kiosk", "/queue")
"""Screens of devices have no session."""


async def test_page_that_refreshes_itself_does_not_keep_an_unattended_session(site: Site) -> None:
    """The desk checks every second whether the server is there: nobody works."""
    desk_id = await add_desk(site)
    async with signed_in(site, Role.CASHIER, desk_id=desk_id) as staff:
        long_ago = site.context.clock() - timedelta(minutes=30)
        await site.as_owner("UPDATE screen_session SET last_seen_at = $1", long_ago)
        for path in REFRESHED:
            assert (await staff.client.get(path)).is_success, path
        [unused] = await site.as_owner("SELECT last_seen_at FROM screen_session")
        await staff.page("/desk")
        [used] = await site.as_owner("SELECT last_seen_at FROM screen_session")

    assert unused["last_seen_at"] == long_ago
    assert used["last_seen_at"] > long_ago


async def test_refresh_of_an_ended_session_leads_back_to_its_page(site: Site) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"{site.address}/desk/visits/7?receipt=1"}

    answer = await site.anonymous_client.get("/desk/waiting?refresh&visit=7", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=%2Fdesk%2Fvisits%2F7%3Freceipt%3D1"


def test_whatever_a_page_requests_by_itself_is_marked() -> None:
    templates = [file.read_text("utf-8") for file in (SCREENS / "templates").rglob("*.html")]
    addresses = [address for text in templates for address in _ADDRESS.findall(text)]
    streams = [address for text in templates for address in _STREAM.findall(text)]

    assert len(addresses) == sum(len(_BY_ITSELF.findall(text)) for text in templates)
    marked = [address for address in (*addresses, *streams) if not address.startswith(_DEVICES)]
    assert len(marked) > 6
    assert [address for address in marked if "?refresh" not in address] == []
