"""SQL and rows: one subject a file. Decides nothing."""
