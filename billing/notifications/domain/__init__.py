"""The rules of notifications. Pure: no I/O, no clock, no randomness."""
