"""Styles and scripts, served under a name with their hash, so that browsers can cache them permanently."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from aiohttp import web

_TYPES = {".css": "text/css", ".js": "text/javascript"}
STATIC_PATH = "/static/{name}"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str


def static_address(name: str) -> str:
    """The address of a file by its plain name, as `pay.css`."""
    return f"/static/{_names()[name]}"


async def get_static(request: web.Request) -> web.Response:
    """A file under its name with the hash; any other name, of an older version too, is not found."""
    found = _files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    return web.Response(
        body=found.content,
        content_type=found.media_type,
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@cache
def _names() -> Mapping[str, str]:
    return {f"{name.split('.')[0]}.{name.rpartition('.')[2]}": name for name in _files()}


@cache
def _files() -> Mapping[str, _File]:
    files = {}
    for each in resources.files("billing.web.pages").joinpath("static").iterdir():
        stem, dot, extension = each.name.rpartition(".")
        if dot + extension in _TYPES:
            content = each.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            files[f"{stem}.{digest}.{extension}"] = _File(content, _TYPES[dot + extension])
    return files
