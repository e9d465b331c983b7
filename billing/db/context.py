"""The context of every use case: the database, the clock, ids, and the notification of changes.

Decides nothing. Packages that need more extend it; `app` and the tests build the complete context once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import randbits
from uuid import UUID

import structlog
from asyncpg.pgproto import pgproto

from billing.core.ids import OrganizationId, uuid7_number
from billing.db.background import Background
from billing.db.database import Database

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 74
_SET_BACK_MAX_MS = 10_000

SERIES_LENGTH = 1 << 24
"""How many ids a series has; a statement writes far fewer rows."""

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The current time, with its zone."""
    return datetime.now(UTC)


class Ids:
    """UUIDv7 ids that grow within one process, also within a millisecond and when the clock is set back."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last = (0, 0)
        self._step = 1  # from one id to the next within a millisecond; a new random number for each

    def new(self) -> UUID:
        """A new id of the current time (RFC 9562 §6.2, method 2), in the driver's type, which it need not convert."""
        self._advance()
        return pgproto.UUID(uuid7_number(*self._last).to_bytes(16, "big"))

    def several(self, count: int) -> list[UUID]:
        """New ids in growing order; the clock is read once, so that each takes a third of the time of `new`."""
        if count == 0:
            return []
        self._advance()
        timestamp_ms, first = self._last
        self._last = timestamp_ms, first + (count - 1) * self._step
        return [
            pgproto.UUID(uuid7_number(timestamp_ms, bits).to_bytes(16, "big"))
            for bits in range(first, first + count * self._step, self._step)
        ]

    def _advance(self) -> None:
        """The next time and random number."""
        timestamp_ms = (self._clock() - _EPOCH) // _MILLISECOND
        last_ms, last_bits = self._last
        if last_ms > timestamp_ms + _SET_BACK_MAX_MS:
            # The clock had run far ahead. Ids with that time would fit no partition; ids with the current time do.
            log.warning("clock_was_ahead", ahead_ms=last_ms - timestamp_ms)
            last_ms = 0
        if timestamp_ms > last_ms:
            # The top bit is left free, so that incrementing within a millisecond cannot overflow.
            self._last = (timestamp_ms, self._random_bits(_RANDOM_BITS - 1))
            self._step = 1 + self._random_bits(16)
        else:
            self._last = (last_ms, last_bits + self._step)

    def series(self) -> UUID:
        """A new id with a series of its own: a statement may add 0 to `SERIES_LENGTH` to its last 64 bits."""
        first = self.new()
        timestamp_ms, bits = self._last
        self._last = (timestamp_ms, bits + SERIES_LENGTH)
        return first


def ignore_change(_organization_id: OrganizationId) -> None:
    """For processes without open pages: no client waits for a change."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The objects that the use cases of a process share.

    `publish_change` is called after a commit that changed data of an organization; it returns at once and never raises.
    `background` holds the tasks of the process that must not end.
    """

    database: Database
    clock: Clock = utc_now
    ids: Ids = field(default_factory=lambda: Ids(utc_now))
    publish_change: Callable[[OrganizationId], None] = ignore_change
    background: Background = field(default_factory=Background)
