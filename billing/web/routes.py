"""The routes of the API with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.account_changes import (
    get_account_change,
    get_account_changes,
    post_account_change,
)
from billing.web.api.approvals import get_approval, get_approvals, post_approval, post_rejection
from billing.web.api.callbacks import (
    get_callback,
    get_callbacks,
    post_close,
    post_retry,
)
from billing.web.api.chart import get_chart, post_chart_number
from billing.web.api.claim_files import get_claim_file
from billing.web.api.claims import get_claim_check, post_claim_check, post_what_if
from billing.web.api.deposit_requests import (
    get_deposit_proposal,
    get_deposit_request,
    get_deposit_requests,
    post_deposit_request,
    post_deposit_request_withdrawal,
)
from billing.web.api.deposit_settings import put_deposit_settings
from billing.web.api.facility_policies import (
    get_facility_policies,
    get_facility_policy,
    get_policy_options,
    post_facility_policy,
)
from billing.web.api.integration_messages import (
    get_integration_message,
    get_integration_messages,
    post_message_retry,
)
from billing.web.api.intents import get_intent, get_intent_qr, get_intents, post_cancellation, post_intent
from billing.web.api.invoices import get_invoice, get_invoices, post_invoice
from billing.web.api.ledger import get_balances, get_entries, get_entry
from billing.web.api.live_visits import (
    get_account,
    post_charge_cancellation,
    post_charges,
    put_charge,
    put_live_visit,
)
from billing.web.api.patients import get_patient, get_patients, post_identity, post_merge
from billing.web.api.payments import get_payment, get_payments
from billing.web.api.persons import get_keys, get_persons, post_key_revocation
from billing.web.api.pricing import (
    get_price_differences,
    get_pricing,
    get_pricings,
    post_pricing,
)
from billing.web.api.quotes import post_quote
from billing.web.api.refund_limit import get_refund_limit, post_refund_limit
from billing.web.api.refunds import (
    get_payment_order_file,
    get_refund,
    get_refunds,
    post_payment_order,
    post_refund,
    post_refund_cancellation,
    post_refund_confirmation,
    post_refund_sending,
)
from billing.web.api.rules import get_rules
from billing.web.api.statements import get_statement
from billing.web.api.tariffs import (
    get_tariff,
    get_tariff_changes,
    get_tariffs,
    post_tariff,
    post_tariff_activation,
    post_tariff_discard,
)
from billing.web.api.visits import get_visit, get_visits, post_visit
from billing.web.api_docs import get_docs, get_openapi
from billing.web.bill_routes import BILL_API
from billing.web.cash_routes import CASH_API
from billing.web.clearance_routes import CLEARANCE_API
from billing.web.day_routes import DAY_API
from billing.web.exception_routes import EXCEPTION_API
from billing.web.health import get_health, get_readiness
from billing.web.import_routes import IMPORT_API
from billing.web.match_routes import MATCH_API
from billing.web.metrics import get_metrics
from billing.web.operation import Route, api_route
from billing.web.report_routes import REPORT_API

_VISIT = "/facilities/{facility_code}/visits/{ma_lk}"


API = (
    api_route("POST", "/visits", post_visit, Right.SEND_VISITS),
    api_route("GET", "/visits", get_visits, Right.READ_VISITS),
    api_route("GET", "/visits/{id}", get_visit, Right.READ_VISITS),
    api_route("GET", "/visits/{id}/account", get_account, Right.READ_VISITS),
    api_route("PUT", _VISIT, put_live_visit, Right.SEND_VISITS),
    api_route("POST", _VISIT + "/charges", post_charges, Right.SEND_VISITS),
    api_route("PUT", _VISIT + "/charges/{line}", put_charge, Right.SEND_VISITS),
    api_route("POST", _VISIT + "/charges/{line}/cancel", post_charge_cancellation, Right.CANCEL_CHARGE),
    api_route("GET", "/integration-messages", get_integration_messages, Right.READ_MESSAGES),
    api_route("GET", "/integration-messages/{id}", get_integration_message, Right.READ_MESSAGES),
    api_route("POST", "/integration-messages/{id}/retry", post_message_retry, Right.SEND_VISITS),
    api_route("GET", "/patients", get_patients, Right.READ_VISITS),
    api_route("GET", "/patients/{id}", get_patient, Right.READ_VISITS),
    api_route("POST", "/patients/{id}/identity", post_identity, Right.CHANGE_PATIENTS),
    api_route("POST", "/patients/{id}/merge", post_merge, Right.CHANGE_PATIENTS),
    api_route("GET", "/visits/{id}/claim-check", get_claim_check, Right.READ_VISITS),
    api_route("POST", "/claims/check", post_claim_check, Right.QUOTE),
    api_route("POST", "/quotes", post_quote, Right.QUOTE),
    api_route("POST", "/quotes/what-if", post_what_if, Right.QUOTE),
    api_route("GET", "/rules", get_rules, Right.READ_RULES),
    api_route("POST", "/invoices", post_invoice, Right.REQUEST_PAYMENT),
    api_route("GET", "/invoices", get_invoices, Right.READ_PAYMENTS),
    api_route("GET", "/invoices/{id}", get_invoice, Right.READ_PAYMENTS),
    api_route("GET", "/invoices/{id}/claim.xml", get_claim_file, Right.READ_CLAIM_FILES),
    api_route("POST", "/intents", post_intent, Right.REQUEST_PAYMENT),
    api_route("GET", "/intents", get_intents, Right.READ_PAYMENTS),
    api_route("GET", "/intents/{id}", get_intent, Right.READ_PAYMENTS),
    api_route("GET", "/intents/{id}/qr.svg", get_intent_qr, Right.READ_PAYMENTS),
    api_route("POST", "/intents/{id}/cancel", post_cancellation, Right.REQUEST_PAYMENT),
    api_route("GET", "/payments", get_payments, Right.READ_PAYMENTS),
    api_route("GET", "/payments/{id}", get_payment, Right.READ_PAYMENTS),
    api_route("POST", "/refunds", post_refund, Right.REFUND),
    api_route("GET", "/refunds", get_refunds, Right.READ_PAYMENTS),
    api_route("GET", "/refunds/{id}", get_refund, Right.READ_PAYMENTS),
    api_route("POST", "/refunds/{id}/send", post_refund_sending, Right.PAY_OUT),
    api_route("POST", "/refunds/{id}/confirm", post_refund_confirmation, Right.REFUND),
    api_route("POST", "/refunds/{id}/cancel", post_refund_cancellation, Right.REFUND),
    api_route("GET", "/refund-limit", get_refund_limit, Right.READ_PAYMENTS),
    api_route("POST", "/refund-limit", post_refund_limit, Right.SET_REFUND_LIMIT),
    api_route("POST", "/payment-orders", post_payment_order, Right.REFUND),
    api_route("GET", "/payment-orders/{id}/file", get_payment_order_file, Right.REFUND),
    api_route("GET", "/callbacks", get_callbacks, Right.READ_CALLBACKS),
    api_route("GET", "/callbacks/{id}", get_callback, Right.READ_CALLBACKS),
    api_route("POST", "/callbacks/{id}/retry", post_retry, Right.RETRY_CALLBACKS),
    api_route("POST", "/callbacks/{id}/close", post_close, Right.CLOSE_CALLBACKS),
    api_route("POST", "/tariffs", post_tariff, Right.SET_PRICES),
    api_route("GET", "/tariffs", get_tariffs, Right.READ_PRICES),
    api_route("GET", "/tariffs/{id}", get_tariff, Right.READ_PRICES),
    api_route("GET", "/tariffs/{id}/changes", get_tariff_changes, Right.READ_PRICES),
    api_route("POST", "/tariffs/{id}/activate", post_tariff_activation, Right.SET_PRICES),
    api_route("POST", "/tariffs/{id}/discard", post_tariff_discard, Right.SET_PRICES),
    api_route("POST", "/facility-pricing", post_pricing, Right.SET_PRICES),
    api_route("GET", "/facility-pricing", get_pricings, Right.READ_PRICES),
    api_route("GET", "/facility-pricing/{id}", get_pricing, Right.READ_PRICES),
    api_route("GET", "/policy-options", get_policy_options, Right.READ_RULES),
    api_route("POST", "/facility-policies", post_facility_policy, Right.SET_PRICES),
    api_route("GET", "/facility-policies", get_facility_policies, Right.READ_PRICES),
    api_route("GET", "/facility-policies/{id}", get_facility_policy, Right.READ_PRICES),
    api_route("GET", "/price-differences", get_price_differences, Right.READ_PRICES),
    api_route("POST", "/account-changes", post_account_change, Right.CHANGE_ACCOUNTS),
    api_route("GET", "/account-changes", get_account_changes, Right.READ_ACCOUNT_CHANGES),
    api_route("GET", "/account-changes/{id}", get_account_change, Right.READ_ACCOUNT_CHANGES),
    api_route("GET", "/approvals", get_approvals, Right.READ_APPROVALS),
    api_route("GET", "/approvals/{id}", get_approval, Right.READ_APPROVALS),
    api_route("POST", "/approvals/{id}/approve", post_approval, Right.APPROVE),
    api_route("POST", "/approvals/{id}/reject", post_rejection, Right.APPROVE),
    api_route("GET", "/ledger/balances", get_balances, Right.READ_BOOKS),
    api_route("GET", "/ledger/accounts/{role}/statement", get_statement, Right.READ_BOOKS),
    api_route("GET", "/ledger/chart", get_chart, Right.READ_BOOKS),
    api_route("POST", "/ledger/chart", post_chart_number, Right.SET_CHART),
    api_route("GET", "/ledger/entries", get_entries, Right.READ_BOOKS),
    api_route("GET", "/ledger/entries/{id}", get_entry, Right.READ_BOOKS),
    api_route("GET", "/visits/{id}/deposit-proposal", get_deposit_proposal, Right.READ_PAYMENTS),
    api_route("POST", "/visits/{id}/deposit-requests", post_deposit_request, Right.REQUEST_PAYMENT),
    api_route("PUT", "/facilities/{facility_code}/deposit-settings", put_deposit_settings, Right.SET_UP_DESKS),
    api_route("GET", "/deposit-requests", get_deposit_requests, Right.READ_PAYMENTS),
    api_route("GET", "/deposit-requests/{id}", get_deposit_request, Right.READ_PAYMENTS),
    api_route("POST", "/deposit-requests/{id}/withdraw", post_deposit_request_withdrawal, Right.REQUEST_PAYMENT),
    api_route("GET", "/persons", get_persons, Right.READ_PERSONS),
    api_route("GET", "/keys", get_keys, Right.READ_PERSONS),
    api_route("POST", "/keys/{id}/revoke", post_key_revocation, Right.REVOKE_KEYS),
    *CASH_API,
    *DAY_API,
    *REPORT_API,
    *EXCEPTION_API,
    *IMPORT_API,
    *MATCH_API,
    *CLEARANCE_API,
    *BILL_API,
)
"""Routes that need a key with the right. The roles of each right are in `organizations/domain/rights.py`."""

OPEN = (
    Route(method="GET", path="/healthz", handler=get_health),
    Route(method="GET", path="/readyz", handler=get_readiness),
    Route(method="GET", path="/metrics", handler=get_metrics),
    Route(method="GET", path="/openapi.json", handler=get_openapi),
    Route(method="GET", path="/docs", handler=get_docs),
)
"""Routes without a key. The routes of callbacks are in `callbacks.py`."""
