"""The uploaded file of a form of finance: its name for people, and its content."""

from typing import BinaryIO

from aiohttp import web

from billing.core.errors import InvalidValue
from billing.web.posted_forms import read_posted

NAME_MAX = 255


async def read_upload(request: web.Request) -> tuple[str, BinaryIO]:
    """Name without folders, and content from its first byte on. Raises InvalidValue."""
    posted = (await read_posted(request)).get("file")
    if not isinstance(posted, web.FileField) or not posted.filename:
        raise InvalidValue("choose the file", field="file")
    return posted.filename.rpartition("/")[2].rpartition("\\")[2][:NAME_MAX], posted.file  # type: ignore[return-value]  # BufferedReader
