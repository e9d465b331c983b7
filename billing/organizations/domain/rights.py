"""The one table of rights: which roles may do what. Routes and commands name a right, never a set of roles.

A person has roles in an organization; a key has some of the roles of its person. The page docs/rights.md shows this
table; a test compares both. Source: docs/design.md §3.5; docs/visit-accounts.md.
"""

from collections.abc import Mapping
from enum import StrEnum

from billing.core.actor import Role


class Right(StrEnum):
    """One kind of operation."""

    READ_VISITS = "read_visits"
    READ_PAYMENTS = "read_payments"
    READ_RULES = "read_rules"
    READ_CLAIM_FILES = "read_claim_files"
    READ_DESKS = "read_desks"
    READ_SHIFTS = "read_shifts"
    READ_BOOKS = "read_books"
    READ_PRICES = "read_prices"
    READ_CALLBACKS = "read_callbacks"
    READ_ACCOUNT_CHANGES = "read_account_changes"
    READ_APPROVALS = "read_approvals"
    READ_ALL_APPROVALS = "read_all_approvals"
    READ_CLEARANCE = "read_clearance"
    READ_BALANCES = "read_balances"
    READ_MESSAGES = "read_messages"
    READ_PERSONS = "read_persons"
    QUOTE = "quote"
    SEND_VISITS = "send_visits"
    CANCEL_CHARGE = "cancel_charge"
    CHANGE_PATIENTS = "change_patients"
    REQUEST_PAYMENT = "request_payment"
    COLLECT = "collect"
    RUN_SHIFT = "run_shift"
    VOID_RECEIPT = "void_receipt"
    MOVE_RECEIPT = "move_receipt"
    CLOSE_SHIFT = "close_shift"
    OVERRIDE_DISCHARGE = "override_discharge"
    CONFIRM_MANUALLY = "confirm_manually"
    REOPEN_VISIT = "reopen_visit"
    ACCEPT_HAND_OVER = "accept_hand_over"
    DEPOSIT_TO_BANK = "deposit_to_bank"
    SET_UP_DESKS = "set_up_desks"
    BILL_VISIT = "bill_visit"
    GRANT_RELIEF = "grant_relief"
    FIND_MONEY = "find_money"
    RECONCILE = "reconcile"
    REFUND = "refund"
    REQUEST_REFUND = "request_refund"
    PAY_OUT = "pay_out"
    WRITE_OFF = "write_off"
    SET_CHART = "set_chart"
    SET_REFUND_LIMIT = "set_refund_limit"
    SET_MATCHING = "set_matching"
    CLOSE_DAY = "close_day"
    SET_OPENING_BALANCES = "set_opening_balances"
    SET_PRICES = "set_prices"
    SET_CLEARANCE = "set_clearance"
    RETRY_CALLBACKS = "retry_callbacks"
    CLOSE_CALLBACKS = "close_callbacks"
    CHANGE_ACCOUNTS = "change_accounts"
    ERASE_PERSONAL_DATA = "erase_personal_data"
    REVOKE_KEYS = "revoke_keys"
    USE_SCREENS = "use_screens"
    CHANGE_SIGN_IN = "change_sign_in"
    APPROVE = "approve"
    APPROVE_TARIFF = "approve_tariff"
    APPROVE_FACILITY_PRICING = "approve_facility_pricing"
    APPROVE_FACILITY_POLICY = "approve_facility_policy"
    APPROVE_ACCOUNT_CHANGE = "approve_account_change"
    APPROVE_DEAD_LETTER_CLOSING = "approve_dead_letter_closing"
    APPROVE_EXEMPTION = "approve_exemption"
    APPROVE_WRITE_OFF = "approve_write_off"
    APPROVE_REFUND = "approve_refund"
    APPROVE_CHART = "approve_chart"
    APPROVE_REFUND_LIMIT = "approve_refund_limit"
    APPROVE_OPENING_BALANCES = "approve_opening_balances"
    APPROVE_EXCEPTION_DIFFERENCE = "approve_exception_difference"
    APPROVE_GUARANTEE_WRITE_OFF = "approve_guarantee_write_off"
    APPROVE_PROVIDER_CONTRACT = "approve_provider_contract"
    APPROVE_MATCH_RULES = "approve_match_rules"


