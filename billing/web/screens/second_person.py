"""The second person at the screen of another one: the fields `second_person` and `second_secret` of a form."""

from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from billing.core.errors import InvalidValue, Refused
from billing.core.ids import PersonId
from billing.organizations.domain.rights import Right
from billing.organizations.service.api_keys import Caller
from billing.organizations.service.second_persons import SecondPerson, list_second_persons, verify_person
from billing.visit_accounts.domain.facility_subject import FacilitySubject
from billing.visit_accounts.service.facility_limits import find_reached
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.forms import Form
from billing.web.screens.session import current


class SecondPersonNotReached(Refused):
    """The second person does not work at the facility of what is decided."""

    code = "second_person_not_reached"


async def find_second_persons(request: web.Request, right: Right) -> Sequence[SecondPerson]:
    """The persons other than the one of the session who may decide, at the facility of the desk."""
    session = current(request)
    return await list_second_persons(
        app_state(request).context,
        session.caller.organization_id,
        right,
        other_than=session.stored.person_id,
        facility_code=session.facility,
    )


async def verify_second_person(
    request: web.Request, form: Form, right: Right, subject: FacilitySubject, row_id: UUID
) -> Caller:
    """The second person of a form, who reaches the row that is decided on.

    Raises InvalidValue, NotFound, SecondPersonRejected, SecondPersonNotReached, NotPermitted.
    """
    session, app = current(request), app_state(request)
    if not form.text("second_person") or not form.text("second_secret"):
        raise InvalidValue("choose the second person, who enters a PIN or password", field="second_secret")
    person_id = PersonId(read_id(form.text("second_person"), field="second_person"))
    person = await verify_person(
        app.context,
        session.caller.organization_id,
        person_id,
        form.text("second_secret"),
        limits=app.limits.sign_in,
        passwords=app.passwords,
    )
    caller = Caller(
        session.caller.organization_id,
        person.actor,
        name=f"person {person_id}",
        roles=person.roles,
        facility_codes=person.facility_codes,
    )
    caller.require(right)
    codes = caller.facility_codes
    if codes is not None and not await find_reached(
        app.context, caller.organization_id, subject, [row_id], facility_codes=codes
    ):
        raise SecondPersonNotReached("the second person works at other facilities", field="second_person")
    return caller
