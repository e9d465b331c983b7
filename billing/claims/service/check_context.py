"""The context of claim checks of an organization: rank and lists of its facilities, imported annexes, today."""

from collections.abc import Iterable

from billing.claims.domain.claim import ClaimContext
from billing.claims.formats.disease_annexes import read_annexes
from billing.claims.store.claim_facts import read_annexes_text, read_facility_terms
from billing.core.clock import business_date
from billing.coverage.domain.annexes import NO_ANNEXES
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.visits.domain.facts import NO_LISTS, FacilityFacts
from billing.visits.domain.visit import Visit
from billing.visits.formats.json_fields import Fields
from billing.visits.formats.visit_facts_json import SuppliedFacts, parse_facts


async def load_claim_contexts(
    tx: Transaction, context: PricingContext, visits: Iterable[Visit], supplied: SuppliedFacts
) -> list[ClaimContext]:
    """The claim context of each visit, in order. Supplied facts of the facility override the stored ones.

    A facility that is not the organization's has no known facts.
    """
    text = await read_annexes_text(tx)
    annexes = NO_ANNEXES if text is None else read_annexes(text.encode())
    today = business_date(context.clock())
    contexts = []
    visits = list(visits)
    for visit, own in zip(visits, await load_pricing_inputs(tx, context, visits), strict=True):
        terms = await read_facility_terms(tx, visit.facility_code, business_date(visit.admitted_at))
        lists = NO_LISTS if terms is None else parse_facts(Fields({"lists": dict(terms.lists)}, "")).lists
        contexts.append(
            ClaimContext(
                facility=supplied.facility or (FacilityFacts() if terms is None else terms.facts),
                annexes=annexes,
                lists=lists if supplied.lists == NO_LISTS else supplied.lists,
                parameters=context.parameters,
                policy=own.policy,
                today=today,
            )
        )
    return contexts
