"""A price list from a file: its changes before anything is written, then the draft that a second person approves.

GET  /finance/prices/new
POST /finance/prices/preview    the file; writes nothing
POST /finance/prices            the file; a draft in the inbox of approvals, whole or not at all

`prices.py` has the page of the draft with its changes and what it changes of the newest visits. Source: docs/prices.md.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from typing import BinaryIO

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue, NotFound, Refused
from billing.spreadsheets.amounts import DecimalMark
from billing.spreadsheets.cells import SheetUnreadable
from billing.tariffs.domain.tariff import ChangeKind, PriceChange
from billing.tariffs.formats.price_list import ReadPriceList, RowError, read_price_list, sheet_format
from billing.tariffs.service.price_lists import PriceListTerms, import_tariff, preview_tariff
from billing.web.app_state import app_state
from billing.web.pagination import InvalidQuery
from billing.web.request_bodies import BodyTooLarge
from billing.web.screens.finance.params import read_any_day
from billing.web.screens.finance.prices import CHANGES_MAX, PATH, UNUSUAL_PERCENT, price, show_change
from billing.web.screens.finance.uploads import read_upload
from billing.web.screens.finance.wrong_fields import field_errors, status_of
from billing.web.screens.forms import Form, FormError, idempotent_request, read_form
from billing.web.screens.rendering import inert, render, see_other
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import translate

_ROWS_SHOWN = 100
_NAME_MAX = 200
_REASONS = (
    ("stands in row", "repeated"),
    ("lost the zero", "zeros"),
    ("zeros may be lost", "zeros"),
    ("made a day", "code_day"),
    ("shows an error", "cell_error"),
    ("another encoding", "encoding"),
    ("below 0", "negative"),
    ("a day is no price", "price_day"),
    ("price begins after the list", "later"),
    ("a day is written", "day"),
    ("formula", "formula"),
    ("decimal", "price"),
    ("price", "price"),
    ("number", "price"),
    ("code", "code"),
)
"""A part of a fault's text (`formats/price_list.py`, `spreadsheets/`) with its sentence here; the first one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page shows: faults of rows, or the changes against the list in force, or a refusal."""

    read: ReadPriceList | None = None
    changes: Sequence[PriceChange] = ()
    faults: Sequence[tuple[RowError, str]] = ()
    errors: Sequence[FormError] = ()


async def get_price_form(request: web.Request) -> web.Response:
    """The form that takes a price list."""
    return _page(request, Form(), Shown())


async def post_price_preview(request: web.Request) -> web.Response:
    """Read a list and show what it changes of the list in force; nothing is written."""
    form, caller = await read_form(request), current(request).caller
    try:
        terms, read, _ = await _read(request, form)
        if read.errors:
            return _faulty(request, form, read)
        changes = await preview_tariff(app_state(request).context, caller.organization_id, terms, read.prices)
    except (InvalidValue, Refused, NotFound) as error:
        return _refused(request, form, error)
    return _page(request, form, Shown(read=read, changes=changes))


async def post_price_list(request: web.Request) -> web.Response:
    """Store a list as a draft and propose it; its page shows the changes and leads on."""
    form, caller = await read_form(request), current(request).caller
    try:
        terms, read, file_hash = await _read(request, form)
        if read.errors:
            return _faulty(request, form, read)
        own = idempotent_request(request, form)
        tariff_id = await import_tariff(
            app_state(request).context,
            caller.organization_id,
            terms,
            read.prices,
            actor=caller.actor,
            request=replace(own, request_hash=hashlib.sha256(own.request_hash + file_hash).digest()),
        )
    except (InvalidValue, Refused, NotFound) as error:
        return _refused(request, form, error)
    return see_other(request, f"{PATH}/{tariff_id}?drafted")


async def _read(request: web.Request, form: Form) -> tuple[PriceListTerms, ReadPriceList, bytes]:
    """The terms of the form, the rows of the file, and a hash of it. Raises InvalidValue, BodyTooLarge."""
    name, stream = await read_upload(request)
    terms = PriceListTerms(
        name=form.text("name") or inert(name)[:_NAME_MAX],
        facility_code=form.text("facility") or None,
        valid_from=_day(form, "valid_from"),
        valid_until=_day(form, "until") if form.text("until") else None,
    )
    mark = form.text("decimal_mark")
    if mark and mark not in set(DecimalMark):
        raise InvalidValue("choose a decimal mark of the list", field="decimal_mark")
    size_max = app_state(request).limits.visit_size_max
    return await asyncio.to_thread(_read_file, stream, terms, mark, form.text("sheet"), size_max)


def _read_file(
    stream: BinaryIO, terms: PriceListTerms, mark: str, sheet: str, size_max: int
) -> tuple[PriceListTerms, ReadPriceList, bytes]:
    content = stream.read(size_max + 1)
    if len(content) > size_max:
        raise BodyTooLarge(f"at most {size_max} bytes are taken here")
    read = read_price_list(
        content,
        format=sheet_format(content),
        valid_from=terms.valid_from,
        mark=DecimalMark(mark) if mark else None,
        sheet=sheet or None,
    )
    return terms, read, hashlib.sha256(content).digest()


def _day(form: Form, name: str) -> date:
    try:
        day = read_any_day({name: form.text(name)}, name)
    except InvalidQuery:
        day = None
    if day is None:
        raise InvalidValue("a day is written dd/mm/yyyy", field=name)
    return day


def _faulty(request: web.Request, form: Form, read: ReadPriceList) -> web.Response:
    language = language_of(request)
    faults = [
        (each, translate(language, f"upload.row.{_reason(each)}") if _reason(each) else each.why)
        for each in read.errors[:_ROWS_SHOWN]
    ]
    text = translate(language, "upload.prices.faulty", number=len({each.row for each in read.errors}))
    shown = Shown(faults=faults, errors=[FormError("file", text)])
    return _page(request, form, shown, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _reason(fault: RowError) -> str:
    return next((key for piece, key in _REASONS if piece in fault.why), "")


def _refused(request: web.Request, form: Form, error: BillingError) -> web.Response:
    errors = field_errors(request, error)
    if isinstance(error, SheetUnreadable):
        errors = [FormError("file", translate(language_of(request), "finance.import.refused", detail=error.detail))]
    return _page(request, form, Shown(errors=errors), status=status_of(error))


def _page(request: web.Request, form: Form, shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    all_changes = [show_change(each) for each in shown.changes]
    return render(
        request,
        "finance/price_new.html",
        status=status,
        form=form,
        shown=shown,
        changes=all_changes[:CHANGES_MAX],
        is_cut=len(all_changes) > CHANGES_MAX,
        counts=Counter(each.change.kind for each in all_changes),
        kinds=tuple(ChangeKind),
        unusual=sum(each.is_unusual for each in all_changes),
        unusual_percent=UNUSUAL_PERCENT,
        price=price,
        marks=tuple(DecimalMark),
    )
