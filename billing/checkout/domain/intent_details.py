"""An intent as it is shown: its state, the amounts received and still owed, and the amount due now.

`payments/domain/intent.py` is the intent that a transaction locks and changes; `payments/domain/amount_due.py` is the
rule of the amount due.
"""

from dataclasses import dataclass
from datetime import datetime

from billing.checkout.domain.patient_states import StateLabel, state_label
from billing.core.clock import known_time
from billing.core.ids import DepositRequestId, IntentId, InvoiceId, PaymentId, VisitId
from billing.core.money import Dong
from billing.core.reference_code import ReferenceCode
from billing.payments.domain.amount_due import Due, PatientState, amount_due
from billing.payments.domain.deposit import AdvanceType
from billing.payments.domain.intent import IntentState
from providers.contract import PaymentInstruction


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentAmounts:
    """State and amounts of an intent, in whole đồng.

    `owed` is the amount that its invoices, or its deposit request, still owe by any code; `credit` the amount received
    under its code that is allocated to none of them. `is_standing` and `is_closed`: see `amount_due`.
    """

    state: IntentState
    amount: Dong
    received: Dong
    owed: Dong
    credit: Dong
    created_at: datetime
    expires_at: datetime | None
    is_standing: bool = False
    is_closed: bool = False

    @property
    def due(self) -> Due:
        """The amount due under its code now, and the state shown to the patient."""
        return amount_due(
            self.state,
            amount=self.amount,
            received=self.received,
            owed=self.owed,
            credit=self.credit,
            is_standing=self.is_standing,
            is_closed=self.is_closed,
        )

    @property
    def remaining(self) -> Dong:
        """The amount that the payer is shown."""
        return self.due.remaining

    @property
    def is_collecting(self) -> bool:
        """Whether a payer is shown how to pay: an amount is due, or the code is standing."""
        return self.remaining > 0 or self.due.state is PatientState.STANDING

    @property
    def state_label(self) -> StateLabel:
        """The state shown to the patient, with its labels for staff."""
        return state_label(self.due.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentWithInstruction(IntentAmounts):
    """An intent with its payment instruction; None if the provider has returned none. `account` is a name."""

    id: IntentId
    account: str
    reference_code: ReferenceCode
    version: int
    instruction: PaymentInstruction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedIntent(IntentAmounts):
    """An intent of a list, with the invoices it collects for in their order, or with its deposit.

    `visit_id`, `deposit_request_id` and `advance_type` are those of the deposit. `account` is a name.
    """

    id: IntentId
    account: str
    reference_code: ReferenceCode
    version: int
    invoice_ids: tuple[InvoiceId, ...]
    visit_id: VisitId | None
    deposit_request_id: DepositRequestId | None
    advance_type: AdvanceType | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """Intents by the invoice, deposit request or visit they collect for, by code and state; None filters nothing."""

    invoice_id: InvoiceId | None = None
    deposit_request_id: DepositRequestId | None = None
    ma_lk: str | None = None
    reference_code: str | None = None
    state: IntentState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentPayment:
    """A payment received under the code of an intent, in whole đồng."""

    id: PaymentId
    amount: Dong
    occurred_at: datetime
    on_invoices: Dong
    credit: Dong

    @property
    def is_time_known(self) -> bool:
        """Whether the time is known, not the day alone."""
        return known_time(self.occurred_at) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentDetails(IntentWithInstruction):
    """An intent with its targets, its payments and the token of its page; None once the page was erased."""

    invoice_ids: tuple[InvoiceId, ...]
    visit_id: VisitId | None
    deposit_request_id: DepositRequestId | None
    advance_type: AdvanceType | None
    payments: tuple[IntentPayment, ...]
    page_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCode:
    """The open standing code of a deposit."""

    id: IntentId
    reference_code: ReferenceCode
    created_at: datetime
