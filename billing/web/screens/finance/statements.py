"""Bank statements: files that were imported, the preview of a file with the use of its columns, and its import.

GET  /finance/statements
GET  /finance/statements/new
POST /finance/statements/preview    the file; writes nothing
POST /finance/statements            the file; imported whole or refused whole

The file stays in the form: the button of the preview sends it again. Source: docs/ux.md, Finance;
docs/reconciliation.md, Import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, get_args

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue, Refused
from billing.core.list_slice import ListSlice
from billing.organizations.domain.rights import Right
from billing.reconciliation.domain.file_import import ImportedFile
from billing.reconciliation.domain.statement import StatementUnreadable
from billing.reconciliation.formats.profile import Profile, Role, mapped_profile, shipped_profiles
from billing.reconciliation.formats.statement_table import TableUnknown
from billing.reconciliation.service.import_statement import (
    ImportResult,
    StatementFile,
    import_statement,
    preview_import,
)
from billing.reconciliation.service.list_imports import find_import, list_breaks, list_imports
from billing.web.app_state import app_state
from billing.web.screens.finance.params import read_given, read_uuid
from billing.web.screens.finance.uploads import read_upload
from billing.web.screens.finance.work_rows import Piece, mark
from billing.web.screens.finance.wrong_fields import field_errors, status_of
from billing.web.screens.forms import Form, FormError, read_form
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import translate

PATH = "/finance/statements"
ROLES: tuple[Role, ...] = ("booked_on", "reference", "debit", "credit", "amount", "balance", "text")
"""Columns that a person may name."""

_PAGE_SIZE = 50
_MAP = "map_"
assert set(ROLES) <= set(get_args(Role))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page of a file shows: the result of a preview or an import, or its refusal.

    `headings` are those of a table whose columns nobody has named yet; `first` is the import that had the file before.
    """

    result: ImportResult | None = None
    texts: Sequence[Sequence[Piece]] = ()
    file: ImportedFile | None = None
    headings: Sequence[str] = ()
    errors: Sequence[FormError] = ()


async def get_statements(request: web.Request) -> web.Response:
    """Files that were imported or refused, the newest first, and the gaps and overlaps of the statements."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "after")
    part = ListSlice(before=read_uuid(given, "after"), limit=_PAGE_SIZE + 1)
    found = await list_imports(context, caller.organization_id, part)
    shown = found[:_PAGE_SIZE]
    return render(
        request,
        "finance/statements.html",
        imports=shown,
        breaks=await list_breaks(context, caller.organization_id),
        next_after=shown[-1].id if len(found) > _PAGE_SIZE else None,
        may_decide=caller.has(Right.RECONCILE),
    )


async def get_statement_form(request: web.Request) -> web.Response:
    """The form that takes a file."""
    return _page(request, Form(), Shown())


async def post_statement_preview(request: web.Request) -> web.Response:
    """Read a file and show what an import would do; nothing is written."""
    form = await read_form(request)
    try:
        file = _file(form, *await read_upload(request))
        result = await preview_import(app_state(request).context, current(request).caller.organization_id, file)
    except (InvalidValue, Refused) as error:
        return _refused(request, form, error)
    texts = [mark(each.text, each.codes) for each in result.first_lines]
    return _page(request, form, Shown(result=result, texts=texts))


async def post_statement(request: web.Request) -> web.Response:
    """Import a file. The same file again shows when it was imported first, and by whom."""
    form = await read_form(request)
    caller, context = current(request).caller, app_state(request).context
    try:
        file = _file(form, *await read_upload(request))
        result = await import_statement(context, caller.organization_id, file, actor=caller.actor)
    except (InvalidValue, Refused) as error:
        return _refused(request, form, error)
    assert result.import_id is not None, "it was imported, now or earlier"
    stored = await find_import(context, caller.organization_id, result.import_id)
    return _page(request, form, Shown(result=result, file=stored))


def _file(form: Form, name: str, stream: BinaryIO) -> StatementFile:
    """The uploaded file with the fields of the form. Raises InvalidValue."""
    return StatementFile(
        stream=stream,
        file_name=name,
        profile=_profile(form),
        account=form.text("account") or None,
        account_of=form.text("account_of") or None,
        is_intraday=bool(form.text("is_intraday")),
    )


def _profile(form: Form) -> Profile | None:
    named = {role: heading for role in ROLES if (heading := form.text(_MAP + role))}
    if named:
        return mapped_profile(named)
    name = form.text("profile")
    if not name:
        return None
    profile = shipped_profiles().get(name)
    if profile is None:
        raise InvalidValue("choose a layout of the list", field="profile")
    return profile


def _refused(request: web.Request, form: Form, error: BillingError) -> web.Response:
    headings = error.headings if isinstance(error, TableUnknown) else ()
    named = [form.text(_MAP + role) for role in ROLES]
    errors = field_errors(request, error)
    if isinstance(error, StatementUnreadable):  # the place in the file is in its detail
        key = "finance.import.unknown_headings" if headings else "finance.import.refused"
        text = translate(language_of(request), key, detail=error.detail)
        errors = [FormError("file", text)]
    shown = Shown(headings=headings or [each for each in named if each], errors=errors)
    return _page(request, form, shown, status=status_of(error))


def _page(request: web.Request, form: Form, shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return render(
        request,
        "finance/statement_new.html",
        status=status,
        form=form,
        shown=shown,
        roles=ROLES,
        profiles=list(shipped_profiles().values()),
    )
