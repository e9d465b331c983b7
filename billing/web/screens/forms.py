"""Forms of the screens: fields as text, the idempotency key of the form, and the errors shown above it."""

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue
from billing.db.idempotency import IdempotentRequest, RequestStillRunning
from billing.web.operation import Handler
from billing.web.posted_forms import read_posted
from billing.web.problems import problem_of
from billing.web.screens.refusals import error_text
from billing.web.screens.rendering import render
from billing.web.screens.session import CSRF_FIELD, current

KEY_FIELD = "idempotency_key"
_KEY = re.compile(r"[0-9A-Za-z_-]{16,64}")
_OWN_FIELDS = (CSRF_FIELD, KEY_FIELD)
_DONG = re.compile(r"[0-9]{1,3}(?:[. ]?[0-9]{3})*|[0-9]+")
_WHOLE = re.compile(r"[0-9]{1,9}")
_TEXT_MAX = 10_000
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.5)
_WAITS = web.RequestKey("waits_for_first_press", bool)


@dataclass(frozen=True, slots=True)
class FormError:
    """An error above a form: the name of the wrong field (empty: the form as a whole) and a sentence."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Form:
    """The text fields of a form, each with its values in order; uploaded files are left aside."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The value of a field without spaces at its ends; empty where it is missing."""
        values = self.fields.get(name, ())
        return values[0].strip() if values else ""

    def texts(self, name: str) -> list[str]:
        """Every value of a field, as of ticked boxes."""
        return [value.strip() for value in self.fields.get(name, ())]

    def dong(self, name: str) -> int:
        """An amount as people type it: `152000`, `152.000`. Raises InvalidValue."""
        text = self.text(name)
        if _DONG.fullmatch(text) is None or len(text) > 20:
            raise InvalidValue("enter whole đồng, as 152.000", field=name)
        return int(re.sub(r"[. ]", "", text))

    @property
    def key(self) -> str:
        """The idempotency key that was created with the form. Raises InvalidValue."""
        key = self.text(KEY_FIELD)
        if _KEY.fullmatch(key) is None:
            raise InvalidValue("the form has no key; open the page again", field=KEY_FIELD)
        return key


def whole_number(text: str) -> int | None:
    """The number of one to nine digits 0 to 9; None for any other text, also for digits of other scripts."""
    return int(text) if _WHOLE.fullmatch(text) else None


async def read_form(request: web.Request) -> Form:
    """The fields of a posted form.

    Raises the errors of `read_posted`, and InvalidValue for a field of more than 10,000 characters.
    """
    posted = await read_posted(request)
    fields: dict[str, list[str]] = {}
    for name, value in posted.items():
        if isinstance(value, str):
            if len(value) > _TEXT_MAX:
                raise InvalidValue(f"{name[:50]} is too long", field=name[:50])
            fields.setdefault(name, []).append(value)
    return Form(fields)


def idempotent_request(request: web.Request, form: Form) -> IdempotentRequest:
    """The request of a form: the person, the route, its key, and a hash of path and fields. Raises InvalidValue."""
    resource = request.match_info.route.resource
    assert resource is not None, "a handler runs on a resource"
    sent = [(name, list(values)) for name, values in sorted(form.fields.items()) if name not in _OWN_FIELDS]
    return IdempotentRequest(
        caller=current(request).caller.name,
        route=f"{request.method} {resource.canonical}",
        key=form.key,
        request_hash=hashlib.sha256(repr((request.path, sent)).encode()).digest(),
    )


async def answer_of_first_press(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The answer of a handler. While the first press of its form still runs, as after a cut connection, for up to 3 s,
    the handler is called again: it then finds the stored result.
    """
    request[_WAITS] = True
    for pause_s in _PAUSES_S:
        try:
            return await handler(request)
        except RequestStillRunning:
            await asyncio.sleep(pause_s)
    request[_WAITS] = False
    return await handler(request)


def form_errors(request: web.Request, error: BillingError) -> list[FormError]:
    """The summary above a form that is shown again. Raises RequestStillRunning where its result is waited for."""
    if isinstance(error, RequestStillRunning) and request.get(_WAITS, False):
        raise error
    return [FormError(error.field or "", error_text(request, error))]


def kept_key(form: Form, error: BillingError | None) -> str:
    """The key with which a form is shown again; empty where it gets a new one.

    A refusal has stored nothing. What may still be stored is found under the same key.
    """
    if error is None:
        return ""
    may_be_stored = problem_of(error).status is HTTPStatus.SERVICE_UNAVAILABLE or isinstance(error, RequestStillRunning)
    return form.text(KEY_FIELD) if may_be_stored else ""


def render_form(
    request: web.Request,
    template: str,
    form: Form,
    error: BillingError | None,
    *,
    kept: Collection[HTTPStatus] = (HTTPStatus.SERVICE_UNAVAILABLE,),
    **values: Any,
) -> web.Response:
    """The page of a form: as it opens, or again with what was typed and the error of the last press.

    Its status is then 422, or that of the error where it is one of `kept`. The template gets `form`, `errors`, and
    `form_key` for the macro `guard`.
    """
    status = HTTPStatus.OK
    if error is not None:
        own = problem_of(error).status
        status = own if own in kept else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(
        request,
        template,
        status=status,
        form=form,
        errors=() if error is None else form_errors(request, error),
        form_key=kept_key(form, error),
        **values,
    )
