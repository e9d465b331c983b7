"""Finance: reconciliation, exceptions, days, approvals, books, prices, and the integration inbox."""
