"""The number of rounds of a slow test: `make check-slow ROUNDS=4` runs four times as many as `make check-slow`."""

import os


def long_rounds(usual: int) -> int:
    """The usual number of rounds, times the environment variable VIENPHI_ROUNDS."""
    return usual * int(os.environ.get("VIENPHI_ROUNDS", "1"))
