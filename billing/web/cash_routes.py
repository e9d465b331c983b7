"""The routes of the cash desk with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.card_terminals import get_card_batch, get_card_terminals, post_card_batch, post_card_terminal
from billing.web.api.collections import post_collection
from billing.web.api.desks import get_desks, post_desk, put_cash_settings
from billing.web.api.hand_overs import (
    get_hand_overs,
    post_acceptance,
    post_bank_deposit,
    post_hand_over,
    post_hand_over_rejection,
)
from billing.web.api.receipt_blocks import (
    get_receipt_block,
    post_paper_receipt,
    post_receipt_block,
    post_unused_numbers,
)
from billing.web.api.receipts import get_receipt, get_receipts, post_move, post_reprint, post_void
from billing.web.api.shifts import (
    get_shift,
    get_shifts,
    post_forced_close,
    post_paid_in,
    post_paid_out,
    post_shift,
    post_shift_close,
    post_shift_end,
)
from billing.web.operation import api_route

CASH_API = (
    api_route("POST", "/desks", post_desk, Right.SET_UP_DESKS),
    api_route("GET", "/desks", get_desks, Right.READ_DESKS),
    api_route("PUT", "/facilities/{facility_code}/cash-settings", put_cash_settings, Right.SET_UP_DESKS),
    api_route("POST", "/shifts", post_shift, Right.RUN_SHIFT),
    api_route("GET", "/shifts", get_shifts, Right.READ_SHIFTS),
    api_route("GET", "/shifts/{id}", get_shift, Right.READ_SHIFTS),
    api_route("POST", "/shifts/{id}/paid-in", post_paid_in, Right.RUN_SHIFT),
    api_route("POST", "/shifts/{id}/paid-out", post_paid_out, Right.RUN_SHIFT),
    api_route("POST", "/shifts/{id}/end", post_shift_end, Right.RUN_SHIFT),
    api_route("POST", "/shifts/{id}/close", post_shift_close, Right.CLOSE_SHIFT),
    api_route("POST", "/shifts/{id}/force-close", post_forced_close, Right.CLOSE_SHIFT),
    api_route("POST", "/hand-overs", post_hand_over, Right.RUN_SHIFT),
    api_route("GET", "/hand-overs", get_hand_overs, Right.READ_SHIFTS),
    api_route("POST", "/hand-overs/{id}/accept", post_acceptance, Right.ACCEPT_HAND_OVER),
    api_route("POST", "/hand-overs/{id}/reject", post_hand_over_rejection, Right.ACCEPT_HAND_OVER),
    api_route("POST", "/bank-deposits", post_bank_deposit, Right.DEPOSIT_TO_BANK),
    api_route("POST", "/visits/{id}/collections", post_collection, Right.COLLECT),
    api_route("GET", "/receipts", get_receipts, Right.READ_PAYMENTS),
    api_route("GET", "/receipts/{id}", get_receipt, Right.READ_PAYMENTS),
    api_route("POST", "/receipts/{id}/reprint", post_reprint, Right.COLLECT),
    api_route("POST", "/receipts/{id}/void", post_void, Right.VOID_RECEIPT),
    api_route("POST", "/receipts/{id}/move", post_move, Right.MOVE_RECEIPT),
    api_route("POST", "/receipt-blocks", post_receipt_block, Right.COLLECT),
    api_route("GET", "/receipt-blocks/{id}", get_receipt_block, Right.READ_PAYMENTS),
    api_route("POST", "/receipt-blocks/{id}/receipts", post_paper_receipt, Right.COLLECT),
    api_route("POST", "/receipt-blocks/{id}/unused", post_unused_numbers, Right.COLLECT),
    api_route("POST", "/card-terminals", post_card_terminal, Right.SET_UP_DESKS),
    api_route("GET", "/card-terminals", get_card_terminals, Right.READ_DESKS),
    api_route("POST", "/card-batches", post_card_batch, Right.RECONCILE),
    api_route("GET", "/card-batches/{id}", get_card_batch, Right.READ_PAYMENTS),
)
"""Routes of shifts, receipts and cards."""
