"""Check whether a visit is ready to be claimed and compare its routes, with the setup of its organization.

Nothing is stored. `check_files.py` checks files without a database.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing.claims.domain.check import by_severity, from_reader_finding
from billing.claims.domain.claim import ClaimContext, FileCheck
from billing.claims.formats.reader import ReadClaim, read_claim_document, read_claims
from billing.claims.service.check_context import load_claim_contexts
from billing.claims.store.claim_facts import read_claim_file_of
from billing.core.errors import NotFound
from billing.core.ids import OrganizationId, VisitId
from billing.coverage.domain.what_if import ComparedFile, ComparedVisit
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import PricingInputs, load_pricing_inputs
from billing.visits.domain.finding import Finding
from billing.visits.formats.visit_facts_json import SuppliedFacts
from billing.visits.store.visits import read_visit

_NOTHING_SUPPLIED = SuppliedFacts()


async def check_claim_file(context: PricingContext, organization_id: OrganizationId, content: bytes) -> FileCheck:
    """Check every visit of a claim file with the setup of its organization."""
    read = await asyncio.to_thread(
        lambda: read_claims(content, file="", supplied=_NOTHING_SUPPLIED, policy=context.policy)
    )
    return await _check(context, organization_id, read.claims, read.findings, _NOTHING_SUPPLIED)


async def check_visit_document(
    context: PricingContext, organization_id: OrganizationId, document: Mapping[str, object], *, supplied: SuppliedFacts
) -> FileCheck:
    """Check one visit supplied as JSON. Raises InvalidValue where it cannot be read."""
    read = await asyncio.to_thread(lambda: read_claim_document(document, supplied=supplied))
    return await _check(context, organization_id, (read,), (), supplied)


async def check_stored_visit(context: PricingContext, organization_id: OrganizationId, visit_id: VisitId) -> FileCheck:
    """Check a recorded visit, by its claim file while that is stored, else by its document.

    Raises NotFound, also where both are erased.
    """
    async with context.database.transaction(organization_id) as tx:
        row = await read_visit(tx, visit_id)
        content = await read_claim_file_of(tx, visit_id)
    if row is None:
        raise NotFound("no such visit", field="visit_id")
    if content is not None:
        read = await asyncio.to_thread(
            lambda: read_claims(content, file="", supplied=_NOTHING_SUPPLIED, policy=context.policy)
        )
        own = tuple(one for one in read.claims if one.claim.visit.ma_lk == row.ma_lk)
        if own:
            return await _check(context, organization_id, own, (), _NOTHING_SUPPLIED)
    if row.document is None:
        raise NotFound("the stored facts of this visit are erased", field="visit_id")
    return await check_visit_document(context, organization_id, row.document, supplied=_NOTHING_SUPPLIED)


async def _check(
    context: PricingContext,
    organization_id: OrganizationId,
    claims: Sequence[ReadClaim],
    outside: Sequence[Finding],
    supplied: SuppliedFacts,
) -> FileCheck:
    contexts = await _load_contexts(context, organization_id, claims, supplied)
    # CPU only: callbacks must not wait for it.
    checks = await asyncio.to_thread(lambda: tuple(map(ReadClaim.check, claims, contexts)))
    return FileCheck(checks, by_severity(from_reader_finding(finding) for finding in outside))


async def compare_claim_file(context: PricingContext, organization_id: OrganizationId, content: bytes) -> ComparedFile:
    """Compare the routes of every visit of a claim file with the setup of its organization."""
    supplied = SuppliedFacts()
    read = await asyncio.to_thread(lambda: read_claims(content, file="", supplied=supplied, policy=context.policy))
    findings = tuple(finding for finding in read.findings if finding.refuses)
    return ComparedFile(await _compare_stored(context, organization_id, read.claims, supplied), findings)


async def compare_visit_document(
    context: PricingContext, organization_id: OrganizationId, document: Mapping[str, object], *, supplied: SuppliedFacts
) -> ComparedFile:
    """Compare the routes of one visit supplied as JSON. Raises InvalidValue where it cannot be read."""
    read = await asyncio.to_thread(lambda: read_claim_document(document, supplied=supplied))
    return ComparedFile(await _compare_stored(context, organization_id, (read,), supplied), ())


async def _compare_stored(
    context: PricingContext, organization_id: OrganizationId, claims: Sequence[ReadClaim], supplied: SuppliedFacts
) -> tuple[ComparedVisit, ...]:
    contexts = await _load_contexts(context, organization_id, claims, supplied)
    async with context.database.transaction(organization_id, read_only=True) as tx:
        terms = await load_pricing_inputs(tx, context, [one.claim.visit for one in claims])
    return await asyncio.to_thread(lambda: tuple(map(_compare_collected, claims, terms, contexts)))


def _compare_collected(read: ReadClaim, terms: PricingInputs, claim_context: ClaimContext) -> ComparedVisit:
    """The routes at the prices that the facility would collect."""
    visit = terms.with_list_prices(read.claim.visit)
    return replace(read, claim=replace(read.claim, visit=visit)).compare(claim_context)


async def _load_contexts(
    context: PricingContext, organization_id: OrganizationId, claims: Sequence[ReadClaim], supplied: SuppliedFacts
) -> list[ClaimContext]:
    async with context.database.transaction(organization_id) as tx:
        return await load_claim_contexts(tx, context, [one.claim.visit for one in claims], supplied)
