"""SQL and rows of checkout. Decides nothing."""
