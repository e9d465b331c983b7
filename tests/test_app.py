"""What a provider account that cannot be used is refused with, before any provider is made."""

from pathlib import Path

import httpx
import pytest

from billing.app import ProviderUnfit, SecretMissing, find_secret, provider_builder
from billing.domain.errors import Unavailable
from providers.sandbox.adapter import Sandbox

SETTINGS = {"bank_bin": "970422", "account_number": "17", "account_holder": "BENH VIEN", "merchant_id": "H1"}


@pytest.mark.parametrize(
    ("provider", "settings", "secret", "said"),
    [
        ("sandbx", SETTINGS, "x" * 32, "installed: sandbox"),
        ("sandbox", SETTINGS | {"bank_bin": "97"}, "x" * 32, "bank_bin"),
        ("sandbox", SETTINGS, "short", "secret: too_short"),
    ],
)
async def test_account_that_cannot_be_used_is_told_to_try_later(
    provider: str, settings: dict[str, str], secret: str, said: str
) -> None:
    async with httpx.AsyncClient() as client:
        build = provider_builder(client, lambda _: secret)
        with pytest.raises(ProviderUnfit, match=said) as refused:
            build(provider, settings, "bank")
        made = provider_builder(client, lambda _: "x" * 32)("sandbox", SETTINGS, "bank")

    assert isinstance(refused.value, Unavailable)
    assert isinstance(made, Sandbox)


def test_secret_comes_from_its_variable_or_file_and_is_missed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    monkeypatch.setenv("VIENPHI_SECRET_MY_BANK_FILE", str(file))
    with pytest.raises(SecretMissing, match="VIENPHI_SECRET_MY_BANK_FILE names cannot be read"):
        find_secret("my-bank")
    file.write_text("from the file\n", encoding="utf-8")
    assert find_secret("my-bank") == "from the file"
    monkeypatch.setenv("VIENPHI_SECRET_MY_BANK", "from the variable")
    assert find_secret("my-bank") == "from the variable"
    with pytest.raises(SecretMissing, match="set VIENPHI_SECRET_OTHER or"):
        find_secret("other")
