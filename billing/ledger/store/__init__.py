"""SQL and rows of ledger. Decides nothing."""
