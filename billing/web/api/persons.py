"""Persons and keys of the organization: who may act, with which roles, at which facilities.

GET  /v1/persons
GET  /v1/keys
POST /v1/keys/{id}/revoke
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.actor import Role
from billing.core.ids import ApiKeyId
from billing.organizations.service.persons import KeyRow, PersonRow, list_keys, list_persons, revoke_key
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, operation
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import Document, Text


class PersonDocument(Document):
    """A person. `duplicate_of`: the person with the same name, who counts as the same human."""

    id: Text
    name: str
    roles: list[Role]
    duplicate_of: Text | None


class PersonListDocument(Document):
    """Every person of the organization, by name."""

    items: list[PersonDocument]


class KeyDocument(Document):
    """A key, without its secret. `facility_codes` are the facilities at which it works; null is all of them."""

    id: Text
    name: str
    person_id: Text
    person_name: str
    roles: list[Role]
    facility_codes: list[str] | None
    created_at: Text
    expires_at: Text | None
    revoked_at: Text | None


class KeyListDocument(Document):
    """Every key ever created, by name and age."""

    items: list[KeyDocument]


@operation(Operation(tag="persons", responses={HTTPStatus.OK: PersonListDocument}))
async def get_persons(request: web.Request) -> web.Response:
    """List the persons of the organization with their roles."""
    persons = await list_persons(app_state(request).context, request[CALLER].organization_id)
    items = [PersonDocument.model_validate(_values(one) | {"roles": sorted(one.roles)}) for one in persons]
    return json_response(PersonListDocument(items=items))


@operation(Operation(tag="persons", responses={HTTPStatus.OK: KeyListDocument}))
async def get_keys(request: web.Request) -> web.Response:
    """List the keys of the organization; no secret can be read again."""
    keys = await list_keys(app_state(request).context, request[CALLER].organization_id)
    return json_response(KeyListDocument(items=[_key(key) for key in keys]))


@operation(Operation(tag="persons", responses={HTTPStatus.OK: KeyDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def post_key_revocation(request: web.Request) -> web.Response:
    """Revoke a key. It is refused within a few seconds and stays revoked."""
    caller, key_id = request[CALLER], ApiKeyId(read_id(request.match_info["id"], field="key_id"))
    key = await revoke_key(app_state(request).context, caller.organization_id, key_id, actor=caller.actor)
    return json_response(_key(key))


def _key(key: KeyRow) -> KeyDocument:
    codes = None if key.facility_codes is None else sorted(key.facility_codes)
    return KeyDocument.model_validate(_values(key) | {"roles": sorted(key.roles), "facility_codes": codes})


def _values(row: PersonRow | KeyRow) -> dict[str, object]:
    """The fields of a row that its document has."""
    shown = PersonDocument if isinstance(row, PersonRow) else KeyDocument
    return {name: getattr(row, name) for name in shown.model_fields}
