"""The policy options of a facility, set by two persons.

GET  /v1/policy-options                          the options, each with the legal question
POST /v1/facility-policies                 {"facility", "valid_from", "options"}
GET  /v1/facility-policies                 ?facility
GET  /v1/facility-policies/{id}
"""

from http import HTTPStatus
from uuid import UUID

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.coverage.domain.policy import Policy
from billing.coverage.domain.policy_options import PolicyOption, all_policy_options
from billing.coverage.formats.policy_json import write_policy_options
from billing.coverage.service.facility_policies import (
    FacilityPolicy,
    SettingScope,
    find_facility_policy,
    list_facility_policies,
    propose_facility_policy,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import DecisionDocument, decision_document
from billing.web.operation import Operation, operation
from billing.web.pagination import page_document, read_page
from billing.web.price_documents import by_language
from billing.web.request_bodies import Body, read_day, read_id, read_idempotent
from billing.web.responses import created_response, json_response
from billing.web.schemas import EXACTLY, PageDocument


class NewFacilityPolicy(Body):
    """All options for visits admitted from a day on: texts by name. An option that is not named has its default."""

    facility: str = Field(min_length=1, max_length=20)
    valid_from: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    options: dict[str, str]


@with_config(EXACTLY)
class FacilityPolicyDocument(TypedDict):
    """The policy of a facility. It is in force once its approval is `approved`."""

    id: str
    facility: str
    valid_from: str
    options: dict[str, str]
    approval: DecisionDocument


@with_config(EXACTLY)
class PolicyOptionDocument(TypedDict):
    """One policy option: its rule, the legal question, its values with their meaning, or the form of a value."""

    name: str
    rule: str
    title: dict[str, str]
    question: dict[str, str]
    default: str
    choices: dict[str, dict[str, str]]
    form: dict[str, str] | None


@with_config(EXACTLY)
class PolicyOptionsDocument(TypedDict):
    """Every policy option."""

    items: list[PolicyOptionDocument]


@operation(Operation(tag="policies", responses={HTTPStatus.OK: PolicyOptionsDocument}))
async def get_policy_options(_request: web.Request) -> web.Response:
    """List the policy options: the choices that the law leaves open."""
    defaults = write_policy_options(Policy())
    return json_response(
        {"items": [_policy_option(each, defaults[each.name]) for each in all_policy_options().values()]}
    )


@operation(
    Operation(
        tag="policies",
        request=NewFacilityPolicy,
        responses={HTTPStatus.CREATED: FacilityPolicyDocument},
        problems=(HTTPStatus.NOT_FOUND,),
        is_creating=True,
    )
)
async def post_facility_policy(request: web.Request) -> web.Response:
    """Propose the policy options of a facility. Another person must approve them."""
    app, caller = app_state(request), request[CALLER]
    body, idempotent_request = await read_idempotent(request, NewFacilityPolicy)
    policy_id = await propose_facility_policy(
        app.context,
        caller.organization_id,
        SettingScope(facility_code=body.facility, valid_from=read_day(body.valid_from, field="valid_from")),
        body.options,
        actor=caller.actor,
        request=idempotent_request,
    )
    row = await find_facility_policy(app.context, caller.organization_id, policy_id)
    return created_response(_facility_policy(row), idempotent_request, location=f"/v1/facility-policies/{policy_id}")


@operation(
    Operation(
        tag="policies",
        responses={HTTPStatus.OK: PageDocument[FacilityPolicyDocument]},
        filters={"facility": "the facility's MA_CSKCB"},
        problems=(HTTPStatus.NOT_FOUND,),
    )
)
async def get_facility_policies(request: web.Request) -> web.Response:
    """List facility policies and proposals, the newest first."""
    page = read_page(request, filters=("facility",))
    rows = await list_facility_policies(
        app_state(request).context,
        request[CALLER].organization_id,
        after=page.after,
        limit=page.limit + 1,
        facility_code=page.filters.get("facility"),
    )
    return json_response(page_document(rows, page, _facility_policy))


@operation(
    Operation(tag="policies", responses={HTTPStatus.OK: FacilityPolicyDocument}, problems=(HTTPStatus.NOT_FOUND,))
)
async def get_facility_policy(request: web.Request) -> web.Response:
    """Read one facility policy."""
    return await _answer(request, _id(request))


def _id(request: web.Request) -> UUID:
    return read_id(request.match_info["id"], field="policy_id")


async def _answer(request: web.Request, policy_id: UUID) -> web.Response:
    row = await find_facility_policy(app_state(request).context, request[CALLER].organization_id, policy_id)
    return json_response(_facility_policy(row))


def _facility_policy(row: FacilityPolicy) -> FacilityPolicyDocument:
    assert row.approval is not None, "a policy is always proposed"
    return {
        "id": str(row.id),
        "facility": row.facility_code,
        "valid_from": row.valid_from.isoformat(),
        "options": dict(row.options),
        "approval": decision_document(row.approval),
    }


def _policy_option(reading: PolicyOption, default: str) -> PolicyOptionDocument:
    return {
        "name": reading.name,
        "rule": reading.rule,
        "title": by_language(reading.title),
        "question": by_language(reading.question),
        "default": default,
        "choices": {value: by_language(texts) for value, texts in reading.choices.items()},
        "form": None if reading.form is None else by_language(reading.form),
    }
