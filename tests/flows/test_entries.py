"""The accounts of every kind of entry: each is made by its use case over HTTP, as docs/visit-accounts.md lists it."""

from collections.abc import Awaitable, Callable

import pytest

from billing.core.actor import Role
from billing.core.clock import business_date
from billing.ledger.domain.accounts import EntryKind
from tests.flow import assert_books_are_right
from tests.flows.entry_acts import (
    Hospital,
    bill_that_is_cancelled,
    bill_that_others_bear,
    card_batch,
    cash_of_a_shift,
    correction_to_the_patient_and_back,
    difference_of_a_count,
    invoice_of_four_payers,
    money_at_the_desk,
    money_by_transfer,
    money_taken_back,
    money_that_left_first,
    moved_receipt,
    open_hospital,
    refunds,
    surplus_that_pays_a_further_invoice,
    voided_receipts,
)
from tests.flows.exception_acts import decided_exceptions
from tests.flows.journal import Move, documented_moves, read_moves
from tests.flows.matching_acts import reverted_matches, statement_lines
from tests.flows.payer_acts import (
    assigned_money_of_payers,
    money_of_payers,
    voided_receipts_of_payers,
    written_off_guarantee,
)
from tests.flows.returned_acts import returned_transfers
from tests.web.site import Site, key_of

Act = Callable[[Hospital], Awaitable[None]]

_PAID = ("131 deposit", "131 patient", "338 credit", "338 unallocated")
_PAYERS = ("131 patient", "131 insurer", "131 private insurer", "338 other funds")
_BEARERS = {
    "guarantee_confirmed": "131 guarantor",
    "exemption_granted": "531 exemption",
    "debt_written_off": "642 bad debt",
}

