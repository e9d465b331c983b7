"""Expected rejections, each with a stable code.

    BillingError
    ├── InvalidValue          a value that its field does not allow
    ├── NotFound              nothing of that name in this organization
    ├── Refused               understood, but the state of the money forbids it
    │   └── NotSupported      lawful, but the deciding rule or value is unknown
    ├── Unavailable           try again later; nothing was written
    └── CommitUnknown         the outcome of COMMIT is unknown

The errors of a subject are defined next to it and derive from one of these. HTTP statuses are defined in
`web/problems.py` alone.
"""

from typing import ClassVar


class BillingError(Exception):
    """A rejection with a stable `code` and a sentence that a person can act on.

    `detail` never contains a name, a diagnosis, a card number or a secret. `fields` lists the wrong inputs.
    """

    code: ClassVar[str] = "billing_error"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class InvalidValue(BillingError):
    """A value outside what its field allows."""

    code = "invalid_value"


class NotFound(BillingError):
    """Nothing of that name exists in this organization."""

    code = "not_found"


class Refused(BillingError):
    """The request is well formed, but the state of the money forbids it."""

    code = "refused"


class NotSupported(Refused):
    """Lawful, but the deciding rule or value is unknown; rejected so that no amount is guessed."""

    code = "not_supported"


class Unavailable(BillingError):
    """The service cannot answer now; nothing was written and the same request may be sent again."""

    code = "unavailable"


class CommitUnknown(BillingError):
    """COMMIT was sent and its outcome is unknown: do not acknowledge; the keys make a retry exact."""

    code = "commit_unknown"
