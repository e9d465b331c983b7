"""The price of a billed visit, from what was frozen: a step of claim files and of cost statements.

The lines are those of the whole visit up to an invoice; those of the newest invoice are as corrected. Source:
docs/visit-accounts.md, Final bill; docs/reference/xml130.md §9 (statement and claim come from the same data).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from billing.claims.store.billed_visits import BilledVisit, CorrectedVisit
from billing.core.errors import Refused
from billing.coverage.domain.price_result import PricedLine
from billing.coverage.formats.visit_input import read_visit as read_visit_json
from billing.coverage.service.context import PricingContext
from billing.coverage.service.pricing_inputs import load_pricing_inputs
from billing.db.database import Transaction
from billing.invoices.domain.correction import changed_lines
from billing.invoices.domain.invoice import VisitErased
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.invoices.store.corrections import billed_line
from billing.visits.domain.visit import Visit


class ClaimPriceChanged(Refused):
    """The corrected visit has another price now than that which was billed: policies or price lists have changed."""

    code = "claim_price_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedBilledVisit:
    """A visit with its lines at the price that was billed."""

    visit: Visit
    lines: Sequence[PricedLine]


async def price_corrected(
    tx: Transaction, context: PricingContext, billed: BilledVisit, corrected: CorrectedVisit
) -> PricedBilledVisit:
    """The visit of the last correction with its lines, priced again: line by line what was billed.

    Raises VisitErased, ClaimPriceChanged, refusals of the price.
    """
    if corrected.document is None or billed.patient is None:
        raise erased(billed)
    visit = replace(await asyncio.to_thread(read_visit_json, corrected.document), patient=billed.patient)
    [terms] = await load_pricing_inputs(tx, context, [visit])
    collected = await asyncio.to_thread(terms.price_for_collection, visit)
    lines = collected.priced.lines
    if changed_lines(corrected.lines, [billed_line(line) for line in lines]):
        raise ClaimPriceChanged(
            f"invoice {billed.invoice.number} was corrected to another price than that of today; reopen the visit and "
            "make its final bill again"
        )
    return PricedBilledVisit(visit=visit, lines=lines)


def price_as_invoiced(billed: BilledVisit) -> PricedBilledVisit:
    """The visit of an invoice with its lines as invoiced. CPU only. Raises VisitErased."""
    if billed.document is None or billed.patient is None:
        raise erased(billed)
    visit = _whole_visit(billed, billed.document)
    items = {item.key: item for item in visit.items}
    return PricedBilledVisit(
        visit=visit, lines=[line.priced(items[line.table, line.stt]) for line in billed.invoice.lines]
    )


def erased(billed: BilledVisit) -> VisitErased:
    """The error of a visit whose personal data was erased."""
    return VisitErased(f"the visit of invoice {billed.invoice.number} was erased after its retention")


def _whole_visit(billed: BilledVisit, document: Any) -> Visit:
    """The visit of the snapshot with the data that a snapshot omits: card numbers and the patient."""
    assert billed.invoice.document is not None, "an issued invoice has a snapshot"
    frozen = read_snapshot(billed.invoice.document).visit
    supplied = read_visit_json(document)
    assert len(supplied.cards) == len(frozen.cards), "a version of a visit never changes"
    assert billed.patient is not None, "an erased patient was refused"
    return replace(frozen, cards=supplied.cards, patient=billed.patient)
