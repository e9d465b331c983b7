"""Every word of an enumeration that a page of finance shows has a text."""

import ast
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import pytest

import billing
from billing.core.actor import ActorKind
from billing.invoices.domain.invoice import InvoiceState
from billing.ledger.domain.accounts import AccountRole, EntryKind
from billing.ledger.domain.day_blocker import DayBlockerKind
from billing.organizations.domain.approval import ApprovalKind, ApprovalState
from billing.payments.domain.deposit import DepositState, RequestState
from billing.payments.domain.exception import ExceptionReason
from billing.payments.domain.intent import IntentState
from billing.payments.domain.refund import RefundState, RefundWay
from billing.reconciliation.domain.act import ActSubject
from billing.reconciliation.domain.bank_trace import TraceState
from billing.reconciliation.domain.day_result import AccountKind, DayResult
from billing.reconciliation.domain.day_result import ItemKind as BridgeKind
from billing.reconciliation.domain.exception_case import DecisionAction
from billing.reconciliation.domain.file_import import ImportKind, ImportState
from billing.reconciliation.domain.match_rules import ItemKind, MatchState
from billing.reconciliation.domain.statement_chain import BreakKind
from billing.reconciliation.domain.target_proposals import TargetReason
from billing.reconciliation.domain.voucher import VoucherKind
from billing.tariffs.domain.tariff import ChangeKind, TariffState
from billing.visit_accounts.domain.guarantee import DebtState, ExemptionState, GuaranteeState
from billing.visit_accounts.domain.message import Channel, MessageKind, MessageOutcome
from billing.visit_accounts.domain.receipt import ReceiptState
from billing.web.screens.finance.approvals import NAMED
from billing.web.screens.finance.statements import ROLES
from billing.web.screens.texts import ScreenLanguage, catalogue

_STATES_OF_VOUCHERS: tuple[type[StrEnum], ...] = (
    *(InvoiceState, GuaranteeState, ExemptionState, DebtState, DepositState, RequestState),
    *(RefundState, IntentState, ReceiptState, MatchState),
)
_BOOKED_BY_LINES = {ItemKind.STATEMENT_LINE, ItemKind.SETTLEMENT_LINE}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("action", DecisionAction),
        ("done", DecisionAction),
        ("reason", ExceptionReason),
        ("target_reason", TargetReason),
        ("item", set(ItemKind) - _BOOKED_BY_LINES),
        ("way", RefundWay),
        ("bridge", BridgeKind),
        ("traces.state", TraceState),
        ("import.state", ImportState),
        ("import.kind", ImportKind),
        ("import.break", BreakKind),
        ("import.role", ROLES),
        ("days.result", DayResult),
        ("days.kind", AccountKind),
        ("days.blocker", DayBlockerKind),
        ("approvals.kind", ApprovalKind),
        ("approvals.state", ApprovalState),
        ("approvals.decided", ApprovalState),
        ("approvals.field", NAMED),
        ("journal", ApprovalState),
        ("subject", ActSubject),
        ("actor", ActorKind),
        ("entry", EntryKind),
        ("role", AccountRole),
        ("voucher", VoucherKind),
        ("voucher_state", [state for states in _STATES_OF_VOUCHERS for state in states]),
        ("voucher_state", ("received", "held", "confirmed", "tentative", "refunded", "reversed")),
        ("prices.state", TariffState),
        ("prices.change", ChangeKind),
        ("inbox.outcome", MessageOutcome),
        ("inbox.kind", MessageKind),
        ("inbox.channel", Channel),
        ("method", ("provider", "cash", "card", "transfer")),
        ("weekday", [str(number) for number in range(1, 8)]),
        ("item_reason", ("amount", "code", "similar_code", "reference", "similar_reference", "day")),
        ("event", ("opened", "assigned", "commented", "proposed", *(f"decided_{each}" for each in DecisionAction))),
    ],
)
def test_every_word_has_a_text(section: str, words: Iterable[str] | type[StrEnum]) -> None:
    texts = catalogue(ScreenLanguage.VIETNAMESE)

    assert [str(word) for word in words if f"finance.{section}.{word}" not in texts] == []


def _noted_actions() -> set[str]:
    """The actions that calls of `note` and of changes of refunds name by a string, those that a refund ends in, and
    those of messages of a hospital's system."""
    calls = (
        call
        for path in Path(billing.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("note", "write_change")
    )
    named = {call.args[3].value for call in calls if len(call.args) > 3 and isinstance(call.args[3], ast.Constant)}
    return (
        {str(each) for each in named}
        | {f"refund_{state}" for state in RefundState}
        | {
            "visit_opened",
            "visit_header_changed",
            "charges_changed",
            "charge_cancelled",
        }
    )


def test_every_action_of_the_log_has_a_text() -> None:
    texts, actions = catalogue(ScreenLanguage.VIETNAMESE), _noted_actions()

    assert len(actions) > 50
    assert [each for each in sorted(actions) if f"finance.act.{each}" not in texts] == []
