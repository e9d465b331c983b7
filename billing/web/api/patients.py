"""Patients: found at registration with what they owe, identified later, merged.

GET  /v1/patients                  ?citizen_number | ?hospital_number
GET  /v1/patients/{id}
POST /v1/patients/{id}/identity
POST /v1/patients/{id}/merge
"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import Field, with_config
from typing_extensions import TypedDict

from billing.core.ids import PatientId
from billing.visit_accounts.formats.header_json import read_identity
from billing.visit_accounts.formats.message_schema import IDENTITY_SCHEMA
from billing.visit_accounts.service.patients import (
    PatientView,
    find_patient,
    identify_patient,
    list_patients,
    merge_patient,
)
from billing.visits.formats.json_fields import Fields
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.pagination import InvalidQuery, read_query
from billing.web.request_bodies import Body, read_id, read_json, read_model
from billing.web.responses import json_response
from billing.web.schemas import EXACTLY

_NUMBERS = {
    "citizen_number": "citizen number (SO_CCCD)",
    "hospital_number": "patient number of the hospital (MA_BN)",
}


class MergeBody(Body):
    """The patient that another one is merged into, and why."""

    into: str
    reason: str = Field(min_length=3, max_length=1000)


@with_config(EXACTLY)
class PatientDocument(TypedDict):
    """A patient. `owed` is the debt on issued invoices, `held` the money on deposits, in đồng.

    `identity` has the fields of the data standard, `nationality` and `child_of`; null once erased.
    """

    id: str
    is_unknown: bool
    guardian_id: str | None
    merged_into: str | None
    identity: dict[str, Any] | None
    owed: int
    held: int
    has_debt: bool


@with_config(EXACTLY)
class PatientsDocument(TypedDict):
    """The patients with a number."""

    items: list[PatientDocument]


@operation(Operation(tag="patients", responses={HTTPStatus.OK: PatientsDocument}, query=_NUMBERS))
async def get_patients(request: web.Request) -> web.Response:
    """Find patients by number, with open debts and deposits: the warning at the next registration."""
    given = read_query(request, tuple(_NUMBERS))
    if not given:
        raise InvalidQuery("citizen_number or hospital_number is needed", field="citizen_number")
    found = await list_patients(app_state(request).context, request[CALLER].organization_id, **given)
    return json_response({"items": [_document(view) for view in found]})


@operation(Operation(tag="patients", responses={HTTPStatus.OK: PatientDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_patient(request: web.Request) -> web.Response:
    """Read one patient with open debts and deposits."""
    patient_id = PatientId(read_id(request.match_info["id"], field="patient_id"))
    return json_response(
        _document(await find_patient(app_state(request).context, request[CALLER].organization_id, patient_id))
    )


@operation(
    Operation(
        tag="patients",
        request=IDENTITY_SCHEMA,
        responses={HTTPStatus.OK: PatientDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_identity(request: web.Request) -> web.Response:
    """Identify a patient who was unknown, or correct an identity."""
    caller = request[CALLER]
    patient_id = PatientId(read_id(request.match_info["id"], field="patient_id"))
    body = await read_json(request, size_max=app_state(request).limits.body_size_max)
    view = await identify_patient(
        app_state(request).context,
        caller.organization_id,
        patient_id,
        read_identity(Fields(body, "")),
        actor=caller.actor,
    )
    return json_response(_document(view))


@operation(
    Operation(
        tag="patients",
        request=MergeBody,
        responses={HTTPStatus.OK: PatientDocument},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
)
async def post_merge(request: web.Request) -> web.Response:
    """Merge a patient into another one, whose document is the answer. Accounts move; the merge stays on record."""
    caller = request[CALLER]
    patient_id = PatientId(read_id(request.match_info["id"], field="patient_id"))
    body = await read_model(request, MergeBody)
    view = await merge_patient(
        app_state(request).context,
        caller.organization_id,
        patient_id,
        into=PatientId(read_id(body.into, field="into")),
        reason=body.reason,
        actor=caller.actor,
    )
    return json_response(_document(view))


def _document(view: PatientView) -> PatientDocument:
    patient, money = view.patient, view.money
    return {
        "id": str(patient.id),
        "is_unknown": patient.is_unknown,
        "guardian_id": _text(patient.guardian_id),
        "merged_into": _text(patient.merged_into),
        "identity": None if patient.document is None else dict(patient.document),
        "owed": money.owed,
        "held": money.held,
        "has_debt": money.owed > 0,
    }


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)
