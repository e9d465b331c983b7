"""SQL and rows of tariffs. Decides nothing."""
