"""Skipped versions of a sender: remembered until they arrive. Source: docs/visit-accounts.md, Versions and messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

MISSING_MAX = 100
"""The most missing versions that are awaited, the newest: a sender that numbers by time skips thousands."""


@dataclass(frozen=True, slots=True)
class VersionGap:
    """The versions that have not arrived, and since when there is any; None and empty without a gap."""

    since: datetime | None = None
    missing: tuple[int, ...] = ()

    def after(self, newest: int, version: int, *, at: datetime) -> Self:
        """The gap after `version` arrived where `newest` was the newest: the versions between them are missing."""
        skipped = range(max(newest + 1, version - MISSING_MAX), version)
        return self._with((*self.missing, *skipped)[-MISSING_MAX:], since=self.since or at)

    def without(self, version: int) -> Self:
        """The gap after a missing version arrived late."""
        return self._with([each for each in self.missing if each != version], since=self.since)

    def _with(self, missing: Sequence[int], *, since: datetime | None) -> Self:
        return type(self)(since if missing else None, tuple(missing))
