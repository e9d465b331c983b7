"""The rules of visits. Pure: no I/O, no clock, no randomness."""
