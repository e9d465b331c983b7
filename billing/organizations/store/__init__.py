"""SQL and rows of organizations. Decides nothing."""
