"""The routes of balances, document sets, final bills, guarantees, exemptions and debts with their rights."""

from billing.organizations.domain.rights import Right
from billing.web.api.debts import get_debt, get_debts, post_debt, post_debt_withdrawal, post_write_off
from billing.web.api.document_sets import get_document_set
from billing.web.api.final_bills import (
    get_closed_visits_with_money,
    get_final_bill,
    post_final_bill,
    post_line_refund,
    post_reopening,
)
from billing.web.api.guarantee_payments import (
    get_guarantee_payments,
    get_guarantee_receivables,
    post_guarantee_payment,
    post_guarantee_write_off,
    post_payer_credit,
)
from billing.web.api.guarantees import (
    get_exemptions,
    get_guarantees,
    post_exemption,
    post_guarantee,
    post_guarantee_confirmation,
    post_guarantee_rejection,
    post_guarantee_withdrawal,
)
from billing.web.api.ward_accounts import get_balance, get_ward_accounts
from billing.web.operation import api_route

BILL_API = (
    api_route("GET", "/ward-accounts", get_ward_accounts, Right.READ_BALANCES),
    api_route("GET", "/visits/{id}/balance", get_balance, Right.READ_BALANCES),
    api_route("GET", "/visits/{id}/documents", get_document_set, Right.READ_BOOKS),
    api_route("GET", "/visits/{id}/final-bill", get_final_bill, Right.READ_PAYMENTS),
    api_route("POST", "/visits/{id}/final-bill", post_final_bill, Right.BILL_VISIT),
    api_route("POST", "/visits/{id}/reopen", post_reopening, Right.REOPEN_VISIT),
    api_route("POST", "/visits/{id}/charges/{line}/refund", post_line_refund, Right.BILL_VISIT),
    api_route("GET", "/closed-visits-with-money", get_closed_visits_with_money, Right.READ_PAYMENTS),
    api_route("POST", "/visits/{id}/guarantees", post_guarantee, Right.GRANT_RELIEF),
    api_route("GET", "/visits/{id}/guarantees", get_guarantees, Right.READ_PAYMENTS),
    api_route("POST", "/guarantees/{id}/confirm", post_guarantee_confirmation, Right.GRANT_RELIEF),
    api_route("POST", "/guarantees/{id}/reject", post_guarantee_rejection, Right.GRANT_RELIEF),
    api_route("POST", "/guarantees/{id}/withdraw", post_guarantee_withdrawal, Right.GRANT_RELIEF),
    api_route("POST", "/guarantees/{id}/write-off", post_guarantee_write_off, Right.WRITE_OFF),
    api_route("GET", "/guarantee-receivables", get_guarantee_receivables, Right.READ_PAYMENTS),
    api_route("GET", "/guarantee-payments", get_guarantee_payments, Right.READ_PAYMENTS),
    api_route("POST", "/guarantee-payments", post_guarantee_payment, Right.COLLECT),
    api_route("POST", "/guarantee-payments/apply-credit", post_payer_credit, Right.COLLECT),
    api_route("POST", "/visits/{id}/exemptions", post_exemption, Right.GRANT_RELIEF),
    api_route("GET", "/visits/{id}/exemptions", get_exemptions, Right.READ_PAYMENTS),
    api_route("POST", "/visits/{id}/debts", post_debt, Right.GRANT_RELIEF),
    api_route("GET", "/debts", get_debts, Right.READ_PAYMENTS),
    api_route("GET", "/debts/{id}", get_debt, Right.READ_PAYMENTS),
    api_route("POST", "/debts/{id}/withdraw", post_debt_withdrawal, Right.GRANT_RELIEF),
    api_route("POST", "/debts/{id}/write-off", post_write_off, Right.WRITE_OFF),
)
