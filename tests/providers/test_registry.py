import traceback
from datetime import UTC, datetime
from importlib.metadata import EntryPoints, distributions
from types import SimpleNamespace
from typing import Self

import httpx
import pytest
from pydantic import Field, SecretStr, model_validator

from providers.contract import Callbacks, PaymentRequest, Provider
from providers.registry import (
    BrokenProvider,
    SettingsRefused,
    UnknownProvider,
    check_stored_settings,
    installed_providers,
    open_provider,
    provider_class,
    read_settings,
)
from providers.sandbox.adapter import Sandbox
from providers.settings import AccountSettings, Secrets

_SETTINGS = {
    "bank_bin": "970436",
    "account_number": "0000000000017",
    "account_holder": "BENH VIEN TEST",
    "merchant_id": "BVTEST",
    "secret": "a-secret-of-the-tests",
}


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """What is installed changes from test to test here, as it never does in a running process."""
    provider_class.cache_clear()
    yield
    provider_class.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install packages that do nothing but declare providers; only they are seen."""

    def declared(**queried):
        packages = distributions(path=[str(tmp_path)])
        return EntryPoints(entry for package in packages for entry in package.entry_points).select(**queried)

    monkeypatch.setattr("providers.registry.entry_points", declared)

    def declare(package, lines):
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("[billing.providers]\n" + lines)

    return declare


@pytest.fixture
def with_sandbox(install):
    install("vienphi", "sandbox = providers.sandbox.adapter:Sandbox\n")


@pytest.mark.usefixtures("with_sandbox")
def test_installed_provider_is_found_by_its_name():
    assert installed_providers() == ("sandbox",)
    assert provider_class("sandbox") is Sandbox


@pytest.mark.usefixtures("with_sandbox")
def test_abilities_are_queried_of_the_class():
    assert issubclass(provider_class("sandbox"), Provider)
    assert issubclass(provider_class("sandbox"), Callbacks)


@pytest.mark.usefixtures("with_sandbox")
def test_unknown_provider_is_refused_and_the_installed_are_named():
    with pytest.raises(UnknownProvider, match=r"'sandbx'.*installed: sandbox"):
        provider_class("sandbx")


def test_nothing_installed_is_stated_so(install):
    with pytest.raises(UnknownProvider, match="installed: —"):
        provider_class("sandbox")


@pytest.mark.parametrize(
    "value", ["providers.nowhere:Sandbox", "providers.sandbox.adapter:Nothing", "providers.signing:BODY_SIZE_MAX",
              "providers.contract:Callbacks"]
)  # fmt: skip
def test_entry_point_that_leads_to_no_provider_is_refused(install, value):
    install("other", f"broken = {value}\n")

    with pytest.raises(BrokenProvider):
        provider_class("broken")


def test_second_package_cannot_take_over_a_name(install):
    install("vienphi", "sandbox = providers.sandbox.adapter:Sandbox\n")
    install("intruder", "sandbox = intruder:Sandbox\n")

    with pytest.raises(BrokenProvider, match="more than once"):
        provider_class("sandbox")


@pytest.mark.usefixtures("with_sandbox")
async def test_provider_is_opened_from_stored_settings():
    async with httpx.AsyncClient() as client:
        provider = open_provider("sandbox", _SETTINGS, client)

    instruction = await provider.create_payment(
        PaymentRequest(
            reference="K7ABCDEFR",
            amount=350_000,
            purpose="K7ABCDEFR VIEN PHI",
            expires_at=None,
            requested_at=datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC),
        )
    )
    assert instruction.account_number == "0000000000017"


@pytest.mark.usefixtures("with_sandbox")
async def test_wrong_settings_are_all_named_and_no_value_repeated():
    wrong = _SETTINGS | {"bank_bin": "97-leaked", "secret": "short-leaked", "surplus-key": "leaked"}
    del wrong["account_number"]

    async with httpx.AsyncClient() as client:
        with pytest.raises(SettingsRefused) as refused:
            open_provider("sandbox", wrong, client)

    assert set(refused.value.fields) == {"bank_bin", "secret", "surplus-key", "account_number"}
    assert "leaked" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.usefixtures("with_sandbox")
def test_settings_are_checked_before_their_secret_is_there():
    stored = {field: value for field, value in _SETTINGS.items() if field != "secret"}
    check_stored_settings("sandbox", stored)

    with pytest.raises(SettingsRefused) as refused:
        check_stored_settings("sandbox", stored | {"merchant_id": "no spaces here", "surplus": 1})

    assert set(refused.value.fields) == {"merchant_id", "surplus"}


class _Stubborn(AccountSettings):
    """Settings of a provider of somebody's own, whose validators know nothing of secrets that join later."""

    name: str = Field(pattern=r"^[a-z]+$")
    password: Secrets
    pin: SecretStr | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.password[0].get_secret_value()) == len(self.name):
            raise ValueError("a name as long as its password")
        if self.pin is None:
            raise ValueError("the pin is missing")
        return self


def test_validator_that_needs_secrets_refuses_no_settings_that_have_none(monkeypatch):
    monkeypatch.setattr("providers.registry.provider_class", lambda _: SimpleNamespace(settings_type=_Stubborn))
    secrets = {"password": "long-enough", "pin": "1234"}

    needed = check_stored_settings("stubborn", {"name": "ok"})
    check_stored_settings("stubborn", {"name": "ok"}, secrets)

    assert [field.name for field in needed] == ["password"]
    for given, wrong in (({}, "name"), ({"pin": "1234"}, "name"), (secrets, "")):
        with pytest.raises(SettingsRefused) as refused:
            check_stored_settings("stubborn", {"name": "leaked-leak" if wrong else "elevenletts"}, given)
        assert list(refused.value.fields) == [wrong]


@pytest.mark.parametrize("provider", installed_providers())
@pytest.mark.parametrize(
    "wrong",
    [
        "hidden-word \n;",
        ["hidden-word", "hidden-word"],
        {"a": "hidden-word"},
        [["hidden-word"]],
        "http://hidden-word:x@[",
    ],
)
def test_refused_settings_repeat_no_value_whichever_field_it_stands_in(provider: str, wrong: object) -> None:
    for field in (*provider_class(provider).settings_type.model_fields, "surplus"):
        for check in (check_stored_settings, read_settings):
            try:
                check(provider, {field: wrong})
            except SettingsRefused as refusal:
                result = "".join(traceback.format_exception(refusal))
                assert "hidden-word" not in result, field
