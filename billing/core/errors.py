"""Expected refusals of the trade, each with a stable code.

    BillingError
    ├── InvalidValue          a value that cannot be what it claims to be
    ├── NotFound              nothing of that name in this organization
    ├── Refused               understood, but the state of the money forbids it
    │   └── NotSupported      lawful, but what would decide is not known: never guessed
    ├── Unavailable           try again later; nothing was written
    └── CommitUnknown         nobody knows whether it was written

A subject's own errors live next to the subject and derive from one of these. HTTP statuses live in
`web/problems.py` alone.
"""

from typing import ClassVar


class BillingError(Exception):
    """A refusal with a stable `code` and a sentence a person can act on.

    `detail` never holds a name, a diagnosis, a card number or a secret. `fields` says which inputs were wrong.
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
    """Lawful, but what would decide is not known; refused by name so that no amount is guessed."""

    code = "not_supported"


class Unavailable(BillingError):
    """The service cannot answer now; nothing was written and the same request may be sent again."""

    code = "unavailable"


class CommitUnknown(BillingError):
    """COMMIT was sent and nobody knows whether it holds: acknowledge nothing; the keys make a retry exact."""

    code = "commit_unknown"
