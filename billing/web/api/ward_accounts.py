"""The balances of visits for the wards, in the words of FHIR Account.

GET /v1/ward-accounts          ?facility_code, ?department, ?state
GET /v1/visits/{id}/balance
"""

from http import HTTPStatus

from aiohttp import web

from billing.core.ids import VisitId
from billing.visit_accounts.domain.account import AccountState
from billing.visit_accounts.domain.balance import (
    AccountBalance,
    AccountStatus,
    Aggregate,
    CoverageKind,
    GuarantorKind,
    Term,
)
from billing.visit_accounts.domain.guarantee import GuaranteeState
from billing.visit_accounts.service.ward_accounts import WardFilter, find_balance, list_ward_accounts
from billing.web.api.deposit_requests import DepositProposalDocument
from billing.web.app_state import CALLER, app_state
from billing.web.operation import Operation, one_of, operation
from billing.web.pagination import page_document, read_choice, read_page
from billing.web.request_bodies import read_id
from billing.web.responses import json_response
from billing.web.schemas import Document, PageDocument, Text

_TAG = "ward-accounts"
_FILTERS = ("facility_code", "department", "state")


class BalanceDocument(Document):
    """What is owed, in whole đồng; a negative amount is to be returned. `term`: outstanding over so many days.

    `estimate`: the visit is open, and the amount may change.
    """

    aggregate: Aggregate
    term: Term
    estimate: bool
    amount: int


class CoverageDocument(Document):
    """A payer with the part that it bears, in whole đồng; `priority` 1 pays first.

    `id`, `payer` and `state` are those of a guarantee. One that is requested bears nothing yet.
    """

    priority: int
    kind: CoverageKind
    amount: int
    id: Text | None
    payer: str
    state: GuaranteeState | None


class GuarantorDocument(Document):
    """A party that is liable for the patient's part: the id of a patient, or of the debt that names who is liable."""

    kind: GuarantorKind
    id: Text


class PeriodDocument(Document):
    """From the opening of the account to its final bill."""

    start: Text
    end: Text | None


class WardAccountDocument(Document):
    """The account of a visit as a ward sees it, amounts in whole đồng.

    `deposit_left` is what the cost to date leaves of the patient's money, negative once the cost has passed it;
    `proposal` is the advance to request. `is_below_threshold`: less than the threshold of the facility is left of the
    deposit of an inpatient. `price_error` states which lines have no price and are not in the cost.
    """

    visit_id: Text
    facility_code: str
    ma_lk: str
    department: str
    is_inpatient: bool
    status: AccountStatus
    service_period: PeriodDocument
    balance: list[BalanceDocument]
    coverage: list[CoverageDocument]
    guarantor: list[GuarantorDocument]
    cost_to_date: int
    deposits_held: int
    deposit_left: int
    threshold: int
    is_below_threshold: bool
    proposal: DepositProposalDocument
    price_error: str
    calculated_at: Text


@operation(
    Operation(
        tag=_TAG,
        responses={HTTPStatus.OK: PageDocument[WardAccountDocument]},
        filters={
            "facility_code": "is of the facility with this MA_CSKCB",
            "department": "is in this department, by the code that the sender states",
            "state": one_of("its account is open, or closed by its final bill", AccountState),
        },
    )
)
async def get_ward_accounts(request: web.Request) -> web.Response:
    """List the balances of visits, the newest visit first."""
    caller = request[CALLER]
    page = read_page(request, filters=_FILTERS)
    wanted = WardFilter(
        facility_code=page.filters.get("facility_code"),
        department=page.filters.get("department"),
        state=read_choice(page, "state", AccountState),
    )
    rows = await list_ward_accounts(app_state(request).context, caller.organization_id, page.slice, wanted)
    return json_response(page_document(rows, page, _document))


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: WardAccountDocument}, problems=(HTTPStatus.NOT_FOUND,)))
async def get_balance(request: web.Request) -> web.Response:
    """Read the balance of a visit."""
    visit_id = VisitId(read_id(request.match_info["id"], field="visit_id"))
    found = await find_balance(app_state(request).context, request[CALLER].organization_id, visit_id)
    return json_response(_document(found))


def _document(found: AccountBalance) -> WardAccountDocument:
    account, proposal = found.account, found.proposal
    return WardAccountDocument.model_validate(
        {
            "visit_id": account.visit_id,
            "facility_code": account.facility_code,
            "ma_lk": account.ma_lk,
            "department": account.department,
            "is_inpatient": account.is_inpatient,
            "status": found.status,
            "service_period": {"start": account.opened_at, "end": account.ended_at},
            "balance": found.balance,
            "coverage": found.coverage,
            "guarantor": found.guarantor,
            "cost_to_date": proposal.cost_to_date,
            "deposits_held": proposal.held,
            "deposit_left": found.deposit_left,
            "threshold": found.threshold,
            "is_below_threshold": found.is_below_threshold,
            "proposal": proposal,
            "price_error": account.price_error,
            "calculated_at": found.calculated_at,
        }
    )
