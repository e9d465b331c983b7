"""The payment page: shows a collection to the payer behind a random token, without anything that reveals an illness.

A code is shown only after it was read back: it must pay the approved account, request exactly the amount still due and
contain our reference code. Source: docs/design.md §7; docs/ux.md, Patient page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import structlog

from billing.checkout.formats.vietqr import read_vietqr
from billing.checkout.service.payment_codes import due_of, payload_for
from billing.checkout.store.pay_pages import expedite_poll_of, read_pay_page, read_versions
from billing.core.errors import NotFound
from billing.core.ids import IntentId, OrganizationId
from billing.core.money import Dong, half_up_dong, total
from billing.core.text import shorten_name
from billing.coverage.domain.price_result import AppliedRule
from billing.payments.domain.amount_due import COLLECTING, PatientState
from billing.payments.domain.poll_schedule import LEASE
from billing.payments.service.context import PaymentContext
from providers.addresses import safe_redirect

POLL_INTERVAL_MIN = timedelta(minutes=1)
"""The shortest interval between two polls of a provider, however often a patient reports a transfer."""

_PUBLIC_RULES = frozenset({"B-020", "B-080"})
"""The 15 % of the base salary, and rounding. Card, object code and route would reveal more than a screen may."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBill:
    """One invoice on the page, shares in whole đồng; the patient's name is shortened.

    `copay` and `self_pay` are the two parts of the patient's share before rounding. `reasons` apply to the whole visit
    and reveal neither the card nor the reason of the visit.
    """

    number: str
    visit_number: str
    patient: str
    patient_share: Dong
    other_share: Dong
    insurer_share: Dong
    private_share: Dong
    copay: Decimal
    self_pay: Decimal
    reasons: tuple[AppliedRule, ...]

    @property
    def is_whole_visit(self) -> bool:
        """Whether the parts add up to the share; a further invoice of a visit requests only the difference."""
        return half_up_dong(total([self.copay, self.self_pay])) == self.patient_share + self.private_share


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
class PagePayment:
    """Money received under the code: whole đồng, time at the bank, the bank's reference or else the provider's."""

    amount: Dong
    occurred_at: datetime
    bank_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRedirect:
    """The provider's own page, for exactly the amount due; `fields` are posted to it, if any."""

    address: str
    host: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayPage:
    """The content of the page, in whole đồng.

    `due` is the amount still to be paid under this code, 0 if none is; `owed` is the amount its invoices still owe by
    any code.
    """

    intent_id: IntentId
    version: int
    hospital: str
    help_phone: str
    bills: tuple[PageBill, ...]
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


async def find_pay_page(context: PaymentContext, organization_id: OrganizationId, token: bytes) -> PayPage:
    """The page of a token, in the current state. Raises NotFound."""
    async with context.database.transaction(organization_id) as tx:
        row = await read_pay_page(tx, token)
    if row is None:
        raise NotFound("no such page")
    return await _page(context, organization_id, row)


async def expedite_poll(context: PaymentContext, organization_id: OrganizationId, token: bytes) -> None:
    """The patient reports a transfer: the provider is polled sooner. The report itself pays nothing.

    May be repeated; a provider is polled once a minute at most. Raises NotFound.
    """
    now = context.clock()
    async with context.database.transaction(organization_id) as tx:
        row = await read_pay_page(tx, token)
        if row is None:
            raise NotFound("no such page")
        await expedite_poll_of(
            tx, IntentId(row["id"]), now=now, leases_end_by=now + LEASE, last_polled_by=now - POLL_INTERVAL_MIN
        )


async def find_versions(
    context: PaymentContext, organization_id: OrganizationId, intent_ids: Sequence[IntentId]
) -> dict[IntentId, int]:
    """The versions of pages: a version that has grown means changed content."""
    async with context.database.transaction(organization_id) as tx:
        return await read_versions(tx, intent_ids)


async def _page(context: PaymentContext, organization_id: OrganizationId, row: Mapping[str, Any]) -> PayPage:
    amount, received = Dong(row["amount"]), Dong(row["received"])
    owed = Dong(sum(bill["owed"] for bill in row["bills"]))
    now = due_of({**row, "owed": owed})
    is_collecting = now.remaining > 0 and now.state in COLLECTING
    return PayPage(
        intent_id=IntentId(row["id"]),
        version=int(row["version"]),
        hospital=row["hospital"],
        help_phone=row["phone"],
        bills=tuple(_bill(bill) for bill in row["bills"]),
        reference=row["reference_code"],
        state=now.state,
        amount=amount,
        received=received,
        credit=Dong(row["credit"]),
        due=now.due,
        owed=owed,
        payments=tuple(
            PagePayment(
                amount=Dong(each["amount"]),
                occurred_at=datetime.fromisoformat(each["occurred_at"]),
                bank_reference=each["bank_reference"],
            )
            for each in row["payments"]
        ),
        expires_at=row["expires_at"],
        code=await _code(context, organization_id, row, now.remaining) if is_collecting else None,
        # A provider's page requests its original amount; once money was received, that would be too much.
        redirect=_redirect(row["instruction"] or {}) if is_collecting and now.remaining == amount else None,
    )


def _bill(bill: Mapping[str, Any]) -> PageBill:
    return PageBill(
        number=bill["number"],
        visit_number=bill["visit_number"],
        patient=shorten_name(bill["patient"]),
        patient_share=Dong(bill["patient_share"]),
        other_share=Dong(bill["other_share"]),
        insurer_share=Dong(bill["insurer_share"]),
        private_share=Dong(bill["private_share"]),
        copay=Decimal(bill["copay"]),
        self_pay=Decimal(bill["self_pay"]),
        reasons=tuple(
            AppliedRule(reason["rule"], reason["operands"], reason.get("variant", ""))
            for reason in bill["reasons"] or ()
            if reason["rule"] in _PUBLIC_RULES
        ),
    )


async def _code(
    context: PaymentContext, organization_id: OrganizationId, row: Mapping[str, Any], due: Dong
) -> PageCode | None:
    """The code for the amount due, read back; None if no code may be shown."""
    payload = await payload_for(context, organization_id, row, due)
    decoded = read_vietqr(payload)
    # The virtual account number of a provider was checked against the account's settings when the code was created.
    collected = (row["instruction"] or {}).get("account_number") or row["account_number"]
    approved = [(row["bank_bin"], number, due) for number in (row["account_number"], collected)]
    if decoded is None or (decoded.bank_bin, decoded.account_number, decoded.amount) not in approved:
        if payload:
            log.error("code_not_shown", intent_id=str(row["id"]), reason="it does not pay the approved account")
        return None
    if row["reference_code"] not in decoded.purpose:
        log.error("code_not_shown", intent_id=str(row["id"]), reason="it does not carry the reference")
        return None
    return PageCode(
        payload=payload,
        text=decoded.purpose,
        bank_bin=decoded.bank_bin,
        bank_name=context.bank_names.get(decoded.bank_bin, ""),
        account_number=decoded.account_number,
        holder=row["holder"],
    )


def _redirect(instruction: Mapping[str, Any]) -> PageRedirect | None:
    address = safe_redirect(instruction.get("redirect_url") or "")
    if not address:
        return None
    host = urlsplit(address).hostname or ""
    fields = tuple((name, value) for name, value in instruction.get("form_fields") or ())
    return PageRedirect(address=address, host=host, fields=fields)
