"""What an issued invoice keeps for ever: the visit and the facility's readings it was priced from, as one text.

The text carries the version of its own shape. A shape is never changed once invoices were issued in it: a new one gets
the next number and a reading of its own here, so that the oldest invoice is still recomputed. Version 1 is the shape
that did not name its version.
"""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal

from billing.core.errors import InvalidValue
from billing.coverage.domain.policy import OutOfRouteExemption, Policy
from billing.coverage.domain.pricing_authority import PricingAuthority, VisitPricing
from billing.coverage.formats.policy_json import read_policy_options, write_policy_options
from billing.coverage.formats.visit_input import read_visit
from billing.visits.domain.visit import Visit
from billing.visits.formats.visit_document import canonical, content_hash, write_snapshot_visit

FORMAT = 2
"""The version that is written. 2: as 1, and it says so."""

_KEYS_OF_FORMAT = {1: frozenset({"visit", "policy"}), 2: frozenset({"format", "visit", "policy"})}
_OPTIONAL_KEYS = {1: frozenset[str](), 2: frozenset({"pricing"})}


_BEFORE_A_CHOICE = {"out_of_route_exemption": OutOfRouteExemption.OUT_OF_ROUTE_RATE.value}
"""Policy options whose default is not how bills were priced before the option existed, with how they were priced."""


class SnapshotUnreadable(InvalidValue):
    """A frozen text this version cannot read: damaged, or written by a newer version."""

    code = "snapshot_unreadable"


@dataclass(frozen=True, slots=True)
class PriceSnapshot:
    """The inputs of one price, read back; the patient and the personal digits of cards are not among them.

    `authority` is whose amounts were collected; None where nobody had set it.
    """

    visit: Visit
    policy: Policy
    authority: PricingAuthority | None = None


def write_snapshot(visit: Visit, policy: Policy, pricing: VisitPricing) -> str:
    """The inputs of a price as one canonical text; under a setting also the setting, and the lists prices came from."""
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
    """A short name for a set of readings: the same readings, the same name."""
    return content_hash(canonical(write_policy_options(policy))).hex()[:16]


def read_snapshot(text: str) -> PriceSnapshot:
    """Read the inputs of a price back, of any shape that was ever written.

    A reading the text does not name was added since: its default holds what was done before there was a choice, but
    for those of `_BEFORE_A_CHOICE`.
    Raises SnapshotUnreadable, or what `read_visit` raises for the visit in it.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
    except ValueError as cause:
        raise SnapshotUnreadable("the frozen text is not JSON") from cause
    if not isinstance(document, dict):
        raise SnapshotUnreadable("the frozen text is not an object")
    snapshot_format = document.get("format", 1)
    if type(snapshot_format) is not int or snapshot_format not in _KEYS_OF_FORMAT:
        raise SnapshotUnreadable(f"shape {snapshot_format} of a frozen text is not known to this version")
    if document.keys() - _OPTIONAL_KEYS[snapshot_format] != _KEYS_OF_FORMAT[snapshot_format]:
        raise SnapshotUnreadable(
            f"a frozen text of shape {snapshot_format} has other parts than {', '.join(sorted(document))}"
        )
    if not isinstance(document["visit"], dict) or not isinstance(document["policy"], dict):
        raise SnapshotUnreadable("visit and policy of a frozen text are objects")
    try:
        policy = read_policy_options({**_BEFORE_A_CHOICE, **document["policy"]})
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