_CASHIER = frozenset({Role.CASHIER})
_HEAD_CASHIER = frozenset({Role.HEAD_CASHIER})
_TREASURER = frozenset({Role.TREASURER})
_FINANCE = frozenset({Role.FINANCE})
_INTEGRATOR = frozenset({Role.INTEGRATOR})
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
_AUDITOR = frozenset({Role.AUDITOR})
_DESK = _CASHIER | _HEAD_CASHIER
_MONEY = _DESK | _TREASURER | _FINANCE

RIGHTS: Mapping[Right, frozenset[Role]] = {
    Right.READ_VISITS: _DESK | _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.READ_PAYMENTS: _MONEY | _INTEGRATOR | _AUDITOR,
    Right.READ_RULES: _DESK | _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.READ_CLAIM_FILES: _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.READ_DESKS: _MONEY | _ADMINISTRATOR | _AUDITOR,
    Right.READ_SHIFTS: _MONEY | _AUDITOR,
    Right.READ_BOOKS: _FINANCE | _AUDITOR,
    Right.READ_PRICES: _FINANCE | _AUDITOR,
    Right.READ_CALLBACKS: _FINANCE | _ADMINISTRATOR | _AUDITOR,
    Right.READ_ACCOUNT_CHANGES: _FINANCE | _ADMINISTRATOR | _AUDITOR,
    Right.READ_APPROVALS: _FINANCE | _HEAD_CASHIER | _ADMINISTRATOR | _AUDITOR,
    Right.READ_ALL_APPROVALS: _AUDITOR,
    Right.READ_CLEARANCE: _DESK | _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.READ_BALANCES: _DESK | _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.READ_MESSAGES: _INTEGRATOR | _ADMINISTRATOR | _FINANCE | _AUDITOR,
    Right.READ_PERSONS: _ADMINISTRATOR | _AUDITOR,
    Right.QUOTE: _DESK | _FINANCE | _INTEGRATOR | _AUDITOR,
    Right.SEND_VISITS: _INTEGRATOR,
    Right.CANCEL_CHARGE: _CASHIER | _INTEGRATOR,
    Right.CHANGE_PATIENTS: _CASHIER | _INTEGRATOR,
    Right.REQUEST_PAYMENT: _CASHIER | _INTEGRATOR,
    Right.COLLECT: _CASHIER,
    Right.RUN_SHIFT: _CASHIER,
    Right.VOID_RECEIPT: _HEAD_CASHIER,
    Right.MOVE_RECEIPT: _HEAD_CASHIER,
    Right.CLOSE_SHIFT: _HEAD_CASHIER,
    Right.OVERRIDE_DISCHARGE: _HEAD_CASHIER,
    Right.CONFIRM_MANUALLY: _HEAD_CASHIER,
    Right.REOPEN_VISIT: _HEAD_CASHIER,
    Right.ACCEPT_HAND_OVER: _TREASURER,
    Right.DEPOSIT_TO_BANK: _TREASURER,
    Right.SET_UP_DESKS: _ADMINISTRATOR,
    Right.BILL_VISIT: _CASHIER,
    Right.GRANT_RELIEF: _FINANCE,
    Right.FIND_MONEY: _DESK | _FINANCE,
    Right.RECONCILE: _FINANCE,
    Right.REFUND: _FINANCE,
    Right.REQUEST_REFUND: _CASHIER | _FINANCE,
    Right.PAY_OUT: _CASHIER | _FINANCE,
    Right.WRITE_OFF: _FINANCE,
    Right.SET_CHART: _FINANCE,
    Right.SET_REFUND_LIMIT: _FINANCE,
    Right.SET_MATCHING: _FINANCE,
    Right.CLOSE_DAY: _FINANCE,
    Right.SET_OPENING_BALANCES: _FINANCE,
    Right.SET_PRICES: _FINANCE,
    Right.SET_CLEARANCE: _FINANCE,
    Right.RETRY_CALLBACKS: _FINANCE | _ADMINISTRATOR,
    Right.CLOSE_CALLBACKS: _FINANCE,
    Right.CHANGE_ACCOUNTS: _ADMINISTRATOR,
    Right.ERASE_PERSONAL_DATA: _ADMINISTRATOR,
    Right.REVOKE_KEYS: _ADMINISTRATOR,
    Right.USE_SCREENS: frozenset(Role),
    Right.CHANGE_SIGN_IN: _ADMINISTRATOR,
    Right.APPROVE: _FINANCE | _HEAD_CASHIER | _ADMINISTRATOR,
    Right.APPROVE_TARIFF: _FINANCE,
    Right.APPROVE_FACILITY_PRICING: _FINANCE,
    Right.APPROVE_FACILITY_POLICY: _FINANCE,
    Right.APPROVE_ACCOUNT_CHANGE: _FINANCE | _ADMINISTRATOR,
    Right.APPROVE_DEAD_LETTER_CLOSING: _FINANCE,
    Right.APPROVE_EXEMPTION: _FINANCE,
    Right.APPROVE_WRITE_OFF: _FINANCE,
    Right.APPROVE_REFUND: _FINANCE | _HEAD_CASHIER,
    Right.APPROVE_CHART: _FINANCE,
    Right.APPROVE_REFUND_LIMIT: _FINANCE,
    Right.APPROVE_OPENING_BALANCES: _FINANCE,
    Right.APPROVE_EXCEPTION_DIFFERENCE: _FINANCE,
    Right.APPROVE_GUARANTEE_WRITE_OFF: _FINANCE,
    Right.APPROVE_PROVIDER_CONTRACT: _FINANCE,
    Right.APPROVE_MATCH_RULES: _FINANCE,
}
"""The roles that have each right; one of them is enough. `approve` opens the operations that decide proposals, and the
right of the kind of a proposal decides further."""

