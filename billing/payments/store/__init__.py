"""SQL and rows of payments. Decides nothing."""
