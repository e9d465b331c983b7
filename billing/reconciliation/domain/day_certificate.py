"""The content of the certificate of a closed day: what a third party needs to check the day without our database.

Ids, hashes and amounts only: no name, text or account of a person. `formats/day_certificate.py` writes it.
Source: docs/ledger-verification.md, Day certificate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from billing.core.ids import OrganizationId
from billing.core.money import Dong
from billing.reconciliation.domain.day_result import AccountDay


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that states the day: an imported statement or settlement report."""

    import_id: UUID
    kind: str
    file_sha256: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedStatement:
    """A statement of a bank account that covers the day."""

    import_id: UUID
    bank_account_id: UUID
    from_day: date
    to_day: date
    opening: Dong
    closing: Dong
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedLine:
    """A statement line that the bank booked on the day."""

    id: UUID
    bank_account_id: UUID
    key: UUID
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedItem:
    """One item of a live match that holds a line of the day, or whose entry is of the day."""

    match_id: UUID
    rule: str
    difference: Dong
    item_kind: str
    item_id: UUID
    amount: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedBalance:
    """A ledger account on the day. Balances are debits less credits, in đồng."""

    role: str
    subject: str
    opening: Dong
    debit: Dong
    credit: Dong
    closing: Dong


@dataclass(frozen=True, slots=True, kw_only=True)
class DayContent:
    """Everything that the certificate of one day states. `entries` and `amount` are those of the closing."""

    organization_id: OrganizationId
    day: date
    entries: int
    amount: int
    balances: Sequence[CertifiedBalance]
    sources: Sequence[SourceFile]
    statements: Sequence[CertifiedStatement]
    lines: Sequence[CertifiedLine]
    matched: Sequence[CertifiedItem]
    results: Sequence[AccountDay]
