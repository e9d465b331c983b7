"""The payment page: shows a collection to the payer behind a random token, without anything that reveals an illness.

A code is shown only after it was read back: it must pay the approved account, request exactly the amount still due and
contain our reference code. Source: docs/design.md §7; docs/ux.md, Patient page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog

from billing.checkout.domain.page_content import (
    PageBill,
    PageDeposit,
    PagePayment,
    PageReturn,
    PageSurplus,
    SurplusChoice,
    last_day_of_choice,
    surplus_of,
)
from billing.checkout.formats.vietqr import read_vietqr
from billing.checkout.service.payment_codes import payload_for
from billing.checkout.store import pay_pages as store
from billing.checkout.store.pay_pages import PageIntent, expedite_poll_of, read_pay_page, read_versions
from billing.core.actor import Actor
from billing.core.clock import business_date
from billing.core.errors import NotFound
from billing.core.ids import IntentId, OrganizationId
from billing.core.money import NOTHING, Dong
from billing.core.text import shorten_name
from billing.ledger.service.audit import note
from billing.payments.domain.amount_due import COLLECTING, PatientState
from billing.payments.domain.poll_schedule import LEASE
from billing.payments.service.context import PaymentContext
from providers.addresses import safe_redirect
from providers.contract import PaymentInstruction

POLL_INTERVAL_MIN = timedelta(minutes=1)
"""The shortest interval between two polls of a provider, however often a patient reports a transfer."""

_PUBLIC_RULES = frozenset({"B-020", "B-080"})
"""The 15 % of the base salary, and rounding. Card, object code and route would reveal more than a screen may."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCode:
    """The code for the amount due; `payload` was read back."""

    payload: str
    text: str
    bank_bin: str
    bank_name: str
    account_number: str
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRedirect:
    """The provider's own page, for exactly the amount due; `fields` are posted to it, if any."""

    address: str
    host: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayPage:
    """The content of the page, in whole đồng.

    `due` is the amount still to be paid under this code, 0 if none is; `owed` is the amount its target still owes by
    any code. It has bills, or the deposit of a visit. `surplus` is what was paid too much; `returns` are the refunds of
    money that came under this code.
    """

    intent_id: IntentId
    version: int
    hospital: str
    is_training: bool
    help_phone: str
    bills: tuple[PageBill, ...]
    deposit: PageDeposit | None
    is_standing: bool
    reference: str
    state: PatientState
    amount: Dong
    received: Dong
    credit: Dong
    due: Dong
    owed: Dong
    payments: tuple[PagePayment, ...]
    expires_at: datetime | None
    code: PageCode | None
    redirect: PageRedirect | None
    surplus: PageSurplus
    returns: tuple[PageReturn, ...]


async def find_pay_page(context: PaymentContext, organization_id: OrganizationId, token: bytes) -> PayPage:
    """The page of a token, in the current state. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        intent = await read_pay_page(tx, token)
    if intent is None:
        raise NotFound("no such page")
    return await _page(context, organization_id, intent)


async def expedite_poll(context: PaymentContext, organization_id: OrganizationId, token: bytes) -> None:
    """The patient reports a transfer: the provider is polled sooner. The report itself pays nothing.

    May be repeated; a provider is polled once a minute at most. Raises NotFound.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        intent = await read_pay_page(tx, token)
        if intent is None:
            raise NotFound("no such page")
        await expedite_poll_of(
            tx, intent.id, now=now, leases_end_by=now + LEASE, last_polled_by=now - POLL_INTERVAL_MIN
        )


async def choose_surplus(
    context: PaymentContext, organization_id: OrganizationId, token: bytes, choice: SurplusChoice
) -> None:
    """Record whether the payer wishes that excess money is kept or returned; nothing where there is no choice.

    No money moves: a return is a request that finance accepts or declines (`reconciliation/service/surplus_returns`),
    and keeping the excess withdraws it. May be repeated and changed until finance acts or the term has passed. Raises
    NotFound.
    """
    async with context.database.transaction(organization_id) as tx:
        intent = await read_pay_page(tx, token)
        if intent is None:
            raise NotFound("no such page")
        if not _surplus(intent, context).may_choose:
            return
        # Finance locks the same positions when it accepts: of both, one comes first and the other reads its result.
        await store.lock_payments(tx, intent.id)
        locked = await read_pay_page(tx, token)
        if locked is None or not _surplus(locked, context).may_choose:
            return
        if await store.choose_surplus(tx, intent.id, choice, at=context.clock()):
            action = "surplus_return_wished" if choice is SurplusChoice.RETURN else "surplus_kept"
            await note(tx, context, Actor.system(), action, ("intent", intent.id))
    context.publish_change(organization_id)


