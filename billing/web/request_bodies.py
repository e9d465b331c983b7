"""Request bodies: bytes within limits of size and time, then strict JSON, then a typed value.

An unreadable body is rejected before a use case is called. This module does not interpret values.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar, get_args
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from billing.core.errors import BillingError, InvalidValue, NotFound
from billing.db.idempotency import IdempotentRequest
from billing.visits.formats.strict_json import read_object
from billing.web.app_state import app_state
from billing.web.idempotency import read_idempotent_request, require_key

JSON = "application/json"

BODY = web.RequestKey("body", bytes)
"""A body that was read before its handler was called."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SAMPLE_ID = "01932f6e-8c5a-7b1d-9f3e-2a4b6c8d0e1f"
_SHOWN_LENGTH_MAX = 60
_ERRORS_MAX = 20
_FIELD_LENGTH_MAX = 200

Model = TypeVar("Model", bound="Body")


class BodyUnreadable(InvalidValue):
    """The bytes do not match their media type, or are incomplete."""

    code = "body_unreadable"


class BodyTooLarge(BillingError):
    """The body exceeds the size limit."""

    code = "body_too_large"


class BodyTooSlow(BillingError):
    """The body did not arrive in time."""

    code = "body_too_slow"


class MediaTypeNotSupported(BillingError):
    """The media type or encoding is not supported here."""

    code = "media_type_not_supported"


class InvalidBody(InvalidValue):
    """Fields that are missing, unknown or of another type; `errors` are pairs of field and reason."""

    code = "invalid_body"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in errors))
        self.errors = tuple(errors)


class Body(BaseModel):
    """A JSON body: no field more than named, no type turned into another (`false` is no 0, `1.0` no 1)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


async def read_body(request: web.Request, *, size_max: int) -> bytes:
    """The bytes of a body exactly as sent.

    Raises BodyTooLarge (as soon as that is known), BodyTooSlow, MediaTypeNotSupported for a compressed body, and
    BodyUnreadable where the connection ended before the body did.
    """
    too_large = BodyTooLarge(f"at most {size_max} bytes are taken here")
    if BODY in request:
        if len(request[BODY]) > size_max:
            raise too_large
        return request[BODY]
    require_identity(request)
    if request.content_length is not None and request.content_length > size_max:
        raise too_large
    content = bytearray()
    try:
        if request.content.is_eof():  # it all came with the head, as a callback's small body does
            content += request.content.read_nowait()
            if len(content) > size_max:
                raise too_large
            return bytes(content)
        async with asyncio.timeout(app_state(request).limits.body_timeout_s):
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > size_max:
                    raise too_large
    except TimeoutError as cause:
        raise BodyTooSlow("the body did not arrive in time") from cause
    except (ConnectionError, web.RequestPayloadError) as cause:
        raise BodyUnreadable("the body ended too early") from cause
    return bytes(content)


def require_identity(request: web.Request) -> None:
    """Reject a compressed body. Raises MediaTypeNotSupported."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MediaTypeNotSupported("send the body without compression")


def require_media_type(request: web.Request, *known: str) -> None:
    """Reject a body of another media type. Raises MediaTypeNotSupported."""
    if request.content_type not in known:
        raise MediaTypeNotSupported(f"the body must be {' or '.join(known)}")


async def read_json(request: web.Request, *, size_max: int) -> Mapping[str, object]:
    """Read one JSON object; a duplicate key is rejected. Raises BodyUnreadable and the errors of `read_body`."""
    require_media_type(request, JSON)
    return await parse_json(await read_body(request, size_max=size_max))


async def parse_json(content: bytes) -> Mapping[str, object]:
    """The JSON object of a body. Raises BodyUnreadable."""
    if not content:
        raise BodyUnreadable("a JSON object is expected, the body is empty")
    try:
        # A visit of many lines takes half a second: callbacks must not wait for it.
        return await asyncio.to_thread(read_object, content)
    except InvalidValue as refusal:
        raise BodyUnreadable(refusal.detail, field=refusal.field) from refusal


async def read_model(request: web.Request, model: type[Model]) -> Model:
    """A small JSON body as a value of `model`. Raises InvalidBody and what `read_json` raises."""
    require_media_type(request, JSON)
    return await parse_model(await read_body(request, size_max=app_state(request).limits.body_size_max), model)


async def parse_model(content: bytes, model: type[Model]) -> Model:
    """A small JSON body, already received, as a value of `model`. Raises InvalidBody and BodyUnreadable."""
    document = await parse_json(content)
    try:
        return model.model_validate(document)
    except ValidationError as refusal:
        wrong = refusal.errors(include_url=False, include_context=False, include_input=False)[:_ERRORS_MAX]
        errors = [(".".join(map(str, each["loc"]))[:_FIELD_LENGTH_MAX], _reason(each, model)) for each in wrong]
        raise InvalidBody(errors) from None  # the refusal itself would carry the values into a log


def _reason(error: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with a field; where the field is unknown, with the names of the known ones."""
    if error["type"] != "extra_forbidden":
        return error["msg"]
    holder: type[BaseModel] | None = model
    for step in error["loc"][:-1]:
        if isinstance(step, str) and holder is not None:
            holder = _model_in(holder.model_fields[step].annotation) if step in holder.model_fields else None
    known = "" if holder is None else f"; known are {', '.join(sorted(holder.model_fields))}"
    return f"this field is not known here{known}"


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that a field holds, also in a list or where it may be absent."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)


async def read_idempotent(request: web.Request, model: type[Model]) -> tuple[Model, IdempotentRequest]:
    """A small JSON body that creates something, with its key. Raises as `read_model` and `require_key`."""
    key = require_key(request)
    require_media_type(request, JSON)
    content = await read_body(request, size_max=app_state(request).limits.body_size_max)
    return await parse_model(content, model), read_idempotent_request(request, key, content)


def read_id(text: str, *, field: str) -> UUID:
    """Read an id. Raises NotFound for a malformed id."""
    if not _UUID.fullmatch(text):
        shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_SHOWN_LENGTH_MAX])
        raise NotFound(f'{field}: "{shown}" is not an id; ids look like {_SAMPLE_ID}', field=field)
    return UUID(text)


def read_day(text: str, *, field: str) -> date:
    """A day written as 2026-07-01. Raises InvalidValue."""
    try:
        return date.fromisoformat(text)
    except ValueError as cause:
        raise InvalidValue(f"{field} is a day, written as 2026-07-01", field=field) from cause


def read_time(text: str, *, field: str) -> datetime:
    """A time in ISO 8601 with its zone. Raises InvalidValue."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as cause:
        raise InvalidValue(f"{field} is a time, written as 2026-07-01T09:00:00+07:00", field=field) from cause
    if time.tzinfo is None:
        raise InvalidValue(f"{field} states its zone, as +07:00", field=field)
    return time
