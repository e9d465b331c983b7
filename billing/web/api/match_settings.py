"""Contracts of providers and rule sets of matching: proposed by one person, approved by another.

GET  /v1/provider-contracts
POST /v1/provider-contracts   {"account", "valid_from", "pays_out", "fee_basis_points"?, "fee_fixed"?}
GET  /v1/match-rule-sets
POST /v1/match-rule-sets      what changes of the rules in force
"""

from datetime import time
from http import HTTPStatus
from uuid import UUID

from aiohttp import web
from pydantic import Field

from billing.core.errors import InvalidValue
from billing.core.money import DONG_MAX, Dong
from billing.ops.approval_kinds import find_proposal
from billing.reconciliation.domain.match_rules import RuleSetChange
from billing.reconciliation.domain.provider_contract import ContractTerms
from billing.reconciliation.service.match_settings import (
    list_contracts,
    list_rule_sets,
    propose_contract,
    propose_rules,
)
from billing.web.app_state import CALLER, app_state
from billing.web.approval_documents import ApprovalDocument, approval_document
from billing.web.operation import Operation, operation
from billing.web.request_bodies import Body, read_day, read_model
from billing.web.responses import json_response
from billing.web.schemas import Document, Text

_TAG = "matching"
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class NewContract(Body):
    """The contract of a provider account from a day on.

    `pays_out`: one amount for many payments, net of fees. The fee of a payment is its amount × `fee_basis_points` /
    10,000 + `fee_fixed` in đồng; leave out both where the contract states none.
    """

    account: str
    valid_from: str
    pays_out: bool
    fee_basis_points: int | None = None
    fee_fixed: int | None = None


class ContractDocument(Document):
    """A contract of a provider account, valid until the next one; `recorded_by` proposed it."""

    account: str
    valid_from: Text
    pays_out: bool
    fee_basis_points: int | None
    fee_fixed: int | None
    recorded_by: Text | None
    recorded_at: Text


class ContractsDocument(Document):
    """Every contract by account, the latest first."""

    contracts: list[ContractDocument]


class NewRules(Body):
    """What changes of the rules in force; a rule that is left out stays.

    `tolerance` and `fee_tolerance` are đồng. `reference_days`, `code_days` and `payout_days` are how many days after
    the item the bank may book its line. `terms` are working days by kind of item, after which an item without its line
    is missing. A payment at `cut_off` (HH:MM, Vietnam) or later may be booked on the next day.
    """

    tolerance: int | None = Field(default=None, ge=0, le=DONG_MAX)
    fee_tolerance: int | None = Field(default=None, ge=0, le=DONG_MAX)
    reference_days: int | None = None
    code_days: int | None = None
    payout_days: int | None = None
    terms: dict[str, int] | None = None
    cut_off: str | None = None


class RuleSetDocument(Document):
    """One version of the rules; a run names the version that it used. `created_by` null: the defaults."""

    version: int
    tolerance: int
    fee_tolerance: int
    reference_days: int
    code_days: int
    payout_days: int
    terms: dict[str, int]
    cut_off: str
    created_by: Text | None
    created_at: Text


class RuleSetsDocument(Document):
    """Every version of the rules, the newest first: it is in force."""

    rule_sets: list[RuleSetDocument]


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: ContractsDocument}))
async def get_provider_contracts(request: web.Request) -> web.Response:
    """List the contracts of provider accounts."""
    found = await list_contracts(app_state(request).context, request[CALLER].organization_id)
    return json_response(ContractsDocument(contracts=[ContractDocument.model_validate(_named(each)) for each in found]))


@operation(
    Operation(tag=_TAG, request=NewContract, responses={HTTPStatus.CREATED: ApprovalDocument}, problems=_REFUSED)
)
async def post_provider_contract(request: web.Request) -> web.Response:
    """Propose the contract of a provider account from a day on. Another person approves it."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, NewContract)
    terms = ContractTerms(
        valid_from=read_day(body.valid_from, field="valid_from"),
        pays_out=body.pays_out,
        fee_basis_points=body.fee_basis_points,
        fee_fixed=body.fee_fixed,
    )
    proposal_id = await propose_contract(context, caller.organization_id, body.account, terms, actor=caller.actor)
    return await _proposed(request, proposal_id)


@operation(Operation(tag=_TAG, responses={HTTPStatus.OK: RuleSetsDocument}))
async def get_match_rule_sets(request: web.Request) -> web.Response:
    """List the versions of the rules of matching."""
    found = await list_rule_sets(app_state(request).context, request[CALLER].organization_id)
    return json_response(
        RuleSetsDocument(
            rule_sets=[
                RuleSetDocument.model_validate(
                    {
                        **each.rules.as_json(),
                        "version": each.rules.version,
                        "created_by": each.created_by,
                        "created_at": each.created_at,
                    }
                )
                for each in found
            ]
        )
    )


@operation(Operation(tag=_TAG, request=NewRules, responses={HTTPStatus.CREATED: ApprovalDocument}, problems=_REFUSED))
async def post_match_rule_set(request: web.Request) -> web.Response:
    """Propose the next version of the rules of matching. Another person approves it, and the next run uses it."""
    context, caller = app_state(request).context, request[CALLER]
    body = await read_model(request, NewRules)
    change = RuleSetChange(
        tolerance=None if body.tolerance is None else Dong(body.tolerance),
        fee_tolerance=None if body.fee_tolerance is None else Dong(body.fee_tolerance),
        reference_days=body.reference_days,
        code_days=body.code_days,
        payout_days=body.payout_days,
        terms=body.terms,
        cut_off=None if body.cut_off is None else _read_time(body.cut_off),
    )
    return await _proposed(request, await propose_rules(context, caller.organization_id, change, actor=caller.actor))


async def _proposed(request: web.Request, proposal_id: UUID) -> web.Response:
    found = await find_proposal(app_state(request).context, request[CALLER].organization_id, proposal_id)
    return json_response(approval_document(found), status=HTTPStatus.CREATED, location=f"/v1/approvals/{proposal_id}")


def _named(contract: object) -> dict[str, object]:
    return {name: getattr(contract, name) for name in ContractDocument.model_fields}


def _read_time(text: str) -> time:
    try:
        return time.fromisoformat(text) if len(text) == len("HH:MM") else time.fromisoformat("")
    except ValueError as error:
        raise InvalidValue("a time of day is HH:MM", field="cut_off") from error
