"""Papers: receipts in three sizes, minutes of shifts, the cost statement 01/KBCB. Each is a route of its own."""
