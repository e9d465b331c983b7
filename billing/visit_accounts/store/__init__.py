"""SQL and rows of visit accounts. Decides nothing."""
