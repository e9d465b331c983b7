"""The start page: the first screen of the person's roles."""

from aiohttp import web

from billing.web.screens.navigation import entries_of
from billing.web.screens.rendering import render, see_other


async def get_start(request: web.Request) -> web.Response:
    """Open the first screen that the person may use."""
    entries = entries_of(request)
    return see_other(request, entries[0].path) if entries else render(request, "start.html")
