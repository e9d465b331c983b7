"""Messages about open visits: headers, charges, cancellations. Each is priced with no lock held, then written.

The rows are read and the change is planned; the planned visit is priced; then the rows are locked, the change is
planned again, and it is written if the priced visit is still the planned one; otherwise all of this is repeated.
A refusal is stored in the integration inbox in a transaction of its own. Source: docs/visit-accounts.md, Versions and
messages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

import asyncpg

from billing.core.actor import Actor
from billing.core.approvals import PersonNeeded
from billing.core.errors import BillingError, CommitUnknown, InvalidValue, Unavailable
from billing.core.ids import DepositId, FacilityId, OrganizationId, VisitId
from billing.core.reasons import read_reason
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.organizations.store.organizations import find_facility
from billing.payments.domain.deposit import Deposit
from billing.payments.store.deposits import add_deposit, read_deposit_of_visit
from billing.visit_accounts.domain.account import (
    AccountState,
    AppointmentNotUsable,
    UnknownFacility,
    UnknownVisit,
    VisitAccount,
)
from billing.visit_accounts.domain.charge import ChargeState, VisitContent
from billing.visit_accounts.domain.final_bill import VisitBusy
from billing.visit_accounts.domain.message import (
    AlreadyProcessed,
    Message,
    MessageKind,
    MessageOutcome,
    NotRetryable,
    Processed,
)
from billing.visit_accounts.domain.plan import (
    HeaderFacts,
    Known,
    Plan,
    SttTaken,
    plan_cancellation,
    plan_charges,
    plan_header,
    with_patient,
)
from billing.visit_accounts.domain.pricing import AccountPrice
from billing.visit_accounts.formats.charge_json import read_charges
from billing.visit_accounts.formats.header_json import SubmittedHeader, read_header, write_snapshot
from billing.visit_accounts.service.account_pricing import no_price, price_account
from billing.visit_accounts.service.account_writes import announce, write_plan
from billing.visit_accounts.service.clearing import update_clearance
from billing.visit_accounts.service.message_inbox import read_body, store_message, store_refusal
from billing.visit_accounts.service.patient_matching import find_or_add_patient, identify
from billing.visit_accounts.service.visit_snapshot import build_visit, lock_content, read_content, snapshot_document
from billing.visit_accounts.store.accounts import add_account, find_account, lock_account, write_header
from billing.visit_accounts.store.patients import lock_patient_numbers
from billing.visits.store.visits import add_visit, keep_patient, lock_visit_by_ma_lk, update_stay

_ATTEMPTS = 20
_EMERGENCY = "2"

_turns: WeakValueDictionary[tuple[int, str, str], asyncio.Lock] = WeakValueDictionary()
"""One message about a visit at a time in this process; other processes are excluded by the comparison of the price."""


class _OpenedMeanwhile(Exception):
    """Another message opened the account: nothing of this transaction is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAccount:
    """An account after a message, with its deposit and the lines that the message changed."""

    account: VisitAccount
    content: VisitContent
    deposit: Deposit | None
    outcome: MessageOutcome
    is_new: bool = False
    lines: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Work:
    """One message on its way."""

    context: PricingContext
    organization_id: OrganizationId
    message: Message
    actor: Actor
    is_decision: bool = False  # of a person: it is no message of another system, and not in the inbox


async def put_visit(
    context: PricingContext, organization_id: OrganizationId, message: Message, *, actor: Actor
) -> ChangedAccount:
    """Open the account of a visit, or update its header. Raises the refusals of `plan_header`, InvalidValue."""
    work = _Work(context, organization_id, message, actor)
    return await _with_inbox(work, partial(_put_visit, work))


async def put_charges(
    context: PricingContext, organization_id: OrganizationId, message: Message, *, actor: Actor
) -> ChangedAccount:
    """Add or update charges of an open visit: one, or a batch of which all or none is stored.

    Raises the refusals of `plan_charges`, InvalidValue, UnknownVisit.
    """
    work = _Work(context, organization_id, message, actor)
    return await _with_inbox(work, partial(_put_charges, work))


async def cancel_charge(
    context: PricingContext, organization_id: OrganizationId, message: Message, *, reason: str, actor: Actor
) -> ChangedAccount:
    """Cancel a charge by the decision of a person, also one that was started or performed.

    Raises PersonNeeded, InvalidValue, UnknownVisit, UnknownCharge, VisitClosed.
    """
    if actor.person is None:
        raise PersonNeeded("a person decides to cancel an order")
    text = read_reason(reason)
    work = _Work(context, organization_id, message, actor, is_decision=True)

    def plan(known: Known) -> Plan:
        return plan_cancellation(known, message.line, text, at=context.clock())

    async with _turn(work):
        changed = await _change(work, plan, ma_lk=message.ma_lk)
    context.publish_change(organization_id)
    return changed


