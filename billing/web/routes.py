"""Every address of the API on one screen, with who may call it."""

from billing.domain.actor import Role
from billing.web.api.callbacks import get_callback, get_callbacks, post_retry
from billing.web.api.claim_files import get_claim_file
from billing.web.api.exceptions import get_exceptions
from billing.web.api.intents import get_intent, get_intent_qr, get_intents, post_cancellation, post_intent
from billing.web.api.invoices import get_invoice, get_invoices, post_invoice
from billing.web.api.ledger import get_balances, get_entries, get_entry
from billing.web.api.payments import get_payment, get_payments
from billing.web.api.quotes import post_quote
from billing.web.api.statements import get_statement
from billing.web.api.visits import get_visit, get_visits, post_visit
from billing.web.health import get_health, get_readiness
from billing.web.metrics import get_metrics
from billing.web.operations import Handler, Route
from billing.web.reference import get_docs, get_openapi

PREFIX = "/v1"

_DESK = frozenset({Role.CASHIER, Role.INTEGRATOR})
_WORKERS = frozenset({Role.CASHIER, Role.INTEGRATOR, Role.FINANCE})
_CLAIMS = frozenset({Role.FINANCE, Role.INTEGRATOR})
_BOOKS = frozenset({Role.FINANCE})
_KEEPERS = frozenset({Role.FINANCE, Role.ADMIN})


def _api(method: str, path: str, handler: Handler, roles: frozenset[Role]) -> Route:
    return Route(method=method, path=PREFIX + path, handler=handler, roles=roles)


API = (
    _api("POST", "/visits", post_visit, _DESK),
    _api("GET", "/visits", get_visits, _WORKERS),
    _api("GET", "/visits/{id}", get_visit, _WORKERS),
    _api("POST", "/quotes", post_quote, _WORKERS),
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
    _api("GET", "/ledger/balances", get_balances, _BOOKS),
    _api("GET", "/ledger/accounts/{role}/statement", get_statement, _BOOKS),
    _api("GET", "/ledger/entries", get_entries, _BOOKS),
    _api("GET", "/ledger/entries/{id}", get_entry, _BOOKS),
)
"""What a key opens, if its person holds one of the roles. An admin keeps it running and sees no bill."""

OPEN = (
    Route(method="GET", path="/healthz", handler=get_health),
    Route(method="GET", path="/readyz", handler=get_readiness),
    Route(method="GET", path="/metrics", handler=get_metrics),
    Route(method="GET", path="/openapi.json", handler=get_openapi),
    Route(method="GET", path="/docs", handler=get_docs),
)
"""What is answered without a key. Callbacks stand in `callbacks.py`: their words are the providers'."""
