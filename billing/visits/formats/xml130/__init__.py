"""Read the claim file of the Vietnamese data standard ("XML 130") into visits, with findings for its defects."""

from billing.visits.formats.xml130.document import Limits
from billing.visits.formats.xml130.envelope import Signature
from billing.visits.formats.xml130.reader import ClaimFile, ReadVisit, is_bare_table, read_claim_file, read_claim_set

__all__ = ["ClaimFile", "Limits", "ReadVisit", "Signature", "is_bare_table", "read_claim_file", "read_claim_set"]
