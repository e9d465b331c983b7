"""Posted forms: fields and files, within the limits of time and size that other bodies have.

`screens/forms.py` gives the fields to the screens; `request_bodies.py` reads the bodies of programs.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from billing.web.app_state import app_state
from billing.web.received_files import BYTES_A_SECOND_LEAST
from billing.web.request_bodies import BodyTooLarge, BodyTooSlow, BodyUnreadable

Posted = Mapping[str, str | bytes | bytearray | web.FileField]
"""A name may come several times in `items`."""

POSTED = web.RequestKey("posted", Mapping)
TAKES_FILE = web.RequestKey("takes_file", bool)
"""Set by the guard of a route that takes a long file."""


async def read_posted(request: web.Request) -> Posted:
    """The fields and files of a form; read once, however often it is called. A large file has more time.

    A form with a long file has the limit of statements; its file is in a temporary file.
    Raises BodyTooLarge, BodyTooSlow, and BodyUnreadable where it is no form, or its connection ended too early.
    """
    if POSTED in request:
        return request[POSTED]
    if request.get(TAKES_FILE, False):
        form: web.Request = request.clone(client_max_size=app_state(request).limits.statement_size_max)
    else:
        form = request
    request[POSTED] = posted = await _read(form)
    return posted


async def _read(request: web.Request) -> Posted:
    timeout_s = app_state(request).limits.body_timeout_s + (request.content_length or 0) / BYTES_A_SECOND_LEAST
    try:
        async with asyncio.timeout(timeout_s):
            return await request.post()
    except TimeoutError as cause:
        raise BodyTooSlow("the form did not arrive in time") from cause
    except web.HTTPRequestEntityTooLarge as cause:
        raise BodyTooLarge(f"at most {request.client_max_size} bytes are taken here") from cause
    except (ConnectionError, web.RequestPayloadError) as cause:
        raise BodyUnreadable("the form ended too early") from cause
    except (ValueError, LookupError, AssertionError) as cause:  # what aiohttp raises for a form that is none
        raise BodyUnreadable("the form is unreadable") from cause
