"""The rules. Pure: no I/O, no clock, no random; moments and ids are arguments."""
