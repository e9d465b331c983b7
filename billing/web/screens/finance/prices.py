"""Price lists: their states, the changes of one against the list that it replaces, and its way into force.

GET  /finance/prices                 ?state, ?after
GET  /finance/prices/{id}            ?change (added, removed, changed, unusual)
GET  /finance/prices/{id}/repriced   what the list changes of the visits that were billed last
POST /finance/prices/{id}/activate
POST /finance/prices/{id}/discard

A second person approves a list in the inbox of approvals. Source: docs/ux.md, Finance; docs/prices.md.
"""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from aiohttp import web

from billing.core.errors import BillingError
from billing.invoices.service.reprice import reprice_newest
from billing.organizations.domain.approval import ApprovalKind, ApprovalState, right_of
from billing.organizations.domain.rights import Right
from billing.tariffs.domain.tariff import ChangeKind, PriceChange, TariffId, TariffState
from billing.tariffs.service.price_lists import activate_tariff, discard_tariff, find_tariff, list_changes, list_tariffs
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import form_id, read_given, read_uuid, read_word
from billing.web.screens.finance.wrong_fields import status_of
from billing.web.screens.forms import form_errors, read_form
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/finance/prices"
UNUSUAL_PERCENT = 30
"""A price that changes by more than this is shown as unusual: it may be a mistake of typing."""

_PAGE_SIZE = 50
CHANGES_MAX = 500
REPRICED_MAX = 500
"""Visits that a list is tried on: half a second of a thread. `vienphi reprice` tries it on any period."""

_LARGEST_SHOWN = 10
_UNUSUAL = "unusual"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A price before and after. `permille` is the change in tenths of a percent, None without a former price."""

    change: PriceChange
    permille: int | None
    is_unusual: bool


async def get_prices(request: web.Request) -> web.Response:
    """Price lists, the newest first."""
    given = read_given(request, "state", "after")
    state = read_word(given, "state", TariffState)
    found = await list_tariffs(
        app_state(request).context,
        current(request).caller.organization_id,
        after=read_uuid(given, "after"),
        limit=_PAGE_SIZE + 1,
        state=None if state is None else state.value,
    )
    shown = found[:_PAGE_SIZE]
    return render(
        request,
        "finance/prices.html",
        tariffs=shown,
        state=state,
        may_set=current(request).caller.has(Right.SET_PRICES),
        states=tuple(TariffState),
        next_after=shown[-1].id if len(found) > _PAGE_SIZE else None,
    )


async def get_price_list(request: web.Request) -> web.Response:
    """One price list with its changes."""
    return await _page(request)


async def post_price_list_activation(request: web.Request) -> web.Response:
    """Let an approved list count from its first day on."""
    form = await read_form(request)
    caller, tariff_id = current(request).caller, _id(request)
    try:
        await activate_tariff(
            app_state(request).context,
            caller.organization_id,
            tariff_id,
            actor=caller.actor,
            replaces=TariffId(form_id(form, "replaces")) if form.text("replaces") else None,
        )
    except BillingError as error:
        return await _page(request, error)
    return see_other(request, f"{PATH}/{tariff_id}")


async def post_price_list_discard(request: web.Request) -> web.Response:
    """Discard a list that is not in force."""
    caller, tariff_id = current(request).caller, _id(request)
    try:
        await discard_tariff(app_state(request).context, caller.organization_id, tariff_id, actor=caller.actor)
    except BillingError as error:
        return await _page(request, error)
    return see_other(request, f"{PATH}/{tariff_id}")


async def _page(request: web.Request, error: BillingError | None = None) -> web.Response:
    context, caller, tariff_id = app_state(request).context, current(request).caller, _id(request)
    given = read_given(request, "change")
    chosen = given.get("change", "")
    tariff = await find_tariff(context, caller.organization_id, tariff_id)
    all_changes = [show_change(each) for each in await list_changes(context, caller.organization_id, tariff_id)]
    counts = Counter(each.change.kind for each in all_changes)
    shown = [each for each in all_changes if _is_chosen(each, chosen)]
    approval = tariff.approval
    return render(
        request,
        "finance/price_list.html",
        status=status_of(error),
        tariff=tariff,
        is_drafted="drafted" in request.query,
        changes=shown[:CHANGES_MAX],
        is_cut=len(shown) > CHANGES_MAX,
        counts=counts,
        kinds=tuple(ChangeKind),
        unusual=sum(each.is_unusual for each in all_changes),
        chosen=chosen,
        errors=[] if error is None else form_errors(request, error),
        unusual_percent=UNUSUAL_PERCENT,
        price=price,
        may_set=caller.has(Right.SET_PRICES),
        may_approve=approval is not None
        and approval.state is ApprovalState.PROPOSED
        and approval.proposed_by != caller.actor.person
        and caller.has(right_of(ApprovalKind.TARIFF)),
    )


async def get_repriced(request: web.Request) -> web.Response:
    """What the list changes of the visits that were billed last. It takes a while: the page loads it after itself."""
    context, caller, tariff_id = app_state(request).context, current(request).caller, _id(request)
    tariff = await find_tariff(context, caller.organization_id, tariff_id)
    sample = await reprice_newest(
        context.database, caller.organization_id, tariff_id, at_most=REPRICED_MAX, shown=_LARGEST_SHOWN
    )
    totals = sample.totals
    return render(
        request,
        "finance/repriced.html",
        tariff=tariff,
        sample=sample,
        totals=totals,
        same=totals.invoices - totals.refused - totals.patient_more - totals.patient_less,
        at_most=REPRICED_MAX,
    )


def show_change(change: PriceChange) -> ShownChange:
    """A change with its part of the former price."""
    permille = None
    if change.old and change.new is not None:
        permille = int((change.new - change.old) * 1000 / change.old)
    return ShownChange(
        change=change,
        permille=permille,
        is_unusual=permille is not None and abs(permille) > UNUSUAL_PERCENT * 10,
    )


def _is_chosen(each: ShownChange, chosen: str) -> bool:
    return not chosen or each.change.kind.value == chosen or (chosen == _UNUSUAL and each.is_unusual)


def price(value: Decimal | None) -> str:
    """A price as people read it; empty where the list has none."""
    if value is None:
        return ""
    whole, _, rest = format(value, "f").partition(".")
    grouped = f"{int(whole):,}".replace(",", ".")
    return f"{grouped},{rest.rstrip('0')}" if rest.strip("0") else grouped


def _id(request: web.Request) -> TariffId:
    return TariffId(read_id(request.match_info["id"], field="tariff_id"))
