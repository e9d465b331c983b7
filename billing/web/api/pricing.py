"""The pricing authority of a facility, set by two persons, and the price differences between the HIS and vienphi.

POST /v1/facility-pricing                {"facility", "valid_from", "authority", "vendor"?, "price_day"?}
GET  /v1/facility-pricing                ?facility
GET  /v1/facility-pricing/{id}
GET  /v1/price-differences               ?invoice_id, ?visit_id, ?field, ?vendor
"""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.ids import InvoiceId, VisitId
from billing.coverage.domain.explain import plain_number
from billing.coverage.domain.pricing_authority import (
    DifferenceField,
    DifferenceFilter,
    FacilityPricing,
    PriceDay,
    PricingAuthority,
)
from billing.coverage.service.pricing_settings import (
    ListedDifference,
    PricingSetting,
    SettingScope,
    find_pricing,
    list_differences,
    list_pricings,
    propose_pricing,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import DecisionDocument, decision_document
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import page_document, read_choice, read_filter_id, read_page
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import EXACTLY, PageDocument, enum_schema


class NewPricing(Body):
    """The pricing authority for visits admitted from a day on; `vendor` is the vendor of the HIS."""

    facility: str = Field(min_length=1, max_length=20)
    valid_from: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    authority: Literal["his", "vienphi"]
    vendor: str = ""
    price_day: Literal["ordered", "admitted"] = "ordered"


@with_config(EXACTLY)
class PricingDocument(TypedDict):
    """A pricing authority. It is in force once its approval is `approved`."""

    id: str
    facility: str
    valid_from: str
    authority: Annotated[str, enum_schema(PricingAuthority)]
    vendor: str
    price_day: Annotated[str, enum_schema(PriceDay)]
    approval: DecisionDocument


@with_config(EXACTLY)
class PriceDifferenceDocument(TypedDict):
    """One amount of the HIS and of vienphi, as text; null where there is none."""

    id: str
    facility: str
    ma_lk: str
    visit_id: str
    invoice_id: str
    invoice_number: str
    table: str
    stt: int
    code: str
    field: Annotated[str, enum_schema(DifferenceField)]
    his_value: str | None
    vienphi_value: str | None
    rules: list[str]
    vendor: str
    recorded_at: str


@operation(
    Operation(
        tag="pricing",
        request=NewPricing,
        responses={HTTPStatus.CREATED: PricingDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_pricing(request: web.Request) -> web.Response:
    """Propose the pricing authority of a facility. Another person must approve it."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewPricing)
    setting = FacilityPricing(
        authority=PricingAuthority(body.authority), price_day=PriceDay(body.price_day), vendor=body.vendor
    )
    pricing_id = await propose_pricing(
        app.context,
        caller.organization_id,
        SettingScope(facility_code=body.facility, valid_from=read_day(body.valid_from, field="valid_from")),
        setting,
        actor=caller.actor,
        request=idempotent_request,
    )
    row = await find_pricing(app.context, caller.organization_id, pricing_id)
    return created_response(_pricing(row), idempotent_request, location=f"/v1/facility-pricing/{pricing_id}")


@operation(
    Operation(
        tag="pricing",
        responses={HTTPStatus.OK: PageDocument[PricingDocument]},
        filters={"facility": "the facility's MA_CSKCB"},
        problems=(HTTPStatus.NOT_FOUND,),
    )
)
async def get_pricings(request: web.Request) -> web.Response:
    """List pricing authorities and proposals, the newest first."""
    page = read_page(request, filters=("facility",))
    rows = await list_pricings(
        app_state(request).context,
        request[CALLER].organization_id,
        after=page.after,
        limit=page.limit + 1,
        facility_code=page.filters.get("facility"),
    )
    return json_response(page_document(rows, page, _pricing))


@operation(Operation(tag="pricing", responses={HTTPStatus.OK: PricingDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_pricing(request: web.Request) -> web.Response:
    """Read one pricing authority."""
    return await _answer(request, _id(request))


@operation(
    Operation(
        tag="pricing",
        responses={HTTPStatus.OK: PageDocument[PriceDifferenceDocument]},
        filters={
            "invoice_id": "was found on this invoice",
            "visit_id": "is of this visit",
            "field": one_of("the field of the data standard", DifferenceField),
            "vendor": "whose system it was",
        },
    )
)
async def get_price_differences(request: web.Request) -> web.Response:
    """List the price differences, the newest first."""
    page = read_page(request, filters=("invoice_id", "visit_id", "field", "vendor"))
    wanted = DifferenceFilter(
        invoice_id=read_filter_id(page, "invoice_id", InvoiceId),
        visit_id=read_filter_id(page, "visit_id", VisitId),
        field=read_choice(page, "field", DifferenceField),
        vendor=page.filters.get("vendor"),
    )
    rows = await list_differences(
        app_state(request).context,
        request[CALLER].organization_id,
        wanted,
        after=page.after,
        limit=page.limit + 1,
    )
    return json_response(page_document(rows, page, _difference))


def _id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="pricing_id")


async def _answer(request: web.Request, pricing_id: UUID) -> web.Response:
    row = await find_pricing(app_state(request).context, request[CALLER].organization_id, pricing_id)
    return json_response(_pricing(row))


def _pricing(row: PricingSetting) -> PricingDocument:
    assert row.approval is not None, "a setting is always proposed"
    return {
        "id": str(row.id),
        "facility": row.facility_code,
        "valid_from": row.valid_from.isoformat(),
        "authority": row.authority,
        "vendor": row.vendor,
        "price_day": row.price_day,
        "approval": decision_document(row.approval),
    }


def _difference(row: ListedDifference) -> PriceDifferenceDocument:
    return {
        "id": str(row.id),
        "facility": row.facility_code,
        "ma_lk": row.ma_lk,
        "visit_id": str(row.visit_id),
        "invoice_id": str(row.invoice_id),
        "invoice_number": row.invoice_number,
        "table": row.source_table,
        "stt": row.stt,
        "code": row.code,
        "field": row.field,
        "his_value": None if row.his_value is None else plain_number(row.his_value),
        "vienphi_value": None if row.vienphi_value is None else plain_number(row.vienphi_value),
        "rules": list(row.rules),
        "vendor": row.vendor,
        "recorded_at": row.recorded_at.isoformat(),
    }
