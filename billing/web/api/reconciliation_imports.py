"""Files of banks and providers: import them, list them, and compare the statements of each bank account.

POST /v1/bank-statements                the file; ?file_name, ?profile, ?account, ?account_of, ?opening, ?intraday
POST /v1/settlements                    the file; ?account, ?file_name
GET  /v1/reconciliation-imports         ?kind, ?from, ?to
GET  /v1/reconciliation-imports/{id}
GET  /v1/statement-breaks               ?from, ?to

A document worker reads and stores a file, so that no callback waits for it. While it does, the import is listed with
the number of lines that are stored.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from billing.core.money import DONG_MAX
from billing.reconciliation.domain.file_import import ImportId, ImportKind, ImportState
from billing.reconciliation.domain.statement_chain import BreakKind, ChainBreak
from billing.reconciliation.formats.profile import Profile, shipped_profiles
from billing.reconciliation.service.import_settlement import import_settlement
from billing.reconciliation.service.import_statement import StatementFile, import_statement
from billing.reconciliation.service.list_imports import find_import, list_breaks, list_imports
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Content, Operation, Parameter, one_of, operation
from billing.web.pagination import (
    DAY_FILTERS,
    InvalidQuery,
    page_document,
    read_choice,
    read_day,
    read_page,
    read_query,
)
from billing.web.received_files import receive_file
from billing.web.request_bodies import read_id, require_media_type
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text

BYTES = "application/octet-stream"

_FILE_NAME = Parameter("name of the file, for people")
_STATEMENT_QUERY: Mapping[str, str | Parameter] = {
    "file_name": _FILE_NAME,
    "profile": "name of a layout; without it the headings decide",
    "account": "number of the bank account, where the file does not state it",
    "account_of": "provider account whose bank account it is, where two banks have one number",
    "opening": "opening balance in đồng, where the file states neither it nor enough balances",
    "intraday": Parameter("whether the day is not over, so that the lines are tentative", ("true", "false")),
}
_SETTLEMENT_QUERY: Mapping[str, str | Parameter] = {
    "account": "name of the provider account that the file reports about; required",
    "file_name": _FILE_NAME,
}


class ImportDocument(Document):
    """An imported or refused file. `account` is the provider account of a settlement file.

    `lines` counts the stored lines and `new_lines` those that no earlier file states; both grow while it is staged.
    """

    id: Text
    kind: ImportKind
    state: ImportState
    account: str | None
    file_name: str
    file_hash: str
    profile: str
    is_intraday: bool
    lines: int
    new_lines: int
    refusal: str
    started_at: Text
    ended_at: Text | None


class BreakDocument(Document):
    """Two statements of a bank account that do not follow each other, in đồng.

    gap: movements between them are in neither. overlap: both state the same days. `difference` is the opening balance
    of the later statement minus the closing balance of the earlier one.
    """

    kind: BreakKind
    bank_account_number: str
    before_to_day: Text
    before_closing: int
    after_from_day: Text
    after_opening: int
    difference: int


class StatementImportDocument(Document):
    """The result of a statement import. `confirmed` counts tentative lines that are tentative no longer."""

    file: ImportDocument
    is_repeat: bool
    confirmed: int
    breaks: list[BreakDocument]


class SettlementImportDocument(Document):
    """The result of a settlement import: payouts that became known, and the sums of its lines in đồng."""

    file: ImportDocument
    is_repeat: bool
    payouts: int
    amount: int
    fee: int


class BreaksDocument(Document):
    """The gaps and overlaps among the complete statements of every bank account that touch a period."""

    breaks: list[BreakDocument]


@operation(
    Operation(
        tag="reconciliation",
        request_contents=(
            Content(media_type=BYTES, description="CSV, XLSX, XLS, HTML, MT940 or camt.053; the content decides"),
        ),
        responses={HTTPStatus.OK: StatementImportDocument, HTTPStatus.CREATED: StatementImportDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        query=_STATEMENT_QUERY,
    )
)
async def post_bank_statement(request: web.Request) -> web.Response:
    """Import a bank statement, completely or not at all. The same file again is answered with its first import."""
    require_media_type(request, BYTES)
    app, caller = app_state(request), request[CALLER]
    given = read_query(request, tuple(_STATEMENT_QUERY))
    async with receive_file(request, size_max=app.limits.statement_size_max) as content:
        file = StatementFile(
            stream=content,
            file_name=given.get("file_name", "statement"),
            profile=_read_profile(given),
            account=given.get("account"),
            account_of=given.get("account_of"),
            opening=_read_opening(given),
            is_intraday=_read_flag(given, "intraday"),
        )
        result = await import_statement(app.context, caller.organization_id, file, actor=caller.actor)
    assert result.import_id is not None, "it was imported, now or earlier"
    document = StatementImportDocument(
        file=await _find(request, result.import_id),
        is_repeat=result.is_repeat,
        confirmed=result.confirmed,
        breaks=_breaks(result.breaks),
    )
    return _answer(document, result.import_id, is_repeat=result.is_repeat)


@operation(
    Operation(
        tag="reconciliation",
        request_contents=(Content(media_type=BYTES, description="The settlement file in the form of its provider"),),
        responses={HTTPStatus.OK: SettlementImportDocument, HTTPStatus.CREATED: SettlementImportDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        query=_SETTLEMENT_QUERY,
    )
)
async def post_settlement(request: web.Request) -> web.Response:
    """Import a settlement file, completely or not at all. The same file again is answered with its first import."""
    require_media_type(request, BYTES)
    app, caller = app_state(request), request[CALLER]
    given = read_query(request, tuple(_SETTLEMENT_QUERY))
    if "account" not in given:
        raise InvalidQuery("name the provider account of the file", field="account")
    async with receive_file(request, size_max=app.limits.statement_size_max) as content:
        result = await import_settlement(
            app.context,
            caller.organization_id,
            content,
            account_name=given["account"],
            file_name=given.get("file_name", "settlement"),
            actor=caller.actor,
        )
    assert result.import_id is not None, "it was imported, now or earlier"
    document = SettlementImportDocument(
        file=await _find(request, result.import_id),
        is_repeat=result.is_repeat,
        payouts=result.payouts,
        amount=result.amount,
        fee=result.fee,
    )
    return _answer(document, result.import_id, is_repeat=result.is_repeat)


@operation(
    Operation(
        tag="reconciliation",
        responses={HTTPStatus.OK: PageDocument[ImportDocument]},
        filters={"kind": one_of("its kind", ImportKind), **DAY_FILTERS},
    )
)
async def get_reconciliation_imports(request: web.Request) -> web.Response:
    """List imported and refused files, the newest first."""
    page = read_page(request, filters=("kind", *DAY_FILTERS))
    rows = await list_imports(
        app_state(request).context,
        request[CALLER].organization_id,
        page.slice,
        kind=read_choice(page, "kind", ImportKind),
    )
    return json_response(page_document(rows, page, ImportDocument.model_validate))


@operation(Operation(tag="reconciliation", responses={HTTPStatus.OK: ImportDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_reconciliation_import(request: web.Request) -> web.Response:
    """Read one file with its counts, which grow while it is staged, and its refusal."""
    return json_response(await _find(request, ImportId(read_id(request.match_info["id"], field="id"))))


@operation(
    Operation(
        tag="reconciliation",
        responses={HTTPStatus.OK: BreaksDocument},
        query={
            "from": Parameter("first day of the period", format="date"),
            "to": Parameter("last day of the period", format="date"),
        },
    )
)
async def get_statement_breaks(request: web.Request) -> web.Response:
    """List the gaps and overlaps among the statements of every bank account."""
    given = read_query(request, ("from", "to"))
    found = await list_breaks(
        app_state(request).context,
        request[CALLER].organization_id,
        from_day=read_day(given, "from"),
        to_day=read_day(given, "to"),
    )
    return json_response(BreaksDocument(breaks=_breaks(found)))


async def _find(request: web.Request, import_id: ImportId) -> ImportDocument:
    found = await find_import(app_state(request).context, request[CALLER].organization_id, import_id)
    return ImportDocument.model_validate(found)


def _answer(
    document: StatementImportDocument | SettlementImportDocument, import_id: ImportId, *, is_repeat: bool
) -> web.Response:
    status = HTTPStatus.OK if is_repeat else HTTPStatus.CREATED
    return json_response(document, status=status, location=f"/v1/reconciliation-imports/{import_id}")


def _breaks(found: Sequence[ChainBreak]) -> list[BreakDocument]:
    return [
        BreakDocument(
            kind=each.kind,
            bank_account_number=each.after.bank_account_number,
            before_to_day=each.before.to_day.isoformat(),
            before_closing=each.before.closing,
            after_from_day=each.after.from_day.isoformat(),
            after_opening=each.after.opening,
            difference=each.difference,
        )
        for each in found
    ]


def _read_profile(given: Mapping[str, str]) -> Profile | None:
    """A shipped layout; a path is no profile here."""
    name = given.get("profile")
    if name is None:
        return None
    profile = shipped_profiles().get(name)
    if profile is None:
        raise InvalidQuery(f"profile is one of {', '.join(sorted(shipped_profiles()))}", field="profile")
    return profile


def _read_opening(given: Mapping[str, str]) -> int | None:
    text = given.get("opening")
    if text is None:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and int(digits) <= DONG_MAX):
        raise InvalidQuery("opening is a whole amount in đồng", field="opening")
    return int(text)


def _read_flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in {"true", "false"}:
        raise InvalidQuery(f"{name} is true or false", field=name)
    return text == "true"