async def _with_inbox(work: _Work, run: Callable[[], Awaitable[ChangedAccount]]) -> ChangedAccount:
    """Process a message in its turn; a refusal is stored and raised."""
    try:
        async with _turn(work):
            changed = await run()
        work.context.publish_change(work.organization_id)
        return changed
    except (Unavailable, CommitUnknown):
        raise
    except BillingError as caught:
        refusal = caught
    except asyncpg.UniqueViolationError as caught:
        if caught.constraint_name == "integration_message_source":
            raise AlreadyProcessed("this row of the file was processed before") from caught
        refusal = _of_constraint(caught)
    async with work.context.database.transaction(work.organization_id) as tx:
        await store_refusal(tx, work.context, work.actor, work.message, refusal)
    raise refusal


def _of_constraint(error: asyncpg.UniqueViolationError) -> BillingError:
    if error.constraint_name == "integration_message_accepted_retry":
        return NotRetryable("this message was retried with success meanwhile")
    if error.constraint_name == "charge_item_stt":
        return SttTaken("another line of the table has this STT", field="item.stt")
    raise error


def _turn(work: _Work) -> asyncio.Lock:
    key = (work.organization_id, work.message.facility_code, work.message.ma_lk)
    return _turns.setdefault(key, asyncio.Lock())


async def _put_visit(work: _Work) -> ChangedAccount:
    message, parameters = work.message, work.context.parameters
    body = await asyncio.to_thread(read_body, message)
    header = await asyncio.to_thread(
        lambda: read_header(body, facility_code=message.facility_code, ma_lk=message.ma_lk)
    )
    facts = HeaderFacts(
        ma_lk=message.ma_lk,
        sender_version=header.version,
        document=header.document,
        is_inpatient=header.visit.care_kind in parameters.inpatient_kinds,
        is_emergency=header.visit.category_code == _EMERGENCY,
        is_provisional=header.is_provisional,
        department=header.department,
    )
    async with work.context.database.transaction(work.organization_id, read_only=True) as tx:
        facility_id = await _facility(tx, message.facility_code)
        is_known = await find_account(tx, facility_id, message.ma_lk) is not None
        appointment = (
            None if is_known or not header.appointment else await find_account(tx, facility_id, header.appointment)
        )
    if not is_known and header.appointment:
        if appointment is None:
            raise AppointmentNotUsable(f"the facility has no visit {header.appointment}", field="appointment")
        take_over = partial(plan_header, facts=facts, at=message.received_at, takes_over=True)
        return await _change(work, take_over, ma_lk=header.appointment, header=header)
    if not is_known:
        try:
            return await _open(work, header, facts)
        except _OpenedMeanwhile:
            pass
    return await _change(
        work, partial(plan_header, facts=facts, at=message.received_at), ma_lk=message.ma_lk, header=header
    )


async def _put_charges(work: _Work) -> ChangedAccount:
    message, at = work.message, work.context.clock()
    is_batch = message.kind is MessageKind.CHARGES
    body = await asyncio.to_thread(read_body, message)
    line = None if is_batch else message.line
    read = await asyncio.to_thread(lambda: read_charges(body, line=line, received_at=at))

    def plan(known: Known) -> Plan:
        return plan_charges(known, read, is_batch=is_batch, at=at)

    return await _change(work, plan, ma_lk=message.ma_lk)


async def _open(work: _Work, header: SubmittedHeader, facts: HeaderFacts) -> ChangedAccount:
    """Open an account with its visit, patient and deposit. Raises _OpenedMeanwhile."""
    context, message, now = work.context, work.message, work.context.clock()
    content = VisitContent(header=header.document)
    price = await _price(work, write_snapshot(content, ma_lk=message.ma_lk, facility_code=message.facility_code))
    async with context.database.transaction(work.organization_id) as tx:
        facility_id = await _facility(tx, message.facility_code)
        patient_id = await find_or_add_patient(tx, context, work.actor, header.identity)
        account = VisitAccount(
            visit_id=await _visit_of(tx, facility_id, header, new_id=VisitId(context.ids.new()), at=now),
            facility_id=facility_id,
            facility_code=message.facility_code,
            ma_lk=message.ma_lk,
            patient_id=patient_id,
            state=AccountState.OPEN,
            version=1,
            sender_version=facts.sender_version,
            is_inpatient=facts.is_inpatient,
            is_emergency=facts.is_emergency,
            is_provisional=facts.is_provisional,
            department=facts.department,
            opened_at=now,
        )
        if not await add_account(tx, account):
            raise _OpenedMeanwhile
        await add_deposit(tx, DepositId(context.ids.new()), account.visit_id, at=now)
        plan = Plan(account=account, content=content, is_unchanged=False)
        known = Known(account=account, content=content)
        return await _write(tx, work, plan, known=known, price=price, header=header, is_new=True)


