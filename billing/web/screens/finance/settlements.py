"""Settlement files of providers: the preview of a file, and its import. `statements.py` lists the files of both kinds.

GET  /finance/settlements/new
POST /finance/settlements/preview    the file; writes nothing
POST /finance/settlements            the file; imported whole or refused whole

Source: docs/ux.md, Finance; docs/reconciliation.md, Import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from billing.core.errors import BillingError, InvalidValue, Refused
from billing.reconciliation.domain.file_import import ImportedFile, SettlementRefused
from billing.reconciliation.service.import_settlement import (
    SettlementResult,
    import_settlement,
    list_settlement_accounts,
    preview_settlement,
)
from billing.reconciliation.service.list_imports import find_import
from billing.web.app_state import app_state
from billing.web.screens.finance.uploads import read_upload
from billing.web.screens.finance.wrong_fields import field_errors, status_of
from billing.web.screens.forms import Form, FormError, read_form
from billing.web.screens.rendering import render
from billing.web.screens.session import current, language_of
from billing.web.screens.texts import translate


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page of a file shows: the result of a preview or an import, or its refusal."""

    result: SettlementResult | None = None
    file: ImportedFile | None = None
    errors: Sequence[FormError] = ()


async def get_settlement_form(request: web.Request) -> web.Response:
    """The form that takes a settlement file."""
    return await _page(request, Form(), Shown())


async def post_settlement_preview(request: web.Request) -> web.Response:
    """Read a file whole and show what it holds; nothing is written."""
    form, caller = await read_form(request), current(request).caller
    try:
        _, content = await read_upload(request)
        result = await preview_settlement(
            app_state(request).context, caller.organization_id, content, account_name=_account(form)
        )
    except (InvalidValue, Refused) as error:
        return await _refused(request, form, error)
    return await _page(request, form, Shown(result=result))


async def post_settlement(request: web.Request) -> web.Response:
    """Import a file. The same file again shows when it was imported first, and by whom."""
    form, caller, context = await read_form(request), current(request).caller, app_state(request).context
    try:
        name, content = await read_upload(request)
        result = await import_settlement(
            context,
            caller.organization_id,
            content,
            account_name=_account(form),
            file_name=name,
            actor=caller.actor,
        )
    except (InvalidValue, Refused) as error:
        return await _refused(request, form, error)
    assert result.import_id is not None, "it was imported, now or earlier"
    stored = await find_import(context, caller.organization_id, result.import_id)
    return await _page(request, form, Shown(result=result, file=stored))


def _account(form: Form) -> str:
    if not form.text("account"):
        raise InvalidValue("choose the provider account of the file", field="account")
    return form.text("account")


async def _refused(request: web.Request, form: Form, error: BillingError) -> web.Response:
    errors = field_errors(request, error)
    if isinstance(error, SettlementRefused):  # the place in the file is in its detail
        errors = [FormError("file", translate(language_of(request), "finance.import.refused", detail=error.detail))]
    return await _page(request, form, Shown(errors=errors), status=status_of(error))


async def _page(request: web.Request, form: Form, shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    context, organization_id = app_state(request).context, current(request).caller.organization_id
    return render(
        request,
        "finance/settlement_new.html",
        status=status,
        form=form,
        shown=shown,
        accounts=await list_settlement_accounts(context, organization_id),
    )
