"""The rules of ledger. Pure: no I/O, no clock, no randomness."""
