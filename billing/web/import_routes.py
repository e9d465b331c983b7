"""The routes of files of banks and providers with the right that each needs."""

from billing.organizations.domain.rights import Right
from billing.web.api.reconciliation_imports import (
    get_reconciliation_import,
    get_reconciliation_imports,
    get_statement_breaks,
    post_bank_statement,
    post_settlement,
)
from billing.web.operation import api_route

IMPORT_API = (
    api_route("POST", "/bank-statements", post_bank_statement, Right.RECONCILE),
    api_route("POST", "/settlements", post_settlement, Right.RECONCILE),
    api_route("GET", "/reconciliation-imports", get_reconciliation_imports, Right.READ_BOOKS),
    api_route("GET", "/reconciliation-imports/{id}", get_reconciliation_import, Right.READ_BOOKS),
    api_route("GET", "/statement-breaks", get_statement_breaks, Right.READ_BOOKS),
)
"""Routes of files of banks and providers."""
