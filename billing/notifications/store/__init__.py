"""SQL and rows of notifications. Decides nothing."""