async def find_versions(
    context: PaymentContext, organization_id: OrganizationId, intent_ids: Sequence[IntentId]
) -> dict[IntentId, int]:
    """The versions of pages: a version that has grown means changed content."""
    async with context.database.transaction(organization_id) as tx:
        return await read_versions(tx, intent_ids)


async def _page(context: PaymentContext, organization_id: OrganizationId, intent: PageIntent) -> PayPage:
    now = intent.due
    is_collecting = intent.is_collecting and now.state in COLLECTING
    # A provider's page requests its original amount; once money was received, that would be too much.
    may_redirect = is_collecting and now.remaining == intent.amount
    return PayPage(
        intent_id=intent.id,
        version=intent.version,
        hospital=intent.hospital,
        is_training=intent.is_training,
        help_phone=intent.help_phone,
        bills=tuple(_for_screen(bill) for bill in intent.bills),
        deposit=None
        if intent.deposit is None
        else replace(intent.deposit, patient=_name(intent.deposit.patient, intent.deposit.birth)),
        is_standing=intent.is_standing,
        reference=intent.reference_code,
        state=now.state,
        amount=intent.amount,
        received=intent.received,
        credit=intent.credit,
        due=now.due,
        owed=intent.owed,
        payments=intent.payments,
        expires_at=intent.expires_at,
        code=await _code(context, organization_id, intent, now.remaining) if is_collecting else None,
        redirect=_redirect(intent.instruction) if may_redirect else None,
        surplus=_surplus(intent, context),
        returns=intent.returns,
    )


def _surplus(intent: PageIntent, context: PaymentContext) -> PageSurplus:
    """The excess under the code. Of a deposit it is free until the final bill, which bills the whole visit."""
    whole = PatientState.PAID if intent.deposit is not None else PatientState.OVER
    is_whole = intent.due.state is whole and not intent.is_closed
    return surplus_of(
        intent.surplus if is_whole or intent.is_closed else NOTHING,
        intent.chosen,
        last_day=last_day_of_choice(intent.last_received_at, intent.return_days),
        today=business_date(context.clock()),
        is_whole=is_whole,
    )


def _name(patient: str, birth: str) -> str:
    """The shortened name with the year of birth, where both are known: "Nguyễn V. An – 1958"."""
    short, year = shorten_name(patient), birth[:4]
    return f"{short} – {year}" if short and year.isdigit() and year != "0000" else short


def _for_screen(bill: PageBill) -> PageBill:
    """A bill with a shortened name, and only with reasons that reveal neither the card nor the reason of the visit."""
    reasons = tuple(reason for reason in bill.reasons if reason.rule in _PUBLIC_RULES)
    return replace(bill, patient=_name(bill.patient, bill.birth), reasons=reasons)


async def _code(
    context: PaymentContext, organization_id: OrganizationId, intent: PageIntent, due: Dong
) -> PageCode | None:
    """The code for the amount due, read back; without an amount if it is standing. None if no code may be shown."""
    payload = await payload_for(context, organization_id, intent, due)
    decoded = read_vietqr(payload)
    # The virtual account number of a provider was checked against the account's settings when the code was created.
    collected = (intent.instruction and intent.instruction.account_number) or intent.account_number
    approved = [(intent.bank_bin, number, due or None) for number in (intent.account_number, collected)]
    if decoded is None or (decoded.bank_bin, decoded.account_number, decoded.amount) not in approved:
        if payload:
            log.error("code_not_shown", intent_id=str(intent.id), reason="it does not pay the approved account")
        return None
    if intent.reference_code not in decoded.purpose:
        log.error("code_not_shown", intent_id=str(intent.id), reason="it does not carry the reference")
        return None
    return PageCode(
        payload=payload,
        text=decoded.purpose,
        bank_bin=decoded.bank_bin,
        bank_name=context.bank_names.get(decoded.bank_bin, ""),
        account_number=decoded.account_number,
        holder=intent.holder or "",
    )


def _redirect(instruction: PaymentInstruction | None) -> PageRedirect | None:
    address = "" if instruction is None else safe_redirect(instruction.redirect_url)
    if instruction is None or not address:
        return None
    return PageRedirect(address=address, host=urlsplit(address).hostname or "", fields=instruction.form_fields)
