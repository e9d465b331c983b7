"""Reprice a batch of issued invoices from their snapshots, by the running code or under a draft.

An invoice that cannot be read or priced is reported with the reason and does not stop the others.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from billing.core.errors import InvalidValue, Refused
from billing.core.money import Dong, Shares
from billing.coverage.domain.parameters import Parameters, load_parameters, read_parameters
from billing.coverage.domain.pricing_authority import price_again, with_list
from billing.invoices.domain.invoice import shares_still_to_invoice
from billing.invoices.domain.invoice_diff import (
    Amounts,
    InvoiceDiff,
    IssuedInvoice,
    IssuedLine,
    Totals,
    compare_invoice,
    unpriceable,
)
from billing.invoices.formats.price_snapshot import read_snapshot
from billing.invoices.store.price_snapshots import SnapshotRow
from billing.tariffs.domain.tariff import DraftedList
from billing.visits.domain.visit import Table
from billing.visits.formats.visit_document import content_hash

_TABLES = {table.value: table for table in Table}


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


def reprice_rows(rows: Sequence[SnapshotRow], draft: Draft | None) -> Outcome:
    """Reprice invoices; one that cannot be read or priced is reported and does not stop the others."""
    parameters = (
        load_parameters() if draft is None or draft.parameters is None else _drafted_parameters(draft.parameters)
    )
    totals = Totals()
    changes = []
    for row in rows:
        bill = _issued(row)
        issued_shares = bill.shares if draft is None else bill.shares_of_visit
        try:
            change = _reprice(row, bill, draft, parameters)
        except (InvalidValue, Refused) as refusal:
            change = unpriceable(bill, refusal, issued_shares=issued_shares)
        totals.count(issued_shares, change)
        if change is not None:
            changes.append(change)
    return Outcome(tuple(changes), totals)


def _reprice(row: SnapshotRow, bill: IssuedInvoice, draft: Draft | None, parameters: Parameters) -> InvoiceDiff | None:
    if row.document is None or content_hash(row.document) != row.document_hash:
        raise InputsChanged("the frozen inputs do not have the hash they were frozen with")
    frozen = read_snapshot(row.document)
    visit = frozen.visit
    if draft is not None:
        if draft.tariff is not None and visit.facility_code in draft.tariff.facilities:
            visit = with_list(visit, draft.tariff.prices, parameters=parameters, policy=frozen.policy)
        priced = price_again(visit, frozen.authority, parameters=parameters, policy=frozen.policy)
        return compare_invoice(bill, priced, issued_shares=bill.shares_of_visit, now=priced.shares)
    priced = price_again(visit, frozen.authority, parameters=parameters, policy=frozen.policy)
    return compare_invoice(
        bill, priced, issued_shares=bill.shares, now=shares_still_to_invoice(priced.shares, bill.earlier)
    )


def _issued(row: SnapshotRow) -> IssuedInvoice:
    return IssuedInvoice(
        number=row.number,
        ma_lk=row.ma_lk,
        code_version=row.code_version or "",
        shares=_shares(row.patient_share, row.other_share, row.insurer_share, row.private_share),
        earlier=tuple(_shares(*earlier) for earlier in json.loads(row.earlier)),
        lines=tuple(
            IssuedLine(
                _TABLES[table], stt, code, name, Amounts(*map(Decimal, rest[:-1])), tuple(dict.fromkeys(rest[-1]))
            )
            for table, stt, code, name, *rest in json.loads(row.lines)
        ),
    )


def _shares(patient: int, other: int, insurer: int, private: int) -> Shares:
    return Shares(patient=Dong(patient), other=Dong(other), insurer=Dong(insurer), private=Dong(private))


@cache
def _drafted_parameters(text: str) -> Parameters:
    return read_parameters(text)
