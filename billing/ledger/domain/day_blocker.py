"""What keeps a business day incomplete: typed, so that each screen states it in its own language."""

from dataclasses import dataclass
from enum import StrEnum


class DayBlockerKind(StrEnum):
    """The kinds of blockers of a day."""

    EMPTY_ENTRIES = "empty_entries"
    DEAD_LETTERS = "dead_letters"
    UNFINISHED_IMPORT = "unfinished_import"
    OPEN_SHIFT = "open_shift"
    PENDING_HAND_OVERS = "pending_hand_overs"
    MISSING_STATEMENT = "missing_statement"


_SENTENCES = {
    DayBlockerKind.EMPTY_ENTRIES: "{number} entries of this day move no money",
    DayBlockerKind.DEAD_LETTERS: "{number} deliveries could not be written and wait to be retried or closed",
    DayBlockerKind.UNFINISHED_IMPORT: "the import of a file did not end; import the file again",
    DayBlockerKind.OPEN_SHIFT: "the shift of desk {name} of {at} is {state}; end and close it",
    DayBlockerKind.PENDING_HAND_OVERS: "{number} hand-overs of cash wait to be accepted or rejected",
    DayBlockerKind.MISSING_STATEMENT: "no statement of bank account {name} covers {at}; import it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBlocker:
    """One blocker. `name` is the desk or bank account, `at` a day or local minute, `state` that of a shift."""

    kind: DayBlockerKind
    number: int = 0
    name: str = ""
    at: str = ""
    state: str = ""

    def __str__(self) -> str:
        """The sentence of API and command line, which a person can act on."""
        return _SENTENCES[self.kind].format(number=self.number, name=self.name, at=self.at, state=self.state)