DESCRIPTIONS: Mapping[Right, str] = {
    Right.READ_VISITS: "read visits, their accounts, charges and claim checks",
    Right.READ_PAYMENTS: "read invoices, intents, payments, deposits, receipts and refunds",
    Right.READ_RULES: "read the rules of claims and the options of policies",
    Right.READ_CLAIM_FILES: "read claim files",
    Right.READ_DESKS: "read desks and card terminals",
    Right.READ_SHIFTS: "read shifts, drawers and hand-overs",
    Right.READ_BOOKS: "read the ledger, exceptions and the chart of accounts",
    Right.READ_PRICES: "read price lists, pricing settings, facility policies and price differences",
    Right.READ_CALLBACKS: "read callbacks that could not be applied",
    Right.READ_ACCOUNT_CHANGES: "read changes of provider accounts",
    Right.READ_APPROVALS: "read proposals of the kinds that the caller decides",
    Right.READ_ALL_APPROVALS: "read proposals of all kinds",
    Right.READ_CLEARANCE: "read the clearance of orders and of discharges",
    Right.READ_BALANCES: "read the balances of visits and wards",
    Right.READ_MESSAGES: "read the integration inbox",
    Right.READ_PERSONS: "read persons, their roles, and keys without their secrets",
    Right.QUOTE: "price a document and check a claim without recording it",
    Right.SEND_VISITS: "record visits, their accounts, charges and patients",
    Right.CANCEL_CHARGE: "cancel an order, a started one by decision of a person",
    Right.CHANGE_PATIENTS: "identify an unknown patient, merge two patients",
    Right.REQUEST_PAYMENT: "issue invoices, request deposits, open and cancel intents",
    Right.COLLECT: "collect money on receipts, reprint receipts, reserve and enter paper receipts",
    Right.RUN_SHIFT: "open, count and end the own shift, send a hand-over",
    Right.VOID_RECEIPT: "void a receipt in its shift",
    Right.MOVE_RECEIPT: "move a receipt to another open shift",
    Right.CLOSE_SHIFT: "close an ended shift of another person, end a shift that its cashier left",
    Right.OVERRIDE_DISCHARGE: "override a blocker of a discharge",
    Right.CONFIRM_MANUALLY: "state that money arrived before the bank confirms it",
    Right.REOPEN_VISIT: "reopen a closed visit account",
    Right.ACCEPT_HAND_OVER: "accept or reject a hand-over of cash",
    Right.DEPOSIT_TO_BANK: "deposit cash at a bank",
    Right.SET_UP_DESKS: "set up desks, card terminals and the settings of cash",
    Right.BILL_VISIT: "make the final bill of a visit",
    Right.GRANT_RELIEF: "record guarantees of payers, propose exemptions, agree debts",
    Right.FIND_MONEY: "find money by what a payer knows of a transfer",
    Right.RECONCILE: "reconcile: decide exceptions, match statement lines and card batches",
    Right.REFUND: "request, send, confirm and cancel refunds, write payment orders",
    Right.REQUEST_REFUND: "request refunds, withdraw own ones; a second person approves them above the limit",
    Right.PAY_OUT: "pay an approved refund from the drawer of the own shift; finance: send any approved refund",
    Right.WRITE_OFF: "propose to write off a debt, or what a payer owes for a guarantee",
    Right.SET_CHART: "propose numbers and names of ledger accounts",
    Right.CLOSE_DAY: "close a business day, and a month whose days are closed",
    Right.SET_OPENING_BALANCES: "propose the opening balances of the ledger",
    Right.SET_REFUND_LIMIT: "propose the amount above which a second person approves a refund",
    Right.SET_MATCHING: "propose contracts of providers and rule sets of matching",
    Right.SET_PRICES: "draft and propose price lists, pricing settings and facility policies",
    Right.SET_CLEARANCE: "set the clearance policy of a facility",
    Right.RETRY_CALLBACKS: "retry callbacks that could not be applied",
    Right.CLOSE_CALLBACKS: "propose to close a callback that cannot be applied",
    Right.CHANGE_ACCOUNTS: "propose changes of provider accounts",
    Right.ERASE_PERSONAL_DATA: "erase personal data of a visit",
    Right.REVOKE_KEYS: "revoke keys",
    Right.USE_SCREENS: "open the screens, read and end the own sessions, change the own password and PIN",
    Right.CHANGE_SIGN_IN: "set passwords and PINs of other persons, disable their accounts, end their sessions",
    Right.APPROVE: "approve or reject proposals of other persons, by the right of each kind",
    Right.APPROVE_TARIFF: "decide on a price list",
    Right.APPROVE_FACILITY_PRICING: "decide on a pricing setting",
    Right.APPROVE_FACILITY_POLICY: "decide on a facility policy",
    Right.APPROVE_ACCOUNT_CHANGE: "decide on a change of a provider account",
    Right.APPROVE_DEAD_LETTER_CLOSING: "decide on the closing of a callback",
    Right.APPROVE_EXEMPTION: "decide on an exemption",
    Right.APPROVE_WRITE_OFF: "decide on the write-off of a debt",
    Right.APPROVE_REFUND: "decide on a refund",
    Right.APPROVE_CHART: "decide on the number of a ledger account",
    Right.APPROVE_EXCEPTION_DIFFERENCE: "decide on a difference between a statement line and its item",
    Right.APPROVE_GUARANTEE_WRITE_OFF: "decide on the write-off of what a payer owes for a guarantee",
    Right.APPROVE_PROVIDER_CONTRACT: "decide on the contract of a provider",
    Right.APPROVE_MATCH_RULES: "decide on a rule set of matching",
    Right.APPROVE_OPENING_BALANCES: "decide on the opening balances of the ledger",
    Right.APPROVE_REFUND_LIMIT: "decide on the amount above which a second person approves a refund",
}


def roles_with(right: Right) -> frozenset[Role]:
    """The roles that have a right."""
    return RIGHTS[right]
