"""The rules of claims. Pure: no I/O, no clock, no randomness."""
