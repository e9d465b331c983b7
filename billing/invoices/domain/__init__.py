"""The rules of invoices. Pure: no I/O, no clock, no randomness."""
