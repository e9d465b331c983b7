"""One act of the audit as finance reads it: who did what, to which object, with amount and reason.

The texts by action are in the catalogues of the screens. Source: docs/ux.md, Finance (journal in words).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from billing.core.ids import VisitId


class ActSubject(StrEnum):
    """The kinds of objects by which acts are filtered, as the audit names them."""

    PAYMENT = "payment"
    RECEIPT = "receipt"
    INVOICE = "invoice"
    REFUND = "refund"
    SHIFT = "shift"
    HAND_OVER = "hand_over"
    EXCEPTION = "exception"
    MATCH = "match"
    APPROVAL = "approval"
    DAY = "day"
    TARIFF = "tariff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An audit row with its object. `person` is None where a provider or the system acted.

    `name` is the number of the object and `amount` its amount in đồng, where it has them. `reason` is what the person
    wrote. `proposal` is the content of a proposal, with its former values where it has them.
    """

    id: UUID
    recorded_at: datetime
    action: str
    subject_kind: str
    subject_id: UUID
    actor_kind: str
    person: str | None
    name: str
    amount: int | None
    visit_id: VisitId | None
    reason: str
    proposal: Mapping[str, Any] | None
