"""The deposit settings of a facility.

PUT /v1/facilities/{facility_code}/deposit-settings   {"advance_type"?, "threshold"?, "return_days"?}
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.money import dong
from billing.payments.domain.deposit import AdvanceType
from billing.visit_accounts.service.deposit_settings import ChangedSettings, set_deposit_settings
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, Parameter, operation
from billing.web.request_bodies import Body, InvalidBody, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document


class NewDepositSettings(Body):
    """`advance_type` is guarantee_deposit or prepayment: the type of the advances of this facility in tax documents.

    `threshold`, in whole đồng: when less of the deposit of an inpatient is left, the ward requests more. `return_days`:
    for so many days after the last money under a code its payer may request that an excess is returned; 0 ends the
    term. A field that is left out keeps its setting.
    """

    advance_type: str | None = None
    threshold: int | None = None
    return_days: int | None = None


class DepositSettingsDocument(Document):
    """The deposit settings of a facility; `return_days` is null where no term is stated."""

    advance_type: AdvanceType
    threshold: int
    return_days: int | None


@operation(
    Operation(
        tag="deposits",
        request=NewDepositSettings,
        responses={HTTPStatus.OK: DepositSettingsDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        path={"facility_code": Parameter("MA_CSKCB of the facility")},
    )
)
async def put_deposit_settings(request: web.Request) -> web.Response:
    """Set the advance type of the codes and receipts made from now on, the threshold, and the term of returns."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, NewDepositSettings)
    try:
        advance_type = None if body.advance_type is None else AdvanceType(body.advance_type)
    except ValueError:
        raise InvalidBody([("advance_type", f"is one of {', '.join(AdvanceType)}")]) from None
    settings = await set_deposit_settings(
        context,
        caller.organization_id,
        facility_code=request.match_info["facility_code"],
        changed=ChangedSettings(
            advance_type=advance_type,
            threshold=None if body.threshold is None else dong(body.threshold, field="threshold"),
            return_days=body.return_days,
        ),
        actor=caller.actor,
    )
    return json_response(DepositSettingsDocument.model_validate(settings))
