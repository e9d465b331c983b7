"""Desks, where cashiers work, and the cash settings of a facility.

POST /v1/desks                                      {"facility_code", "name"}
GET  /v1/desks
PUT  /v1/facilities/{facility_code}/cash-settings   {"rounding_step", "hides_expected_cash", "confirms_offline"}
"""

from http import HTTPStatus

from aiohttp import web

from billing.organizations.domain.cash_setting import CashSetting
from billing.organizations.service.desks import add_desk, list_desks, set_cash_settings
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, operation
from billing.web.request_bodies import Body, read_idempotent, read_model
from billing.web.responses import created_response, json_response
from billing.web.schemas import Document, Text


class NewDesk(Body):
    """A desk of a facility, named as its cashiers call it."""

    facility_code: str
    name: str


class CashSettings(Body):
    """How a facility takes cash: rounded to a multiple of `rounding_step` đồng (1: not rounded), counted blindly.

    `confirms_offline`: a head cashier may confirm a transfer manually while no provider is reached.
    """

    rounding_step: int
    hides_expected_cash: bool
    confirms_offline: bool = False


class DeskDocument(Document):
    """A desk with the cash settings of its facility."""

    id: Text
    name: str
    facility_code: str
    rounding_step: int
    hides_expected_cash: bool
    confirms_offline: bool


class DeskListDocument(Document):
    """Every desk of the organization."""

    items: list[DeskDocument]


@operation(
    Operation(
        tag="cash-desk",
        request=NewDesk,
        responses={HTTPStatus.CREATED: DeskDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        is_creating=True,
    )
)
async def post_desk(request: web.Request) -> web.Response:
    """Add a desk to a facility."""
    context, caller = app_state(request).context, request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewDesk)
    desk_id = await add_desk(
        context,
        caller.organization_id,
        facility_code=body.facility_code,
        name=body.name,
        actor=caller.actor,
        request=idempotent_request,
    )
    [desk] = [each for each in await list_desks(context, caller.organization_id) if each.id == desk_id]
    return created_response(DeskDocument.model_validate(desk), idempotent_request, location="/v1/desks")


@operation(Operation(tag="cash-desk", responses={HTTPStatus.OK: DeskListDocument}))
async def get_desks(request: web.Request) -> web.Response:
    """List the desks, by facility and name."""
    desks = await list_desks(app_state(request).context, request[CALLER].organization_id)
    return json_response(DeskListDocument(items=[DeskDocument.model_validate(each) for each in desks]))


@operation(
    Operation(
        tag="cash-desk",
        request=CashSettings,
        responses={HTTPStatus.OK: DeskListDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        path={"facility_code": Parameter("MA_CSKCB of the facility")},
    )
)
async def put_cash_settings(request: web.Request) -> web.Response:
    """Set how a facility rounds cash and whether its cashiers count blindly; answers its desks."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, CashSettings)
    code = request.match_info["facility_code"]
    await set_cash_settings(
        context,
        caller.organization_id,
        facility_code=code,
        setting=CashSetting(
            rounding_step=body.rounding_step,
            hides_expected_cash=body.hides_expected_cash,
            confirms_offline=body.confirms_offline,
        ),
        actor=caller.actor,
    )
    desks = [each for each in await list_desks(context, caller.organization_id) if each.facility_code == code]
    return json_response(DeskListDocument(items=[DeskDocument.model_validate(each) for each in desks]))
