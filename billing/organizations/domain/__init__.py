"""The rules of organizations. Pure: no I/O, no clock, no randomness."""
