"""The facility that a request names. A step."""

from billing.core.errors import NotFound
from billing.core.ids import FacilityId
from billing.db.database import Transaction
from billing.organizations.store.organizations import find_facility

_CODE_SHOWN_MAX = 20


async def require_facility(tx: Transaction, code: str, *, field: str = "facility_code") -> FacilityId:
    """The facility of a code. Raises NotFound if it is not of the organization."""
    facility_id = await find_facility(tx, code)
    if facility_id is None:
        raise NotFound(f"no facility {code[:_CODE_SHOWN_MAX]} in this organization", field=field)
    return facility_id
