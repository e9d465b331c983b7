"""Contracts of providers and rule sets of matching: one person proposes, another approves. Use cases.

Source: docs/reconciliation.md, Contracts and rule sets; docs/design.md §3.5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from billing.core.actor import Actor
from billing.core.approvals import require_person
from billing.core.errors import InvalidValue, NotFound
from billing.core.ids import OrganizationId
from billing.db.database import Transaction
from billing.organizations.domain.approval import Approval, ApprovalKind
from billing.organizations.service.approvals import propose
from billing.payments.service.context import PaymentContext
from billing.reconciliation.domain.match_rules import RuleSetChange, rule_set_of
from billing.reconciliation.domain.provider_contract import ContractExists, ContractTerms
from billing.reconciliation.service.matching import current_rules
from billing.reconciliation.store.match_runs import StoredRuleSet, add_rule_set, read_rule_sets
from billing.reconciliation.store.provider_contracts import (
    StoredContract,
    add_contract,
    find_account_id,
    read_contracts,
)


async def list_contracts(context: PaymentContext, organization_id: OrganizationId) -> Sequence[StoredContract]:
    """Every contract by account, the latest first."""
    async with context.database.transaction(organization_id, read_only=True) as tx:
        return await read_contracts(tx)


async def propose_contract(
    context: PaymentContext,
    organization_id: OrganizationId,
    account_name: str,
    terms: ContractTerms,
    *,
    actor: Actor,
) -> UUID:
    """Propose the contract of a provider account from a day on; the id of the proposal.

    Raises PersonNeeded, NotFound, ContractExists, ProposalWaiting.
    """
    require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        account_id = await find_account_id(tx, account_name)
        if account_id is None:
            raise NotFound("there is no such provider account", field="account")
        _require_new(await read_contracts(tx), account_id, terms)
        payload = {"account": account_name, **terms.as_payload()}
        return await propose(tx, context, ApprovalKind.PROVIDER_CONTRACT, account_id, payload=payload, actor=actor)


async def apply_contract(tx: Transaction, context: PaymentContext, approval: Approval, _actor: Actor) -> None:
    """Store a contract as two persons approved. Raises ContractExists."""
    terms = ContractTerms.of_payload(approval.payload)
    at = context.clock()
    if not await add_contract(tx, approval.subject_id, terms, by=approval.proposed_by, at=at):
        raise _exists(terms)


def _require_new(contracts: Sequence[StoredContract], account_id: UUID, terms: ContractTerms) -> None:
    if any((each.provider_account_id, each.valid_from) == (account_id, terms.valid_from) for each in contracts):
        raise _exists(terms)


def _exists(terms: ContractTerms) -> ContractExists:
    return ContractExists(f"the account has a contract from {terms.valid_from}; choose another day", field="valid_from")


async def list_rule_sets(context: PaymentContext, organization_id: OrganizationId) -> Sequence[StoredRuleSet]:
    """Every version of the rules, the newest first; the first one has the defaults."""
    async with context.database.transaction(organization_id) as tx:
        await current_rules(tx, context)
        return await read_rule_sets(tx)


async def propose_rules(
    context: PaymentContext, organization_id: OrganizationId, change: RuleSetChange, *, actor: Actor
) -> UUID:
    """Propose the next version of the rules: what the change leaves out stays; the id of the proposal.

    Raises PersonNeeded, InvalidValue, ProposalWaiting.
    """
    require_person(actor)
    async with context.database.transaction(organization_id) as tx:
        former = await current_rules(tx, context)
        rules = change.applied_to(former)
        if replace(rules, version=former.version) == former:
            raise InvalidValue("this changes no rule", field="rules")
        payload = {"version": rules.version, "rules": rules.as_json(), "former_rules": former.as_json()}
        subject_id = UUID(int=organization_id)
        return await propose(tx, context, ApprovalKind.MATCH_RULES, subject_id, payload=payload, actor=actor)


async def apply_rules(tx: Transaction, context: PaymentContext, approval: Approval, _actor: Actor) -> None:
    """Store the next version of the rules as two persons approved; the next run uses it."""
    version, document = approval.payload["version"], approval.payload["rules"]
    assert isinstance(version, int), "the proposal states its version"
    assert isinstance(document, Mapping), "the proposal states its rules"
    rules = rule_set_of(version, document)
    added = await add_rule_set(tx, rules, by=approval.proposed_by, at=context.clock())
    assert added, "one proposal of rules waits at a time, so that no other one has taken its version"
