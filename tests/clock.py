"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta

from billing.db.context import utc_now


class StandingClock:
    """Begins now, so that the month's partitions are there."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def forward(self, step: timedelta) -> None:
        """Let time pass."""
        self.now += step
