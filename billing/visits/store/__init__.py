"""SQL and rows of visits. Decides nothing."""
