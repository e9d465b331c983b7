"""The rules of checkout. Pure: no I/O, no clock, no randomness."""
