"""Price lists: draft one from a file, compare it with the list in force, approve it by a second person, activate it.

POST /v1/tariffs                 text/csv or XLSX; ?from, ?until, ?facility, ?name, ?sheet, ?decimal_mark
GET  /v1/tariffs                 ?state
GET  /v1/tariffs/{id}
GET  /v1/tariffs/{id}/changes
POST /v1/tariffs/{id}/activate   ?replaces
POST /v1/tariffs/{id}/discard
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import with_config
from typing_extensions import TypedDict

from billing.spreadsheets.amounts import DecimalMark
from billing.tariffs.domain.tariff import ChangeKind, TariffId, TariffState
from billing.tariffs.formats.price_list import ReadPriceList, RowError, SheetFormat, read_price_list
from billing.tariffs.service.price_lists import (
    ListedTariff,
    PriceListTerms,
    activate_tariff,
    discard_tariff,
    find_tariff,
    import_tariff,
    list_changes,
    list_tariffs,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import DecisionDocument, decision_document
from billing.web.idempotency import read_idempotent_request, require_key
from billing.web.operation import Content, Operation, one_of, operation
from billing.web.pagination import InvalidQuery, page_document, read_choice, read_day, read_page, read_query
from billing.web.request_bodies import InvalidBody, read_body, read_id, require_media_type
from billing.web.responses import created_response, isoformat, json_response
from billing.web.schemas import EXACTLY, PageDocument, enum_schema

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_FORMATS = {CSV: SheetFormat.CSV, XLSX: SheetFormat.XLSX}
_FAULTS_MAX = 1_000
_CHANGES_MAX = 1_000
_TERMS = {
    "from": "first day of the list, as 2026-07-01; required",
    "until": "its last day; without it the list is valid until the next list begins",
    "facility": "MA_CSKCB of the site; without it every site that has no list of its own",
    "name": "name of the list",
    "sheet": "name of the sheet, where a workbook has several",
    "decimal_mark": "`comma` reads 1.234,5 and `point` 1,234.5; without it, ambiguous numbers are rejected",
}


class PriceListFaulty(InvalidBody):
    """Rows that cannot be read. `errors` names each row; nothing was stored."""

    code = "price_list_faulty"

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__([(f"row {each.row}, {each.column}", each.why) for each in errors[:_FAULTS_MAX]])
        self.detail = f"{len({each.row for each in errors})} rows cannot be read; nothing was stored"


@with_config(EXACTLY)
class TariffDocument(TypedDict):
    """A price list without its rows. `facility` null: every facility without a list of its own.

    `approval` is null while rows are missing.
    """

    id: str
    name: str
    facility: str | None
    valid_from: str
    valid_until: str | None
    state: Annotated[str, enum_schema(TariffState)]
    is_complete: bool
    items: int
    drafted_by: str
    drafted_at: str
    approval: DecisionDocument | None
    activated_by: str | None
    activated_at: str | None


@with_config(EXACTLY)
class PriceChangeDocument(TypedDict):
    """One price before and after, in đồng per unit as text; null where a list has none. `price` is its kind."""

    change: str
    code: str
    name: str
    price: str
    old: str | None
    new: str | None


@with_config(EXACTLY)
class ChangesDocument(TypedDict):
    """The changes of a list: numbers of codes, and the first 1,000 prices by code."""

    added: int
    removed: int
    changed: int
    is_whole: bool
    changes: list[PriceChangeDocument]


@operation(
    Operation(
        tag="tariffs",
        request_contents=(
            Content(media_type=CSV, description="UTF-8, commas or semicolons"),
            Content(media_type=XLSX, description="A workbook"),
        ),
        responses={HTTPStatus.CREATED: TariffDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        query=_TERMS,
        is_creating=True,
    )
)
async def post_tariff(request: web.Request) -> web.Response:
    """Store a price list as a draft, completely or not at all. It takes effect after approval by a second person."""
    key = require_key(request)
    require_media_type(request, CSV, XLSX)
    app, caller = app_state(request), request[CALLER]
    terms, mark, sheet = _read_terms(request)
    content = await read_body(request, size_max=app.limits.visit_size_max)
    # The query states facility and days: another day is another request.
    idempotent_request = read_idempotent_request(request, key, request.query_string.encode() + b"\n" + content)
    read: ReadPriceList = await asyncio.to_thread(
        lambda: read_price_list(
            content, format=_FORMATS[request.content_type], valid_from=terms.valid_from, mark=mark, sheet=sheet
        )
    )
    if read.errors:
        raise PriceListFaulty(read.errors)
    tariff_id = await import_tariff(
        app.context, caller.organization_id, terms, read.prices, actor=caller.actor, request=idempotent_request
    )
    row = await find_tariff(app.context, caller.organization_id, tariff_id)
    return created_response(_tariff(row), idempotent_request, location=f"/v1/tariffs/{tariff_id}")


@operation(
    Operation(
        tag="tariffs",
        responses={HTTPStatus.OK: PageDocument[TariffDocument]},
        filters={"state": one_of("its state", TariffState)},
    )
)
async def get_tariffs(request: web.Request) -> web.Response:
    """List price lists, the newest first, without their rows."""
    page = read_page(request, filters=("state",))
    rows = await list_tariffs(
        app_state(request).context,
        request[CALLER].organization_id,
        after=page.after,
        limit=page.limit + 1,
        state=read_choice(page, "state", TariffState),
    )
    return json_response(page_document(rows, page, _tariff))


@operation(Operation(tag="tariffs", responses={HTTPStatus.OK: TariffDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_tariff(request: web.Request) -> web.Response:
    """Read one price list, without its rows."""
    return await _answer(request, _id(request))


@operation(Operation(tag="tariffs", responses={HTTPStatus.OK: ChangesDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_tariff_changes(request: web.Request) -> web.Response:
    """List the changes of a price list against the list that it replaces."""
    found = await list_changes(app_state(request).context, request[CALLER].organization_id, _id(request))
    counts = Counter(kind for kind, _ in {(each.kind, each.code) for each in found})
    return json_response(
        {
            **{kind.value: counts[kind] for kind in ChangeKind},
            "is_whole": len(found) <= _CHANGES_MAX,
            "changes": [
                {
                    "change": each.kind.value,
                    "code": each.code,
                    "name": each.name,
                    "price": each.price,
                    "old": None if each.old is None else format(each.old, "f"),
                    "new": None if each.new is None else format(each.new, "f"),
                }
                for each in found[:_CHANGES_MAX]
            ],
        }
    )


@operation(
    Operation(
        tag="tariffs",
        responses={HTTPStatus.OK: TariffDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        query={"replaces": "the list in force, of the same facility and first day, that it replaces"},
    )
)
async def post_tariff_activation(request: web.Request) -> web.Response:
    """Activate an approved price list from its first day on."""
    caller, tariff_id = request[CALLER], _id(request)
    replaces = read_query(request, ("replaces",)).get("replaces")
    await activate_tariff(
        app_state(request).context,
        caller.organization_id,
        tariff_id,
        actor=caller.actor,
        replaces=None if replaces is None else TariffId(read_id(replaces, field="replaces")),
    )
    return await _answer(request, tariff_id)


@operation(
    Operation(
        tag="tariffs", responses={HTTPStatus.OK: TariffDocument}, problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    )
)
async def post_tariff_discard(request: web.Request) -> web.Response:
    """Discard a price list that is not in force; its proposal is then rejected."""
    caller, tariff_id = request[CALLER], _id(request)
    await discard_tariff(app_state(request).context, caller.organization_id, tariff_id, actor=caller.actor)
    return await _answer(request, tariff_id)


def _read_terms(request: web.Request) -> tuple[PriceListTerms, DecimalMark | None, str | None]:
    given = read_query(request, tuple(_TERMS))
    valid_from = read_day(given, "from")
    if valid_from is None:
        raise InvalidQuery("state the first day of the list", field="from")
    mark = given.get("decimal_mark")
    if mark is not None and mark not in set(DecimalMark):
        raise InvalidQuery("decimal_mark is comma or point", field="decimal_mark")
    terms = PriceListTerms(
        name=given.get("name") or f"from {valid_from.isoformat()}",
        facility_code=given.get("facility"),
        valid_from=valid_from,
        valid_until=read_day(given, "until"),
    )
    return terms, None if mark is None else DecimalMark(mark), given.get("sheet")


def _id(request: web.Request) -> TariffId:
    return TariffId(read_id(request.match_info["id"], field="tariff_id"))


async def _answer(request: web.Request, tariff_id: TariffId) -> web.Response:
    row = await find_tariff(app_state(request).context, request[CALLER].organization_id, tariff_id)
    return json_response(_tariff(row))


def _tariff(row: ListedTariff) -> TariffDocument:
    return {
        "id": str(row.id),
        "name": row.name,
        "facility": row.facility_code,
        "valid_from": row.valid_from.isoformat(),
        "valid_until": None if row.valid_until is None else row.valid_until.isoformat(),
        "state": row.state,
        "is_complete": row.completed_at is not None,
        "items": row.items,
        "drafted_by": row.drafted_by,
        "drafted_at": row.drafted_at.isoformat(),
        "approval": None if row.approval is None else decision_document(row.approval),
        "activated_by": row.activated_by,
        "activated_at": isoformat(row.activated_at),
    }
