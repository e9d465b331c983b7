"""SQL and rows of coverage. Decides nothing."""
