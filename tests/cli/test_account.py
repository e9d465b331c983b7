"""Provider accounts by the documented commands: each provider is added, a refusal names the field and the reason."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from providers.registry import check_stored_settings, installed_providers, provider_class
from providers.settings import given_fields
from tests.cli.commands import call, called
from tests.conftest import DatabaseAddress

ROOT = Path(__file__).parents[2]
SANDBOX = '{"merchant_id": "H1"}'
HOSPITAL = ("--id", "1", "--name", "Bệnh viện Một", "--tax-code", "0100000001", "--facility-code", "01001")
BANK = ("--bank-bin", "970422", "--account-number", "0110000001", "--holder", "BENH VIEN MOT")


def documented() -> dict[str, tuple[str, Sequence[str]]]:
    """The settings and the command of each provider as the documents print them."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs" / "providers").glob("*.md"))]:
        text = page.read_text("utf-8").replace("\\\n", " ")
        files = dict(re.findall(r"^    echo '(.*)' >(\S+)$", text, re.MULTILINE))
        settings = {file: content for content, file in files.items()}
        for line in re.findall(r"^    \S*vienphi (account add .*)$", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            found[words[words.index("--provider") + 1]] = (settings[words[words.index("--settings") + 1]], words)
    return found


@pytest.fixture
def owner(database: DatabaseAddress) -> dict[str, str]:
    """The environment of an operator of a migrated database with one organization."""
    given = {"VIENPHI_OWNER_URL": database.owner_url}
    called("organization", "add", *HOSPITAL, **given)
    return given


def written(folder: Path, settings: dict[str, Any] | str) -> str:
    file = folder / "settings.json"
    file.write_text(settings if isinstance(settings, str) else json.dumps(settings), encoding="utf-8")
    return str(file)


def add(folder: Path, provider: str, settings: dict[str, Any] | str, *bank: str) -> list[str]:
    return [
        "account", "add", "--organization", "1", "--name", "bank", "--provider", provider,
        "--settings", written(folder, settings), *(bank or BANK),
    ]  # fmt: skip


@pytest.mark.parametrize("provider", installed_providers())
def test_each_installed_provider_is_added_by_its_documented_command(
    owner: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    settings, command = documented()[provider]
    monkeypatch.chdir(tmp_path)
    Path(command[command.index("--settings") + 1]).write_text(settings, "utf-8")

    added = call(*command, **owner)

    assert added.exit_code == 0, added.output
    named = re.findall(r"VIENPHI_SECRET_\w+(?<!_FILE)(?= or)", added.stdout)
    required = [field for field in given_fields(provider_class(provider).settings_type).values() if field.is_required]
    assert len(named) >= len(required)


VALID: list[tuple[str, dict[str, Any]]] = [
    ("sepay", {"auth": "hmac"}),
    ("sepay", {}),
    ("sepay", {"auth": "apikey", "confirm_above": 0}),
    ("sepay", {"auth": "oauth2", "oauth2_client_id": "sepay"}),
    ("sepay", {"auth": "none", "unsafe_for_tests": True}),
    ("vietqr", {}),
    ("vietqr", {"username": "vqr"}),
    ("vietqr", {"api_username": "hospital"}),
    ("vietqr", {"username": "vqr", "api_username": "hospital", "creates_orders": True, "bank_code": "MB"}),
    ("bank_collection", {"profile": "vietinbank_collection", "company": "BENH VIEN MAU"}),
    ("bank_collection", {"profile": "bidv_collection", "company": "BENH VIEN MAU"}),
    ("stripe", {"mode": "checkout"}),
]


@pytest.mark.parametrize(("provider", "settings"), VALID, ids=[f"{name}-{len(each)}" for name, each in VALID])
def test_valid_settings_are_taken_without_their_secrets(
    owner: dict[str, str], tmp_path: Path, provider: str, settings: dict[str, Any]
) -> None:
    assert call(*add(tmp_path, provider, settings), **owner).exit_code == 0


WRONG: list[tuple[str, dict[str, Any] | str, str]] = [
    ("sandbox", "{}", "merchant_id: missing; add it"),
    ("sandbox", {"merchant_id": "H1", "surplus": 1}, "surplus: no such setting; known: "),
    ("sandbox", {"merchantid": "H1"}, "merchantid: no such setting; did you mean merchant_id?"),
    ("sandbox", {"merchant_id": "H1", "secret": "leaked-leaked-leaked"}, "secret: a secret is given to the service"),
    ("sandbox", {"merchant_id": "H1", "allowed_networks": ["10.0.0.0/8", "leaked"]}, "allowed_networks[1]: "),
    ("sepay", {"auth": "leaked"}, "auth: not one of 'hmac', "),
    ("sepay", {"auth": "none"}, "auth: a webhook that proves itself by nothing is refused outside tests"),
    ("sepay", {"auth": "oauth2"}, "oauth2_client_id: missing; auth is oauth2"),
    ("sepay", {"feed_fields": {"rowz": "leaked"}}, "feed_fields.rowz: "),
    ("sepay", {"secrets": ["leaked-leaked"]}, "secrets: a secret is given to the service"),
    ("vietqr", {"creates_orders": True}, "api_username: missing"),
    ("vietqr", {"username": "leaked:leaked"}, "username: "),
    ("bank_collection", {"company": "X"}, "profile: give either profile or profile_file"),
    ("bank_collection", {"company": "X", "profile": "leaked"}, "profile: "),
    ("bank_collection", {"company": "X", "profile_file": "leaked.toml"}, "profile_file: is no absolute path"),
    (
        "bank_collection",
        {"company": "X", "profile_file": "/nowhere/leaked"},
        "profile_file: the profile cannot be read",
    ),
    ("bank_collection", {"profile": "bidv_collection"}, "company: missing; add it"),
    (
        "bank_collection",
        {"company": "X", "profile": "vietinbank_collection", "bank_public_keys": ["leaked"]},
        "bank_public_keys: no public key in PEM",
    ),
    ("vnpay", {"tmn_code": "HOSPITAL"}, "server_address: missing; add it"),
    ("vnpay", {"tmn_code": "HOSPITAL", "server_address": "leaked"}, "server_address: "),
    ("vnpay", {"tmn_code": "HOSPITAL", "server_address": "203.0.113.1", "report": {"fee": "f"}}, "report.amount: "),
    ("sandbox", "[]", "settings.json: a JSON object is expected"),
    ("sandbox", "{", "settings.json: line 1: "),
    ("sandbx", {}, "--provider: no provider 'sandbx' is installed; installed: "),
]


@pytest.mark.parametrize(
    ("provider", "settings", "expected"), WRONG, ids=[f"{each[0]}-{each[2][:20]}" for each in WRONG]
)
def test_wrong_settings_are_refused_with_field_and_reason_and_no_value(
    owner: dict[str, str], tmp_path: Path, provider: str, settings: dict[str, Any] | str, expected: str
) -> None:
    refused = call(*add(tmp_path, provider, settings), **owner)

    assert refused.exit_code == 1
    assert expected in refused.stderr
    assert "leaked" not in refused.stderr.replace("known: ", "")
    assert "bank" not in called("account", "list", "--organization", "1", **owner)


@pytest.mark.parametrize(
    ("bank", "expected"),
    [
        (("--bank-bin", "97", "--account-number", "1", "--holder", "X"), "--bank-bin: "),
        (("--bank-bin", "970422", "--account-number", "1 2", "--holder", "X"), "--account-number: "),
        (("--bank-bin", "970422", "--account-number", "1", "--holder", "BỆNH VIỆN"), "--holder: "),
    ],
)
def test_wrong_bank_account_is_named_by_its_option(
    owner: dict[str, str], tmp_path: Path, bank: tuple[str, ...], expected: str
) -> None:
    refused = call(*add(tmp_path, "vietqr", {}, *bank), **owner)

    assert refused.exit_code == 1
    assert expected in refused.stderr


@pytest.mark.parametrize("bank", [("--bank-bin", "97"), ("--account-number", "1 2"), ("--name", "No Spaces")])
def test_what_no_setting_names_is_refused_by_its_option_too(
    owner: dict[str, str], tmp_path: Path, bank: tuple[str, str]
) -> None:
    command = add(tmp_path, "momo", {"partner_code": "H"})

    refused = call(*command, *bank, **owner)

    assert refused.exit_code == 1
    assert bank[0] in refused.stderr


def test_secrets_that_are_at_hand_are_checked_with_the_settings(owner: dict[str, str], tmp_path: Path) -> None:
    command = add(tmp_path, "sepay", {"auth": "hmac"})

    short = call(*command, **owner, VIENPHI_SECRET_BANK__SECRETS="leaked")
    unreadable = call(*command, **owner, VIENPHI_SECRET_BANK__SECRETS_FILE="/nowhere/at/all")
    taken = call(*command, **owner, VIENPHI_SECRET_BANK__SECRETS="long-enough-secret")

    assert (short.exit_code, "secrets" in short.stderr, "leaked" in short.stderr) == (1, True, False)
    assert (unreadable.exit_code, "VIENPHI_SECRET_BANK__SECRETS_FILE" in unreadable.stderr) == (1, True)
    assert (taken.exit_code, "next:" in taken.stdout) == (0, False)


def test_secret_without_its_partner_in_the_settings_is_refused(owner: dict[str, str], tmp_path: Path) -> None:
    command = add(tmp_path, "vietqr", {})

    refused = call(*command, **owner, VIENPHI_SECRET_BANK__PASSWORDS="long-enough-secret")

    assert refused.exit_code == 1
    assert "username: missing; username and passwords go together" in refused.stderr


def test_key_that_is_no_key_is_refused_and_its_text_not_shown(owner: dict[str, str], tmp_path: Path) -> None:
    command = add(tmp_path, "bank_collection", {"profile": "vietinbank_collection", "company": "X"})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    (tmp_path / "bank.pem").write_bytes(pem)
    bank_key = {"VIENPHI_SECRET_BANK__BANK_PUBLIC_KEYS_FILE": str(tmp_path / "bank.pem")}

    refused = call(*command, **owner, **bank_key, VIENPHI_SECRET_BANK__PRIVATE_KEY="leaked")
    taken = call(*command, **owner, **bank_key)

    assert (refused.exit_code, "private_key: no private key in PEM" in refused.stderr) == (1, True)
    assert "leaked" not in refused.stderr
    assert taken.exit_code == 0
    assert "VIENPHI_SECRET_BANK__PRIVATE_KEY" in taken.stdout
    assert "BANK_PUBLIC_KEYS" not in taken.stdout


def test_secret_that_the_settings_need_is_named_though_its_field_is_optional() -> None:
    payee = {"bank_bin": "970422", "account_number": "1", "account_holder": "X"}

    needed = check_stored_settings("vietqr", {**payee, "username": "vqr", "api_username": "us"})

    assert {field.name for field in needed} == {"passwords", "api_password"}
    assert check_stored_settings("vietqr", payee) == ()


def test_accounts_and_organizations_are_listed(owner: dict[str, str], tmp_path: Path) -> None:
    called(*add(tmp_path, "sandbox", SANDBOX), **owner)

    accounts = called("account", "list", "--organization", "1", **owner)
    organizations = called("organization", "list", **owner)

    assert re.search(r"bank +sandbox +active +970422 0110000001 BENH VIEN MOT", accounts)
    assert "Bệnh viện Một  tax code 0100000001  facilities 01001  1 accounts" in organizations
    assert call("account", "list", "--organization", "2", **owner).exit_code == 1


def test_what_is_set_up_already_is_refused_with_what_to_do(owner: dict[str, str], tmp_path: Path) -> None:
    called(*add(tmp_path, "sandbox", SANDBOX), **owner)
    other = ("--id", "2", "--name", "Hai", "--tax-code", "0100000002", "--facility-code", "01001")
    called("organization", "add", *other, **owner)

    refused = [
        call("organization", "add", *HOSPITAL, **owner),
        call("organization", "add", "--id", "3", *HOSPITAL[2:], **owner),
        call(*add(tmp_path, "sandbox", SANDBOX), **owner),
        call(*add(tmp_path, "sandbox", SANDBOX), "--organization", "2", **owner),
        call(*add(tmp_path, "sandbox", SANDBOX), "--organization", "3", **owner),
    ]

    for each, expected in zip(refused, ("--id", "tax code", "--name", "bank account", "organization"), strict=True):
        assert each.exit_code == 1
        assert expected in each.stderr
        assert "_key" not in each.stderr


def test_change_of_an_account_is_proposed_by_one_person_and_approved_by_another(
    owner: dict[str, str], database: DatabaseAddress, tmp_path: Path
) -> None:
    called(*add(tmp_path, "sandbox", SANDBOX), **owner)
    person = ("key", "add", "--organization", "1", "--role", "finance", "--role", "administrator")
    first = called(*person, "--name", "a", "--person", "An", **owner).strip()
    second = called(*person, "--name", "b", "--person", "Bình", **owner).strip()
    as_first = {"VIENPHI_DATABASE_URL": database.app_url, "VIENPHI_KEY": first}
    as_second = {**as_first, "VIENPHI_KEY": second}
    settings = written(tmp_path, {"tolerance_s": 60})

    refused = call("account", "change", "bank", "--settings", written(tmp_path, {"tolerance_s": 0}), **as_first)
    nothing = call("account", "change", "bank", **as_first)
    settings = written(tmp_path, {"tolerance_s": 60})
    proposed = called("account", "change", "bank", "--settings", settings, "--inactive", **as_first)
    change_id = proposed.split()[1]
    alone = call("account", "approve", change_id, **as_first)
    waiting = called("approval", "list", "--state", "proposed", **as_second)
    approved = call("account", "approve", change_id, **as_second)

    assert (refused.exit_code, "tolerance_s" in refused.stderr) == (1, True)
    assert (nothing.exit_code, "nothing changes" in nothing.stderr) == (1, True)
    assert (alone.exit_code, "another person" in alone.stderr) == (1, True)
    assert approved.exit_code == 0, approved.output
    assert "inactive" in called("account", "list", "--organization", "1", **owner)
    assert f"{change_id} bank" in called("account", "list-changes", **as_first)
    assert waiting.startswith(f"{change_id} account_change")
    assert "(An/–)" in waiting
    assert "(An/Bình)" in called("approval", "list", "--kind", "account_change", **as_first)
    assert called("approval", "list", "--state", "proposed", **as_first) == ""


def test_rejected_change_leaves_the_account_as_it_was(
    owner: dict[str, str], database: DatabaseAddress, tmp_path: Path
) -> None:
    called(*add(tmp_path, "sandbox", SANDBOX), **owner)
    named = ("--name", "a", "--person", "An")
    key = called("key", "add", "--organization", "1", "--role", "administrator", *named, **owner)
    person = {"VIENPHI_DATABASE_URL": database.app_url, "VIENPHI_KEY": key.strip()}
    change_id = called("account", "change", "bank", "--inactive", **person).split()[1]

    called("account", "reject", change_id, **person)

    assert " active " in called("account", "list", "--organization", "1", **owner)
    assert call("account", "approve", change_id, **person).exit_code == 1
