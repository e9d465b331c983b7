"""Settings of one account that a bank collects for: our identity at the bank, and the keys of both."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from providers.bank_collection.profile import Auth, Profile, ProfileRefused, profile_of_file, shipped_profile
from providers.bank_collection.signing import KeyRefused, Signer, read_private_key, read_public_key
from providers.settings import ACTIVE_SECRETS_MAX, GIVEN_KEY, AccountSettings, Secrets, active_secrets


class BankCollectionSettings(AccountSettings):
    """One collection account at one bank.

    `profile` is a shipped profile, `profile_file` the path of the hospital's own; exactly one of them. `provider_id` is
    our id at the bank, `code_prefix` its prefix of our codes (in customer codes and virtual accounts), `company` the
    payee's name shown to the payer. With `uses_virtual_accounts` each code has its own account, prefix and code;
    without, payers transfer to `account_number` with the code in the text. `has_qr` false: no code is drawn.

    `bank_public_keys` and `private_key` (PEM) sign with RSA, `secrets` with other algorithms; `auth_name` and
    `auth_secrets` are the credential of a call. `field_lengths` are lengths agreed with the bank, by our names: a
    person reviews a message that differs. `age_max_days` is the maximum age of the transaction of a call.
    """

    profile: str = Field(default="", pattern=r"^[a-z0-9_]{0,60}$")
    profile_file: Path | None = None
    provider_id: str = Field(default="", pattern=r"^[0-9A-Za-z_-]{0,20}$")
    code_prefix: str = Field(default="", pattern=r"^[0-9A-Z]{0,10}$")
    company: str = Field(pattern=r"^[0-9A-Za-z .,-]{1,60}$")
    bank_bin: str = Field(pattern=r"^[0-9]{6}$")
    account_number: str = Field(pattern=r"^[0-9A-Za-z]{1,19}$")
    account_holder: str = Field(default="", max_length=70)
    uses_virtual_accounts: bool = True
    has_qr: bool = True
    amount_max: int = Field(default=499_999_999, ge=1, le=9_999_999_999_999)
    bank_public_keys: Annotated[tuple[str, ...], GIVEN_KEY] = Field(default=(), max_length=ACTIVE_SECRETS_MAX)
    private_key: SecretStr | None = None
    secrets: Secrets | tuple[()] = ()
    auth_name: str = Field(default="", pattern=r"^[!-9;-~]{0,100}$")
    auth_secrets: Secrets | tuple[()] = ()
    token_life_s: int = Field(default=300, ge=30, le=3600)
    duplicate_answer: Literal["repeat", "code"] | None = None
    field_lengths: dict[str, int] = Field(default_factory=dict, max_length=50)
    age_max_days: int = Field(default=400, ge=1, le=4000)
    reconciliation_key: SecretStr | None = Field(default=None, min_length=8)

    @cached_property
    def agreed(self) -> Profile:
        """The profile of the bank. Raises ProfileRefused."""
        if self.profile_file is not None:
            return profile_of_file(self.profile_file)
        return shipped_profile(self.profile)

    def find_problems(self) -> Iterator[tuple[str, str]]:
        """See the base: the profile, its required keys and secrets, and its fields."""
        profile_field = "profile" if self.profile_file is None else "profile_file"
        if bool(self.profile) == (self.profile_file is not None):
            yield "profile", "give either profile or profile_file"
            return
        if self.profile_file is not None and not self.profile_file.is_absolute():
            yield "profile_file", "is no absolute path; write it from the root on"
            return
        try:
            agreed = self.agreed
        except ProfileRefused as refusal:
            yield profile_field, str(refusal)
            return
        yield from self._key_problems(agreed)
        if agreed.auth is not Auth.NONE and not self.auth_secrets:
            yield "auth_secrets", f"missing; the profile's calls show one ({agreed.auth.value})"
        if agreed.auth in {Auth.BASIC, Auth.BEARER} and not self.auth_name:
            yield "auth_name", f"missing; the profile's calls show one ({agreed.auth.value})"
        unknown = sorted(set(self.field_lengths) - set(agreed.notification.fields))
        if unknown:
            known = ", ".join(sorted(agreed.notification.fields))
            yield "field_lengths", f"{', '.join(unknown)}: no such field in the profile; it has {known}"

    def _key_problems(self, agreed: Profile) -> Iterator[tuple[str, str]]:
        algorithm = agreed.signing.algorithm
        if not algorithm.is_rsa:
            if not self.secrets:
                yield "secrets", f"missing; the profile signs with {algorithm.value}"
            return
        if not self.bank_public_keys:
            yield "bank_public_keys", f"missing; the profile signs with {algorithm.value}"
        if self.private_key is None:
            yield "private_key", f"missing; the profile signs with {algorithm.value}"
        else:
            yield from _unreadable("private_key", read_private_key, self.private_key.get_secret_value())
        for pem in self.bank_public_keys:
            yield from _unreadable("bank_public_keys", read_public_key, pem)

    def signer(self) -> Signer:
        """Signs and verifies with this account's keys. Raises KeyRefused."""
        private_key = self.private_key
        return Signer(
            self.agreed.signing,
            public_keys=[read_public_key(pem) for pem in self.bank_public_keys],
            private_key=read_private_key(private_key.get_secret_value()) if private_key is not None else None,
            secrets=active_secrets(self.secrets),
        )


def _unreadable(field: str, read: Callable[[str], object], pem: str) -> Iterator[tuple[str, str]]:
    try:
        read(pem)
    except KeyRefused as refusal:
        yield field, str(refusal)