async def _visit_of(
    tx: Transaction, facility_id: FacilityId, header: SubmittedHeader, *, new_id: VisitId, at: datetime
) -> VisitId:
    """The id of the visit: a new one, or that of a visit that was reported as a claim file before."""
    if await add_visit(tx, new_id, facility_id, header.visit, created_at=at):
        return new_id
    reported = await lock_visit_by_ma_lk(tx, facility_id, header.visit.ma_lk)
    assert reported is not None, "a visit is never removed"
    return reported.id


async def _change(
    work: _Work, plan_of: Callable[[Known], Plan], *, ma_lk: str, header: SubmittedHeader | None = None
) -> ChangedAccount:
    """Plan, price, lock, plan again, and write if the price is that of the plan; otherwise repeat."""
    context = work.context
    for _ in range(_ATTEMPTS):
        async with context.database.transaction(work.organization_id, read_only=True) as tx:
            account = await find_account(tx, await _facility(tx, work.message.facility_code), ma_lk)
            if account is None:
                raise UnknownVisit(f"the facility has no visit {ma_lk}; send its header first", field="ma_lk")
            plan = plan_of(Known(account=account, content=await read_content(tx, account)))
        document = snapshot_document(plan.account, plan.content)
        price = no_price("") if plan.is_unchanged else await _price(work, document)
        async with context.database.transaction(work.organization_id) as tx:
            if header is not None:
                await lock_patient_numbers(tx, header.identity)
            locked = await lock_account(tx, account.visit_id)
            assert locked is not None, "an account is never removed"
            known = Known(account=locked, content=await lock_content(tx, locked))
            again = plan_of(known)
            if again.is_unchanged or (
                not plan.is_unchanged and snapshot_document(again.account, again.content) == document
            ):
                return await _write(tx, work, again, known=known, price=price, header=header)
    raise VisitBusy(f"visit {ma_lk} changes all the time; send the message again")


async def _write(
    tx: Transaction,
    work: _Work,
    plan: Plan,
    *,
    known: Known,
    price: AccountPrice,
    header: SubmittedHeader | None,
    is_new: bool = False,
) -> ChangedAccount:
    """Write a plan and its message, in the transaction that holds the account locked."""
    context, account, content = work.context, plan.account, plan.content
    outcome = MessageOutcome.UNCHANGED if plan.is_unchanged else MessageOutcome.ACCEPTED
    if not plan.is_unchanged:
        if header is not None:
            if not is_new:
                patient_id = await identify(tx, context, work.actor, account.patient_id, header.identity)
                plan = with_patient(plan, patient_id)
            await write_header(tx, account.visit_id, header.document)
            await update_stay(tx, account.visit_id, header.visit)
            await keep_patient(tx, account.visit_id, header.visit.patient)
        account, content = await write_plan(tx, context, work.actor, plan, known=known, price=price)
        await announce(tx, context, work.actor, account, _action(plan, header, is_new=is_new))
        content = await _clear(tx, context, account, content)
    if not work.is_decision:
        version = account.sender_version if header is not None else _version_of(work.message, content)
        processed = Processed(
            outcome=outcome, facility_id=account.facility_id, sender_version=version, difference=plan.difference
        )
        await store_message(tx, context, work.actor, work.message, processed)
    return ChangedAccount(
        account=account,
        content=content,
        deposit=await read_deposit_of_visit(tx, account.visit_id),
        outcome=outcome,
        is_new=is_new,
        lines=plan.changed,
    )


async def _clear(
    tx: Transaction, context: PricingContext, account: VisitAccount, content: VisitContent
) -> VisitContent:
    """The content after the clearance of its orders was computed again."""
    result = await update_clearance(tx, context, account.visit_id)
    states = {each.line: ChargeState.CLEARED for each in result.cleared}
    states |= {each.line: ChargeState.ORDERED for each in result.withdrawn}
    now = context.clock()
    charges = {line: content.charges[line].with_state(state, at=now) for line, state in states.items()}
    return replace(content, charges={**content.charges, **charges})


def _version_of(message: Message, content: VisitContent) -> int | None:
    charge = content.charges.get(message.line)
    return None if charge is None else charge.version


def _action(plan: Plan, header: SubmittedHeader | None, *, is_new: bool) -> str:
    if is_new:
        return "visit_opened"
    if header is not None:
        return "visit_header_changed"
    return "charges_changed" if plan.cancellation is None else "charge_cancelled"


async def _price(work: _Work, document: Mapping[str, object]) -> AccountPrice:
    """The price of a visit document, computed outside of the event loop while no lock is held."""
    try:
        visit = await build_visit(document)
    except InvalidValue as refusal:
        return no_price(refusal.detail)
    async with work.context.database.transaction(work.organization_id, read_only=True) as tx:
        [terms] = await load_pricing_inputs(tx, work.context, [visit])
    return await asyncio.to_thread(price_account, visit, terms)


async def _facility(tx: Transaction, code: str) -> FacilityId:
    facility_id = await find_facility(tx, code)
    if facility_id is None:
        raise UnknownFacility(f"the organization has no facility {code[:20]}", field="facility_code")
    return facility_id
