"""The price snapshot of an issued invoice: its visit and facility policy as one canonical text, kept permanently.

The text contains its format version. A format is never changed once invoices were issued in it: a new format has the
next number and its own reader here, so that the oldest invoice can still be recomputed.
"""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import Policy
from billing.coverage.domain.pricing_authority import PricingAuthority, VisitPricing
from billing.coverage.formats.policy_json import read_policy_options, write_policy_options
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_document import canonical, content_hash, write_snapshot_visit

FORMAT = 1
"""The version that is written."""

_KEYS = frozenset({"format", "visit", "policy"})
_OPTIONAL_KEYS = frozenset({"pricing"})


class SnapshotUnreadable(InvalidValue):
    """A snapshot that this version cannot read: damaged, or written by a newer version."""

    code = "snapshot_unreadable"


@dataclass(frozen=True, slots=True)
class PriceSnapshot:
    """The inputs of one price, read back, without the patient and the personal digits of cards.

    `authority` is the pricing authority; None where it was not set.
    """

    visit: Visit
    policy: Policy
    authority: PricingAuthority | None = None


def write_snapshot(visit: Visit, policy: Policy, pricing: VisitPricing) -> str:
    """The inputs of a price as one canonical text; with a pricing setting also the setting and the price lists used."""
    frozen: dict[str, object] = {
        "format": FORMAT,
        "visit": write_snapshot_visit(visit),
        "policy": write_policy_options(policy),
    }
    if pricing.setting is not None:
        frozen["pricing"] = {
            **{name: str(value) for name, value in asdict(pricing.setting).items()},
            "lists": {day.isoformat(): str(each.id) for day, each in pricing.lists.items()},
        }
    return canonical(frozen)


def policy_version(policy: Policy) -> str:
    """A short name of a set of policy options: equal options have equal names."""
    return content_hash(canonical(write_policy_options(policy))).hex()[:16]


def read_snapshot(text: str) -> PriceSnapshot:
    """Read the inputs of a price, in any format that was ever written.

    An option that the text does not name was added later: its default must be the earlier behaviour.
    Raises SnapshotUnreadable, or the errors of `read_visit` for its visit.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
    except ValueError as cause:
        raise SnapshotUnreadable("the price snapshot is not JSON") from cause
    if not isinstance(document, dict):
        raise SnapshotUnreadable("the price snapshot is not an object")
    snapshot_format = document.get("format")
    if type(snapshot_format) is not int or snapshot_format != FORMAT:
        raise SnapshotUnreadable(f"format {snapshot_format} of a price snapshot is not known to this version")
    if document.keys() - _OPTIONAL_KEYS != _KEYS:
        raise SnapshotUnreadable(
            f"a price snapshot of format {snapshot_format} has other parts than {', '.join(sorted(document))}"
        )
    if not isinstance(document["visit"], dict) or not isinstance(document["policy"], dict):
        raise SnapshotUnreadable("visit and policy of a price snapshot are objects")
    try:
        policy = read_policy_options(document["policy"])
    except InvalidValue as cause:
        raise SnapshotUnreadable(cause.detail, field=cause.field) from cause
    return PriceSnapshot(read_visit(document["visit"]), policy, _authority(document.get("pricing")))


def _authority(pricing: object) -> PricingAuthority | None:
    if pricing is None:
        return None
    try:
        return PricingAuthority(pricing["authority"] if isinstance(pricing, dict) else "")
    except (KeyError, ValueError) as cause:
        raise SnapshotUnreadable("whose amounts were collected is not known to this version") from cause
