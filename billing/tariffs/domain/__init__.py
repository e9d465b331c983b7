"""The rules of tariffs. Pure: no I/O, no clock, no randomness."""
