"""Sessions of persons on the screens: the cookie, the limits, and the token that protects forms.

`service/sessions.py` opens and finds sessions. Source: docs/design.md §3.8.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from billing.core.actor import Actor, ActorKind, Role
from billing.core.ids import DeskId, OrganizationId, PersonId

_COOKIE = re.compile(r"([1-9][0-9]{0,8})-([0-9A-Za-z_-]{32,64})")
_LOGIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_PIN = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLimits:
    """How long a session lasts, and after how many wrong attempts an account is locked for how long."""

    idle: timedelta = timedelta(minutes=60)
    life: timedelta = timedelta(hours=13)
    password_attempts_max: int = 5
    password_lock: timedelta = timedelta(minutes=15)
    pin_attempts_max: int = 5
    pin_lock: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDesk:
    """The desk at which a session works, with its facility."""

    id: DeskId
    name: str
    facility_code: str
    facility_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session with the person's present roles. `facility_codes` None: all facilities.

    `is_locked` until a PIN is given; `must_change_password` until the person has set a password of their own.
    """

    id: UUID
    organization_id: OrganizationId
    organization_name: str
    is_training: bool
    person_id: PersonId
    person_name: str
    login_name: str
    roles: frozenset[Role]
    facility_codes: frozenset[str] | None
    desk: SessionDesk | None
    language: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_locked: bool
    has_pin: bool
    must_change_password: bool

    @property
    def actor(self) -> Actor:
        """The person as the actor of a change."""
        return Actor(ActorKind.PERSON, self.person_id, self.person_id)


def write_cookie(organization_id: OrganizationId, secret: str) -> str:
    """The value of the session cookie: `{organization}-{secret}`."""
    return f"{organization_id}-{secret}"


def split_cookie(value: str) -> tuple[OrganizationId, str] | None:
    """The organization and the secret of a cookie; None for anything else. Does not check whether it is valid."""
    form = _COOKIE.fullmatch(value)
    return None if form is None else (OrganizationId(int(form[1])), form[2])


def form_token(secret: str) -> str:
    """The token that the forms of a session carry (CSRF): derived from its secret, which no other site knows."""
    return hmac.new(secret.encode(), b"vienphi form", hashlib.sha256).hexdigest()


def is_login_name(text: str) -> bool:
    """Whether a text is 2 to 40 small letters, digits, points, hyphens or underscores."""
    return _LOGIN_NAME.fullmatch(text) is not None


def is_pin(text: str) -> bool:
    """Whether a text is a PIN of six digits, not all of them equal and not in sequence."""
    if _PIN.fullmatch(text) is None:
        return False
    steps = {int(after) - int(before) for before, after in pairwise(text)}
    return steps not in ({0}, {1}, {-1})
