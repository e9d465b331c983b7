"""SQL and rows of invoices. Decides nothing."""
