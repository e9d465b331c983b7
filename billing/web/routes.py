"""The routes of the API with their roles."""

from billing.core.actor import Role
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
from billing.web.api.claim_files import get_claim_file
from billing.web.api.claims import get_claim_check, post_claim_check, post_what_if
from billing.web.api.exceptions import get_exceptions
from billing.web.api.facility_policies import (
    get_facility_policies,
    get_facility_policy,
    get_policy_options,
    post_facility_policy,
)
from billing.web.api.intents import get_intent, get_intent_qr, get_intents, post_cancellation, post_intent
from billing.web.api.invoices import get_invoice, get_invoices, post_invoice
from billing.web.api.ledger import get_balances, get_entries, get_entry
from billing.web.api.payments import get_payment, get_payments
from billing.web.api.pricing import (
    get_price_differences,
    get_pricing,
    get_pricings,
    post_pricing,
)
from billing.web.api.quotes import post_quote
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
from billing.web.health import get_health, get_readiness
from billing.web.metrics import get_metrics
from billing.web.operation import Handler, Route

PREFIX = "/v1"

_DESK = frozenset({Role.CASHIER, Role.INTEGRATOR})
_WORKERS = frozenset({Role.CASHIER, Role.INTEGRATOR, Role.FINANCE})
_CLAIMS = frozenset({Role.FINANCE, Role.INTEGRATOR})
_BOOKS = frozenset({Role.FINANCE})
_KEEPERS = frozenset({Role.FINANCE, Role.ADMINISTRATOR})


def _api(method: str, path: str, handler: Handler, roles: frozenset[Role]) -> Route:
    return Route(method=method, path=PREFIX + path, handler=handler, roles=roles)


API = (
    _api("POST", "/visits", post_visit, _DESK),
    _api("GET", "/visits", get_visits, _WORKERS),
    _api("GET", "/visits/{id}", get_visit, _WORKERS),
    _api("GET", "/visits/{id}/claim-check", get_claim_check, _WORKERS),
    _api("POST", "/claims/check", post_claim_check, _WORKERS),
    _api("POST", "/quotes", post_quote, _WORKERS),
    _api("POST", "/quotes/what-if", post_what_if, _WORKERS),
    _api("GET", "/rules", get_rules, _WORKERS),
    _api("POST", "/invoices", post_invoice, _DESK),
    _api("GET", "/invoices", get_invoices, _WORKERS),
    _api("GET", "/invoices/{id}", get_invoice, _WORKERS),
    _api("GET", "/invoices/{id}/claim.xml", get_claim_file, _CLAIMS),
    _api("POST", "/intents", post_intent, _DESK),
    _api("GET", "/intents", get_intents, _WORKERS),
    _api("GET", "/intents/{id}", get_intent, _WORKERS),
    _api("GET", "/intents/{id}/qr.svg", get_intent_qr, _WORKERS),
    _api("POST", "/intents/{id}/cancel", post_cancellation, _DESK),
    _api("GET", "/payments", get_payments, _WORKERS),
    _api("GET", "/payments/{id}", get_payment, _WORKERS),
    _api("GET", "/exceptions", get_exceptions, _BOOKS),
    _api("GET", "/callbacks", get_callbacks, _KEEPERS),
    _api("GET", "/callbacks/{id}", get_callback, _KEEPERS),
    _api("POST", "/callbacks/{id}/retry", post_retry, _KEEPERS),
    _api("POST", "/callbacks/{id}/close", post_close, _BOOKS),
    _api("POST", "/tariffs", post_tariff, _BOOKS),
    _api("GET", "/tariffs", get_tariffs, _BOOKS),
    _api("GET", "/tariffs/{id}", get_tariff, _BOOKS),
    _api("GET", "/tariffs/{id}/changes", get_tariff_changes, _BOOKS),
    _api("POST", "/tariffs/{id}/activate", post_tariff_activation, _BOOKS),
    _api("POST", "/tariffs/{id}/discard", post_tariff_discard, _BOOKS),
    _api("POST", "/facility-pricing", post_pricing, _BOOKS),
    _api("GET", "/facility-pricing", get_pricings, _BOOKS),
    _api("GET", "/facility-pricing/{id}", get_pricing, _BOOKS),
    _api("GET", "/policy-options", get_policy_options, _WORKERS),
    _api("POST", "/facility-policies", post_facility_policy, _BOOKS),
    _api("GET", "/facility-policies", get_facility_policies, _BOOKS),
    _api("GET", "/facility-policies/{id}", get_facility_policy, _BOOKS),
    _api("GET", "/price-differences", get_price_differences, _BOOKS),
    _api("POST", "/account-changes", post_account_change, _KEEPERS),
    _api("GET", "/account-changes", get_account_changes, _KEEPERS),
    _api("GET", "/account-changes/{id}", get_account_change, _KEEPERS),
    _api("GET", "/approvals", get_approvals, _KEEPERS),
    _api("GET", "/approvals/{id}", get_approval, _KEEPERS),
    _api("POST", "/approvals/{id}/approve", post_approval, _KEEPERS),
    _api("POST", "/approvals/{id}/reject", post_rejection, _KEEPERS),
    _api("GET", "/ledger/balances", get_balances, _BOOKS),
    _api("GET", "/ledger/accounts/{role}/statement", get_statement, _BOOKS),
    _api("GET", "/ledger/entries", get_entries, _BOOKS),
    _api("GET", "/ledger/entries/{id}", get_entry, _BOOKS),
)
"""Routes that need a key with one of the roles. An administrator operates the service and reads no invoices."""

OPEN = (
    Route(method="GET", path="/healthz", handler=get_health),
    Route(method="GET", path="/readyz", handler=get_readiness),
    Route(method="GET", path="/metrics", handler=get_metrics),
    Route(method="GET", path="/openapi.json", handler=get_openapi),
    Route(method="GET", path="/docs", handler=get_docs),
)
"""Routes without a key. The routes of callbacks are in `callbacks.py`."""
