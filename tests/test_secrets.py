"""Secrets of accounts come from the environment or from files, two of one field while it is changed; never shown."""

import logging
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from billing.app import provider_builder
from billing.core.ids import OrganizationId, ProviderAccountId
from billing.db.context import Ids, utc_now
from billing.organizations.service.context import AccountUnusable
from billing.organizations.store.organizations import ProviderAccountRow
from billing.secrets import SecretMissing, find_secret, find_secrets
from providers.http_client import ProviderClients
from providers.settings import AccountSettings, Secrets, secret_fields

HUSH = "hush-hush-hush-hush-hush"


class Two(AccountSettings):
    """Settings of a provider with several secrets."""

    merchant: str
    hash_secrets: Secrets
    private_key: SecretStr
    spare: Secrets | None = None


class One(AccountSettings):
    """Settings of a provider with one."""

    secret: Secrets


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"VIENPHI_SECRET_{name}", value)


def test_secret_fields_are_those_of_a_secret_type() -> None:
    fields = secret_fields(Two)

    assert set(fields) == {"hash_secrets", "private_key", "spare"}
    assert [fields[name].is_rotated for name in ("hash_secrets", "private_key", "spare")] == [True, False, True]
    assert [fields[name].is_required for name in ("hash_secrets", "private_key", "spare")] == [True, True, False]


def test_each_field_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN\nabc\n-----END\n", encoding="utf-8")
    given(monkeypatch, VNPAY_1__HASH_SECRETS="first", VNPAY_1__PRIVATE_KEY_FILE=str(tmp_path / "key"))

    found = find_secrets("vnpay-1", secret_fields(Two))

    assert found == {"hash_secrets": ("first",), "private_key": "-----BEGIN\nabc\n-----END"}


def test_second_secret_is_alive_while_the_first_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, A__HASH_SECRETS="old", A__HASH_SECRETS__NEXT="new", A__PRIVATE_KEY="k", A__PRIVATE_KEY__NEXT="x")

    found = find_secrets("a", secret_fields(Two))

    assert found == {"hash_secrets": ("old", "new"), "private_key": "k"}, "one that cannot be two stays one"


def test_only_secret_needs_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, A="old", A__NEXT="new", B__SECRET="b")

    assert find_secrets("a", secret_fields(One)) == {"secret": ("old", "new")}
    assert find_secrets("b", secret_fields(One)) == {"secret": ("b",)}
    assert find_secret("a") == "old"


def test_missing_secret_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, A__HASH_SECRETS="first", A__PRIVATE_KEY_FILE="/nowhere/at/all")

    with pytest.raises(SecretMissing, match="VIENPHI_SECRET_A__PRIVATE_KEY_FILE names a file that cannot be read"):
        find_secrets("a", secret_fields(Two))
    with pytest.raises(SecretMissing, match="set VIENPHI_SECRET_B__HASH_SECRETS or"):
        find_secrets("b", secret_fields(Two))


def sandbox(**changes: object) -> ProviderAccountRow:
    known = {"bank_bin": "970422", "account_number": "1", "account_holder": "X", "merchant_id": "H1"}
    ids = Ids(utc_now)
    return ProviderAccountRow(
        id=ProviderAccountId(ids.new()),
        organization_id=OrganizationId(1),
        name="sandbox",
        provider=str(changes.pop("provider", "sandbox")),
        bank_account_id=None,
        settings={**known, **changes},
        secret_name="hidden",
        is_active=True,
        channels=1,
    )


@pytest.mark.parametrize(
    ("changes", "secret", "reason"),
    [
        ({}, None, "set VIENPHI_SECRET_HIDDEN"),
        ({}, "hush-hush", "secret: too short; at least 16"),
        ({"typo": 1}, HUSH, "typo: no such setting"),
        ({"bank_bin": "12"}, HUSH, r"bank_bin: must be 6 digits"),
        ({"provider": "nobody"}, HUSH, "no provider 'nobody' is installed"),
    ],
)
async def test_account_that_cannot_be_built_is_reported_by_field_and_never_by_value(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], secret: str | None, reason: str
) -> None:
    if secret is not None:
        given(monkeypatch, HIDDEN=secret)
    async with ProviderClients[ProviderAccountId]() as clients:
        with pytest.raises(AccountUnusable, match=reason) as refused:
            provider_builder(clients)(sandbox(**changes))

    assert secret is None or secret not in refused.value.detail


async def test_secret_is_in_no_text_of_an_account(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given(monkeypatch, HIDDEN=HUSH)
    caplog.set_level(logging.DEBUG)
    async with ProviderClients[ProviderAccountId]() as clients:
        with structlog.testing.capture_logs() as logs:
            built = provider_builder(clients)(sandbox(allowed_networks=["10.0.0.0/8"]))

    texts = [repr(built), repr(vars(built.provider)), str(vars(built.provider)), repr(logs), caplog.text]
    assert all(HUSH not in each for each in texts)