ACTS: tuple[tuple[Act, dict[EntryKind, set[tuple[str, str]]]], ...] = (
    (
        cash_of_a_shift,
        {
            EntryKind.FLOAT_ISSUED: {("1111 drawer", "1111 safe")},
            EntryKind.CASH_PAID_IN: {("1111 drawer", "1111 safe")},
            EntryKind.CASH_PAID_OUT: {("1111 safe", "1111 drawer")},
            EntryKind.HAND_OVER_SENT: {("113 cash in transit", "1111 drawer")},
            EntryKind.HAND_OVER_ACCEPTED: {("1111 safe", "113 cash in transit")},
            EntryKind.HAND_OVER_REJECTED: {("1111 drawer", "113 cash in transit")},
            EntryKind.CASH_BANKED: {("113 bank account", "1111 safe")},
        },
    ),
    (
        difference_of_a_count,
        {
            EntryKind.FLOAT_ISSUED: {("1111 drawer", "1111 safe")},
            EntryKind.CASH_DIFFERENCE: {("138 short", "1111 drawer"), ("1111 drawer", "338 over")},
        },
    ),
    (
        money_at_the_desk,
        {
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.COUNTER_PAYMENT_RECEIVED: {
                (debit, credit)
                for debit in ("1111 drawer", "113 card terminal", "113 bank account")
                for credit in ("131 deposit", "131 patient")
            },
            EntryKind.CASH_ROUNDED: {("711 rounding", "1111 drawer"), ("1111 drawer", "711 rounding")},
        },
    ),
    (
        money_by_transfer,
        {
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.PAYMENT_RECEIVED: {("113 provider", each) for each in _PAID},
        },
    ),
    (money_taken_back, {EntryKind.PAYMENT_REVERSED: {(each, "113 provider") for each in _PAID}}),
    (
        money_that_left_first,
        {
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.PAYMENT_RECEIVED: {("113 provider", each) for each in _PAID},
            EntryKind.PAYMENT_REVERSED: {("138 unmatched outflow", "113 provider")},
            EntryKind.OUTFLOW_MATCHED: {(each, "138 unmatched outflow") for each in _PAID},
        },
    ),
    (invoice_of_four_payers, {EntryKind.INVOICE_ISSUED: {(each, "531 revenue") for each in _PAYERS}}),
    (
        correction_to_the_patient_and_back,
        {
            EntryKind.INVOICE_CORRECTED: {
                *((each, "531 revenue") for each in _PAYERS),
                *(("531 revenue", each) for each in _PAYERS),
            }
        },
    ),
    (
        bill_that_others_bear,
        {
            EntryKind.COUNTER_PAYMENT_RECEIVED: {("1111 drawer", "131 deposit")},
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.DEPOSIT_APPLIED: {("131 deposit", "131 patient")},
            **{EntryKind(kind): {(account, "131 patient")} for kind, account in _BEARERS.items()},
        },
    ),
    (
        bill_that_is_cancelled,
        {
            EntryKind.INVOICE_CORRECTED: {("531 revenue", "131 patient"), ("531 revenue", "131 insurer")},
            EntryKind.ALLOCATION_MOVED: {("131 patient", "338 credit")},
            **{EntryKind(kind): {("131 patient", account)} for kind, account in _BEARERS.items()},
        },
    ),
    (
        surplus_that_pays_a_further_invoice,
        {
            EntryKind.COUNTER_PAYMENT_RECEIVED: {("1111 drawer", "131 deposit")},
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.DEPOSIT_APPLIED: {("131 deposit", "131 patient")},
            EntryKind.ALLOCATION_MOVED: {("131 deposit", "338 credit"), ("338 credit", "131 patient")},
        },
    ),
    (
        refunds,
        {
            EntryKind.COUNTER_PAYMENT_RECEIVED: {("1111 drawer", "131 deposit")},
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.PAYMENT_RECEIVED: {("113 provider", each) for each in _PAID[1:]},
            EntryKind.REFUND_REQUESTED: {
                (each, "338 refund in transit") for each in ("131 deposit", "338 credit", "338 unallocated")
            },
            EntryKind.REFUND_REFUSED: {
                ("338 refund in transit", each) for each in ("131 deposit", "338 credit", "338 unallocated")
            },
            EntryKind.REFUND_SENT: {
                ("338 refund in transit", each) for each in ("1111 drawer", "113 provider", "113 bank account")
            },
        },
    ),
    (
        voided_receipts,
        {
            EntryKind.RECEIPT_VOIDED: {
                ("131 deposit", "338 refund in transit"),
                ("131 patient", "338 refund in transit"),
                ("338 refund in transit", "1111 drawer"),
                ("131 deposit", "338 credit"),
                ("131 patient", "338 credit"),
            }
        },
    ),
    (moved_receipt, {EntryKind.RECEIPT_MOVED: {("1111 drawer", "1111 drawer")}}),
    (
        money_of_payers,
        {
            EntryKind.INVOICE_ISSUED: {("131 patient", "531 revenue"), ("131 insurer", "531 revenue")},
            EntryKind.GUARANTEE_CONFIRMED: {("131 guarantor", "131 patient")},
            EntryKind.COUNTER_PAYMENT_RECEIVED: {
                (debit, "338 credit") for debit in ("1111 drawer", "113 card terminal", "113 bank account")
            },
            EntryKind.GUARANTEE_PAID: {("338 credit", "131 guarantor")},
        },
    ),
    (
        voided_receipts_of_payers,
        {
            EntryKind.RECEIPT_VOIDED: {
                ("131 guarantor", "338 refund in transit"),
                ("338 credit", "338 refund in transit"),
                ("338 refund in transit", "1111 drawer"),
                ("131 guarantor", "338 credit"),
            }
        },
    ),
    (
        assigned_money_of_payers,
        {
            EntryKind.PAYMENT_RECEIVED: {("113 provider", "338 unallocated")},
            EntryKind.GUARANTEE_PAID: {("338 unallocated", "131 guarantor")},
            EntryKind.ALLOCATION_MOVED: {
                ("338 unallocated", "338 credit"),
                ("131 guarantor", "338 unallocated"),
                ("338 credit", "338 unallocated"),
            },
            EntryKind.PAYMENT_REVERSED: {("131 guarantor", "113 provider"), ("338 credit", "113 provider")},
        },
    ),
    (
        written_off_guarantee,
        {
            EntryKind.GUARANTEE_WRITTEN_OFF: {("642 bad debt", "131 guarantor"), ("131 guarantor", "642 bad debt")},
            EntryKind.INVOICE_CORRECTED: {("531 revenue", "131 patient"), ("531 revenue", "131 insurer")},
            EntryKind.GUARANTEE_CONFIRMED: {("131 patient", "131 guarantor")},
            EntryKind.ALLOCATION_MOVED: {("131 guarantor", "338 credit")},
        },
    ),
    (
        card_batch,
        {
            EntryKind.CARD_BATCH_CREDITED: {
                ("113 bank account", "113 card terminal"),
                ("642 fees", "113 card terminal"),
            }
        },
    ),
    (
        statement_lines,
        {
            EntryKind.BANK_LINES_MATCHED: {
                ("1121 bank", "113 provider"),
                ("1121 bank", "113 bank account"),
                ("642 fees", "113 provider"),
                ("113 provider", "1121 bank"),
                ("113 bank account", "1121 bank"),
                ("642 tolerance difference", "113 provider"),
                ("1121 bank", "642 tolerance difference"),
            }
        },
    ),
    (
        reverted_matches,
        {EntryKind.MATCH_REVERTED: {("113 provider", "1121 bank"), ("113 bank account", "1121 bank")}},
    ),
    (
        decided_exceptions,
        {
            EntryKind.BANK_CHARGE_BOOKED: {("642 fees", "1121 bank"), ("1121 bank", "642 fees")},
            EntryKind.DUPLICATE_DECLARED: {("338 unallocated", "113 provider")},
            EntryKind.DUPLICATE_REVERTED: {("113 provider", "338 unallocated")},
        },
    ),
    (
        returned_transfers,
        {
            EntryKind.REFUND_RETURNED: {
                ("1121 bank", each) for each in ("131 deposit", "338 credit", "338 unallocated")
            },
            EntryKind.OUTFLOW_RETURNED: {("1121 bank", "138 unmatched outflow")},
        },
    ),
)
"""What happens in a hospital, in order, with every entry that it makes: the accounts debited and credited."""


