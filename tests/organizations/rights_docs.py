"""Writes `docs/rights.md` from the table of rights: python -m tests.organizations.rights_docs."""

from pathlib import Path

from billing.core.actor import Role
from billing.organizations.domain.rights import DESCRIPTIONS, RIGHTS, Right

PATH = Path(__file__).parents[2] / "docs" / "rights.md"
_HEAD = """# Roles and rights

`python -m tests.organizations.rights_docs` writes this page from `billing/organizations/domain/rights.py`, and a test
compares both.

A person has roles; a key has some of the roles of its person. Each route and each command that acts for a person needs
one right, and a right belongs to the roles of this table. Roles add up: a person with two roles has the rights of both.
A proposal is decided by another person than its proposer, with the right of its kind. An auditor reads and changes
nothing. An administrator handles no money. The commands with `VIENPHI_OWNER_URL` set up organizations, facilities,
persons and keys; over HTTP an administrator lists persons and keys and revokes keys. The service itself can add no
person, no role and no key. It opens sessions and resets passwords of persons who have an account; the audit has each.

A key may be limited to some facilities (`vienphi key add --facility`). It reaches only what belongs to these, by every
route (`billing/web/facility_limits.py`; rows to facilities: the view `facility_subject`):

- An id of a path or a body that belongs to another facility answers 404, as an unknown id does. Lists leave such rows
  out: a page may be short, follow `next_cursor`. A path that names another facility is refused (403).
- A person is limited in the same way on the screens, also as the second person at another one's screen, and signs in
  at desks of these facilities only.
- An intent, a payment or a refund of visits of several facilities needs a key of all of them. A patient is reached at
  each facility with a visit of that patient.
- What belongs to the organization is refused (403): the ledger, exceptions, callbacks, bank deposits, changes of
  provider accounts, drafts of price lists. Money whose payer is not known is not reached. Rules, policy options and
  price lists are read by all.
- Every body is JSON. A visit, a quote and a claim check state their MA_CSKCB; a claim file is refused.
"""


def write_page() -> str:
    """The page: one row for each right, one column for each role."""
    roles = list(Role)
    rows = [
        f"| Right | Operations | {' | '.join(f'`{role}`' for role in roles)} |",
        f"| --- | --- |{' --- |' * len(roles)}",
    ]
    for right in Right:
        marks = " | ".join("yes" if role in RIGHTS[right] else "" for role in roles)
        rows.append(f"| `{right}` | {DESCRIPTIONS[right]} | {marks} |")
    return "\n".join([_HEAD, *rows, ""])


if __name__ == "__main__":
    PATH.write_text(write_page(), "utf-8")
