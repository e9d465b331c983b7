"""The one inbox of everything that waits for a second person: read, approved, rejected or withdrawn.

GET  /approvals                 ?kind, ?state, ?after, ?mine
GET  /approvals/{id}
POST /approvals/{id}/approve
POST /approvals/{id}/reject

A person decides the kinds of its rights; nobody approves what it proposed. Source: docs/ux.md; docs/rights.md.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from aiohttp import web

from billing.core.errors import BillingError
from billing.core.list_slice import ListSlice
from billing.ops.approval_kinds import approve_proposal, find_proposal, list_proposals, reject_proposal
from billing.organizations.domain.approval import kinds_of, right_of
from billing.organizations.domain.rights import Right
from billing.organizations.service.approvals import Approval, ApprovalKind, ApprovalState
from billing.payments.domain.refund import RefundWay
from billing.reconciliation.service.surplus_returns import list_returns
from billing.web.app_state import app_state
from billing.web.request_bodies import read_id
from billing.web.screens.finance.params import kept_of, query_of, read_given, read_uuid, read_word
from billing.web.screens.finance.wrong_fields import status_of
from billing.web.screens.forms import form_errors
from billing.web.screens.rendering import render, see_other
from billing.web.screens.session import current

PATH = "/approvals"
_PAGE_SIZE = 50
_AMOUNTS = frozenset({"amount", "former_amount", "expected", "difference", "owed"})
_FORMER = {"amount": "former_amount"}
"""Fields whose former value is another field of the proposal."""

NAMED = frozenset(
    {"account", "amount", "authority", "balances", "bank_bin", "due_on", "fault", "first_day", "former_amount", "fund"}
    | {"account_number", "holder", "difference", "facility", "is_active", "items", "name", "number", "owed", "role"}
    | {"received_at", "subject", "valid_from", "valid_until", "vendor", "price_day", "way", "kind", "bank_name"}
    | {"payer", "billed_on", "account_ending", "is_stated"}
)
"""Fields with a text in the catalogues."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_HIDDEN = frozenset({"visit_id", "item_id", "item_kind", "payment_id", "sources", "refund_id", "payments"})
_WAYS = frozenset(map(str, RefundWay))
_LINKS: Mapping[ApprovalKind, str] = {
    ApprovalKind.REFUND: "/refunds/{id}",
    ApprovalKind.TARIFF: "/finance/prices/{id}",
    ApprovalKind.EXCEPTION_DIFFERENCE: "/finance/exceptions/{id}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a proposal: its value before, None where it has none, and after."""

    name: str
    before: str | int | None
    after: str | int | None
    is_amount: bool

    @property
    def key(self) -> str:
        """The key of the field's text; empty for a setting of a provider, which has its own name."""
        return f"finance.approvals.field.{self.name}" if self.name in NAMED else ""

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of the texts of both values; empty where a value is shown as it is."""
        return self._key_of(self.before), self._key_of(self.after)

    def _key_of(self, value: str | int | None) -> str:
        if value in ("True", "False"):
            return f"finance.approvals.{'yes' if value == 'True' else 'no'}"
        return f"refund.way_{value}" if self.name == "way" and value in _WAYS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProposal:
    """A proposal as it is shown. `amount` is in đồng; `is_own`: the person proposed it and may only withdraw it."""

    approval: Approval
    amount: int | None
    changes: Sequence[Change]
    reason: str
    age_s: int
    is_own: bool
    may_decide: bool
    link: str


async def get_approvals(request: web.Request) -> web.Response:
    """The proposals that wait, the newest first; an auditor reads those of all kinds."""
    context, caller = app_state(request).context, current(request).caller
    given = read_given(request, "kind", "state", "after")
    kinds = kinds_of(caller.roles)
    kind = read_word(given, "kind", ApprovalKind)
    state = read_word(given, "state", ApprovalState) or ApprovalState.PROPOSED
    part = ListSlice(before=read_uuid(given, "after"), limit=_PAGE_SIZE + 1)
    wanted = kinds if kind is None else kinds & {kind}
    found = await list_proposals(context, caller.organization_id, part, kinds=wanted, state=state)
    waiting = await list_proposals(
        context, caller.organization_id, ListSlice(limit=500), kinds=kinds, state=ApprovalState.PROPOSED
    )
    shown = found[:_PAGE_SIZE]
    wished = await list_returns(context, caller.organization_id) if caller.has(Right.REFUND) else ()
    return render(
        request,
        "finance/approvals.html",
        wished=len(wished),
        proposals=[_show(request, each) for each in shown],
        counts=Counter(each.kind for each in waiting),
        kind=kind,
        state=state,
        states=tuple(ApprovalState),
        next_query=query_of(kept_of(given, "kind", "state"), after=shown[-1].id) if len(found) > _PAGE_SIZE else None,
    )


async def get_approval(request: web.Request) -> web.Response:
    """One proposal with everything that it changes."""
    return await _page(request, await _found(request))


async def post_approval(request: web.Request) -> web.Response:
    """Approve the proposal of another person; it takes effect at once."""
    caller, found = current(request).caller, await _found(request)
    caller.require(right_of(found.kind))
    try:
        await approve_proposal(app_state(request).context, caller.organization_id, found.id, actor=caller.actor)
    except BillingError as error:
        return await _page(request, await _found(request), error)
    return see_other(request, f"{PATH}/{found.id}")


async def post_rejection(request: web.Request) -> web.Response:
    """Reject a proposal, or withdraw the own one."""
    caller, found = current(request).caller, await _found(request)
    caller.require(right_of(found.kind))
    try:
        await reject_proposal(app_state(request).context, caller.organization_id, found.id, actor=caller.actor)
    except BillingError as error:
        return await _page(request, await _found(request), error)
    return see_other(request, f"{PATH}/{found.id}")


async def _found(request: web.Request) -> Approval:
    """The proposal of the address. Raises NotFound, NotPermitted."""
    caller = current(request).caller
    approval_id = read_id(request.match_info["id"], field="approval_id")
    found = await find_proposal(app_state(request).context, caller.organization_id, approval_id)
    if not caller.has(Right.READ_ALL_APPROVALS):
        caller.require(right_of(found.kind))
    return found


async def _page(request: web.Request, approval: Approval, error: BillingError | None = None) -> web.Response:
    return render(
        request,
        "finance/approval.html",
        status=status_of(error),
        shown=_show(request, approval),
        errors=[] if error is None else form_errors(request, error),
    )


def _show(request: web.Request, approval: Approval) -> ShownProposal:
    caller = current(request).caller
    payload = approval.payload
    amount = next((payload[name] for name in ("amount", "owed", "difference") if name in payload), None)
    is_proposed = approval.state is ApprovalState.PROPOSED
    now: datetime = app_state(request).context.clock()
    return ShownProposal(
        approval=approval,
        amount=amount if isinstance(amount, int) else None,
        changes=tuple(changes_of(payload)),
        reason=str(payload.get("reason") or ""),
        age_s=max(0, int((now - approval.proposed_at).total_seconds())),
        is_own=approval.proposed_by == caller.actor.person,
        may_decide=is_proposed and caller.has(Right.APPROVE) and caller.has(right_of(approval.kind)),
        link=_LINKS.get(approval.kind, "").format(id=approval.subject_id),
    )


def changes_of(payload: Mapping[str, object]) -> Iterator[Change]:
    """The fields of a proposal before and after; what is nested is shown by its own names."""
    before_of = payload.get("settings_before")
    for name, value in payload.items():
        if name in _HIDDEN or name in _FORMER.values() or name in ("settings_before", "reason"):
            continue
        if isinstance(value, Mapping):
            former = before_of if name == "settings" and isinstance(before_of, Mapping) else {}
            for key in sorted({*value, *former}):
                if former.get(key) != value.get(key):
                    yield Change(
                        name=str(key), before=_text(former.get(key)), after=_text(value.get(key)), is_amount=False
                    )
        elif isinstance(value, list):
            yield Change(name=name, before=None, after=len(value), is_amount=False)
        elif name == "amount" and "expected" in payload:
            yield Change(name=name, before=_text(payload["expected"]), after=_text(value), is_amount=True)
        elif name != "expected":
            former_value = payload.get(_FORMER.get(name, ""))
            yield Change(name=name, before=_text(former_value), after=_text(value), is_amount=name in _AMOUNTS)


def _text(value: object) -> str | int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    text = str(value)
    return f"{date.fromisoformat(text):%d/%m/%Y}" if _DAY.fullmatch(text) else text
