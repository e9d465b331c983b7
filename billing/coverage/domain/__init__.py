"""The rules of coverage. Pure: no I/O, no clock, no randomness."""
