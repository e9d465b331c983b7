"""Styles, scripts and fonts, served under a name with their hash, so that browsers can cache them permanently."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from aiohttp import web

_TYPES = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2"}
_TEXTS = (".css", ".js")
_FONT = re.compile(rb'url\("([a-z0-9-]+\.woff2)"\)')
STATIC_PATH = "/static/{name}"


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it is sent; `compressed` is None where compression saves nothing."""

    content: bytes
    media_type: str
    compressed: bytes | None = None


def static_address(name: str) -> str:
    """The address of a file by its plain name, as `pay.css`."""
    return f"/static/{_names()[name]}"


async def get_static(request: web.Request) -> web.Response:
    """A file under its name with the hash; any other name, of an older version too, is not found."""
    found = _files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    body = found.content
    if found.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = found.compressed
        headers["Content-Encoding"] = "gzip"
    charset = "utf-8" if found.media_type.startswith("text/") else None
    return web.Response(body=body, content_type=found.media_type, charset=charset, headers=headers)


@cache
def _names() -> Mapping[str, str]:
    return {f"{name.split('.')[0]}.{name.rpartition('.')[2]}": name for name in _files()}


@cache
def _files() -> Mapping[str, _File]:
    """Every file under its name with the hash. A style sheet names fonts by their plain names: they are replaced."""
    contents = {
        each.name: each.read_bytes()
        for each in resources.files("billing.web.pages").joinpath("static").iterdir()
        if "." + each.name.rpartition(".")[2] in _TYPES
    }
    fonts = {name.encode(): _hashed(name, content) for name, content in contents.items() if name.endswith(".woff2")}
    files = {}
    for name, stored in contents.items():
        extension = "." + name.rpartition(".")[2]
        is_sheet = extension == ".css"
        content = _FONT.sub(lambda found: f'url("/static/{fonts[found[1]]}")'.encode(), stored) if is_sheet else stored
        compressed = gzip.compress(content, 9, mtime=0) if extension in _TEXTS else None
        files[_hashed(name, content)] = _File(content, _TYPES[extension], compressed)
    return files


def _hashed(name: str, content: bytes) -> str:
    stem, _, extension = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{extension}"
