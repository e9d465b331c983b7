"""The rules of reconciliation. Pure: no I/O, no clock, no randomness."""
