"""The daily batch of a card terminal, compared with our slips: every difference has a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from billing.core.errors import Refused
from billing.core.money import Dong


class SlipDifference(StrEnum):
    """How a batch differs from our slips."""

    MISSING_HERE = "missing_here"
    MISSING_IN_BATCH = "missing_in_batch"
    OTHER_AMOUNT = "other_amount"
    OTHER_TOTAL = "other_total"


class BatchAlreadyRecorded(Refused):
    """The batch of the terminal and day was recorded before."""

    code = "batch_already_recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference, in đồng; `approval_code` is empty for the total."""

    kind: SlipDifference
    approval_code: str
    ours: Dong
    theirs: Dong


def compare_slips(ours: Mapping[str, Dong], theirs: Mapping[str, Dong]) -> list[Difference]:
    """Compare our slips with those of a batch by approval code; equal ones are no difference."""
    found = []
    for code in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(code), theirs.get(code)
        if here == there:
            continue
        kind = SlipDifference.OTHER_AMOUNT
        if here is None or there is None:
            kind = SlipDifference.MISSING_HERE if here is None else SlipDifference.MISSING_IN_BATCH
        found.append(Difference(kind=kind, approval_code=code, ours=here or Dong(0), theirs=there or Dong(0)))
    return found


def compare_totals(ours: Sequence[Dong], *, slips: int, gross: Dong) -> list[Difference]:
    """Compare our slips with the number and the gross amount of a batch that lists no slips."""
    total = Dong(sum(ours))
    if (len(ours), total) == (slips, gross):
        return []
    return [Difference(kind=SlipDifference.OTHER_TOTAL, approval_code="", ours=total, theirs=gross)]
