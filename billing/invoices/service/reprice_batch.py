"""Reprice a batch of issued invoices from their snapshots, by the running code or under a draft.

An invoice that cannot be read or priced is reported with the reason and does not stop the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from billing.core.errors import InvalidValue, Refused
from billing.coverage.domain.parameters import Parameters, load_parameters, read_parameters
from billing.coverage.domain.pricing_authority import price_again, with_list
from billing.invoices.domain.invoice import shares_still_to_invoice
from billing.invoices.domain.invoice_diff import (
    InvoiceDiff,
    RepricingInput,
    Totals,
    compare_invoice,
    unpriceable,
)
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.tariffs.domain.tariff import DraftedList
from billing.visits.formats.visit_document import content_hash


class InputsChanged(Refused):
    """The stored inputs of an invoice differ from the frozen ones: a hash or the policy version does not match."""

    code = "inputs_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft to reprice under: parameters as TOML in the form of `parameters.toml`, a price list, or both."""

    parameters: str | None = None
    tariff: DraftedList | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a batch: the invoices that differ, and the sums of all."""

    changes: tuple[InvoiceDiff, ...]
    totals: Totals


def reprice_issued(inputs: Iterable[RepricingInput], draft: Draft | None) -> Outcome:
    """Reprice invoices; one that cannot be read or priced is reported and does not stop the others."""
    parameters = (
        load_parameters() if draft is None or draft.parameters is None else _drafted_parameters(draft.parameters)
    )
    totals = Totals()
    changes = []
    for one in inputs:
        issued_shares = one.invoice.shares if draft is None else one.shares_of_visit
        try:
            change = _reprice(one, draft, parameters)
        except (InvalidValue, Refused) as refusal:
            change = unpriceable(one, refusal, issued_shares=issued_shares)
        totals.count(issued_shares, change)
        if change is not None:
            changes.append(change)
    return Outcome(tuple(changes), totals)


def _reprice(issued: RepricingInput, draft: Draft | None, parameters: Parameters) -> InvoiceDiff | None:
    stored = issued.snapshot
    if stored is None or content_hash(stored.document) != stored.document_hash:
        raise InputsChanged("the frozen inputs do not have the hash they were frozen with")
    frozen = read_snapshot(stored.document)
    visit = frozen.visit
    if draft is not None:
        if draft.tariff is not None and visit.facility_code in draft.tariff.facilities:
            visit = with_list(visit, draft.tariff.prices, parameters=parameters, policy=frozen.policy)
        priced = price_again(visit, frozen.authority, parameters=parameters, policy=frozen.policy)
        return compare_invoice(issued, priced, issued_shares=issued.shares_of_visit, now=priced.shares)
    priced = price_again(visit, frozen.authority, parameters=parameters, policy=frozen.policy)
    now = shares_still_to_invoice(priced.shares, issued.earlier)
    return compare_invoice(issued, priced, issued_shares=issued.invoice.shares, now=now)


@cache
def _drafted_parameters(text: str) -> Parameters:
    return read_parameters(text)
