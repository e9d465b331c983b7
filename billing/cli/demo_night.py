"""The night shift of the demo hospital: its cash is in the safe, from which the floats of the morning are issued.

Without it the first float would leave a safe that the books know as empty.
"""

from datetime import timedelta

from billing.cli.demo_day import FACILITY, Morning
from billing.cli.demo_hospital import HOSPITAL
from billing.cli.demo_staff import DESKS, STAFF
from billing.core.actor import Actor, ActorKind
from billing.core.ids import PersonId
from billing.core.money import NOTHING, Dong
from billing.organizations.service.desks import list_desks
from billing.organizations.service.persons import list_persons
from billing.payments.service.context import PaymentContext
from billing.visit_accounts.domain.collection import CollectedPart, Collection
from billing.visit_accounts.domain.receipt import PartMethod
from billing.visit_accounts.service.collections import collect_at_desk
from billing.visit_accounts.service.desk_search import find_at_desk
from billing.visit_accounts.service.hand_overs import accept_hand_over, hand_over_cash
from billing.visit_accounts.service.shifts import NewShift, close_shift, end_shift, open_shift

_ADVANCES = (Dong(2_000_000), Dong(5_000_000), Dong(3_000_000))
_NOTE = 500_000
_BEFORE = timedelta(hours=1, minutes=30)


async def work_night(context: PaymentContext, morning: Morning) -> None:
    """A shift that takes advances of patients in cash, is closed by a second person, and handed over to the safe."""
    persons = {person.name: person.id for person in await list_persons(context, HOSPITAL)}
    [cashier, head, treasurer] = [_person(persons, login_name) for login_name in ("thungan2", "truongca", "thuquy")]
    [desk] = [desk.id for desk in await list_desks(context, HOSPITAL) if desk.name == DESKS[1]]
    opened = NewShift(desk_id=desk, opening_float=NOTHING)
    shift_id = await open_shift(context, HOSPITAL, opened, actor=cashier)
    for amount in _ADVANCES:
        ma_lk = await morning.admit(context.clock() - _BEFORE)
        found = await find_at_desk(context, HOSPITAL, ma_lk, facility_code=FACILITY)
        assert found.only is not None, "the visit was sent"
        part = CollectedPart(method=PartMethod.CASH, amount=amount, tendered=amount)
        advance = Collection(visit_id=found.only.visit_id, parts=[part], amount=amount)
        await collect_at_desk(context, HOSPITAL, advance, actor=cashier)
    cash = Dong(sum(_ADVANCES))
    await end_shift(context, HOSPITAL, shift_id, {str(_NOTE): cash // _NOTE}, actor=cashier)
    await close_shift(context, HOSPITAL, shift_id, actor=head)
    sent = await hand_over_cash(context, HOSPITAL, shift_id, cash, notes="Ca đêm", actor=cashier)
    await accept_hand_over(context, HOSPITAL, sent, actor=treasurer)


def _person(persons: dict[str, PersonId], login_name: str) -> Actor:
    [name] = [person.name for person in STAFF if person.login_name == login_name]
    return Actor(ActorKind.PERSON, persons[name], persons[name])
