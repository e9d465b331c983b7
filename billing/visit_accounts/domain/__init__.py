"""The rules of visit accounts. Pure: no I/O, no clock, no randomness."""