OPENING = {EntryKind.OPENING_BALANCES: {("1121 bank", "131 deposit"), ("1121 bank", "531 revenue")}}
"""The entry before every other one: the balances of go-live."""


def _moves(expected: dict[EntryKind, set[tuple[str, str]]]) -> set[Move]:
    return {(kind.value, *accounts) for kind, pairs in expected.items() for accounts in pairs}


@pytest.fixture
async def open_day(site: Site) -> Hospital:
    return await open_hospital(site)


async def test_every_kind_of_entry_is_made_between_the_documented_accounts(open_day: Hospital) -> None:
    for act, expected in ACTS:
        await act(open_day)

        assert await open_day.news() == _moves(expected), act.__name__

    await assert_books_are_right(open_day.site.context.database)


async def test_opening_balances_are_the_first_entry(site: Site) -> None:
    approver = await key_of(site, Role.FINANCE)
    [bank] = await site.as_owner("SELECT account_number FROM bank_account WHERE organization_id = 1 LIMIT 1")
    amounts = {"bank": 7_000_000, "deposit": -3_000_000, "revenue": -4_000_000}
    balances = [
        {"role": role, "subject": bank["account_number"] if role == "bank" else "", "amount": amount}
        for role, amount in amounts.items()
    ]
    body = {"first_day": business_date(site.context.clock()).isoformat(), "balances": balances}

    proposal = (await site.client.post("/v1/ledger/opening-balances", json=body)).raise_for_status().json()
    (await site.anonymous_client.post(f"/v1/approvals/{proposal['id']}/approve", headers=approver)).raise_for_status()

    [moves] = (await read_moves(site)).values()
    assert set(moves) == _moves(OPENING)


def test_every_kind_of_entry_has_an_act() -> None:
    assert {kind for expected in (OPENING, *(each for _, each in ACTS)) for kind in expected} == set(EntryKind)


def test_page_lists_the_accounts_of_every_kind_of_entry() -> None:
    assert _moves(OPENING).union(*(_moves(expected) for _, expected in ACTS)) == documented_moves()
