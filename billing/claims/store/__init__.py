"""SQL and rows of claims. Decides nothing."""
