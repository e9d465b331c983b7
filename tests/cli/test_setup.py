"""An operator sets a hospital up by commands alone, and its keys open what their roles allow."""

import re
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import run
from tests.cli.durable import DurableDatabase, DurableServer
from tests.cli.in_process import service_here
from tests.conftest import DatabaseAddress
from tests.web.site import claim_file


@pytest.fixture(scope="module")
def server(durable_server: DurableServer) -> DurableDatabase:
    return durable_server.create()


def test_hospital_is_set_up_by_commands_and_its_keys_open_by_role(server: DurableDatabase, tmp_path: Path) -> None:
    owner = {"VIENPHI_OWNER_URL": server.owner_url}
    settings = tmp_path / "sandbox.json"
    settings.write_text('{"merchant_id": "H1"}', encoding="utf-8")
    hospital = ("--id", "1", "--name", "Bệnh viện Một", "--tax-code", "0100000001", "--facility-code", "01001")
    bank = ("--bank-bin", "970422", "--account-number", "0110000001", "--holder", "BENH VIEN MOT")
    key = ("key", "add", "--organization", "1", "--name", "his", "--person", "Nguyễn Văn A")
    run("migrate", **owner)

    added = run("organization", "add", *hospital, **owner)
    account = run(
        "account", "add", "--organization", "1", "--name", "sandbox", "--provider", "sandbox", *bank,
        "--settings", str(settings), **owner,
    )  # fmt: skip
    first = run(*key, "--role", "cashier", **owner)
    second = run(*key, "--role", "finance", **owner)
    third = run(*key, "--role", "finance", **owner)
    of_b = ("--name", "his", "--person", "B", "--role", "administrator")
    other = run("key", "add", "--organization", "1", *of_b, **owner)
    listed = run("key", "list", "--organization", "1", **owner)
    key_id = next(line.split()[0] for line in listed.stdout.splitlines() if "cashier" in line)

    assert [one.returncode for one in (added, account, first, second)] == [0, 0, 0, 0], (added, account, first)
    assert (third.returncode, "two_keys_alive" in third.stderr) == (1, True)
    assert other.returncode == 1
    assert first.stdout.strip() not in listed.stdout
    assert "VIENPHI_SECRET_SANDBOX" in account.stdout
    with service_here(VIENPHI_DATABASE_URL=server.app_url, VIENPHI_SECRET_SANDBOX="x" * 32) as address:
        desk = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {first.stdout.strip()}"})
        books = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {second.stdout.strip()}"})
        assert desk.get("/v1/invoices").status_code == 200
        assert desk.get("/v1/ledger/balances").status_code == 403
        assert books.get("/v1/ledger/balances").status_code == 200
        assert books.post("/v1/invoices", json={}).status_code == 403
    revoked = run("key", "revoke", "--organization", "1", key_id, **owner)
    assert revoked.returncode == 0
    assert run("key", "revoke", "--organization", "1", key_id, **owner).returncode == 1
    with service_here(VIENPHI_DATABASE_URL=server.app_url) as address:
        headers = {"Authorization": f"Bearer {first.stdout.strip()}"}
        assert httpx.get(f"{address}/v1/invoices", headers=headers).status_code == 401
        ready = httpx.get(f"{address}/readyz", headers={"Authorization": f"Bearer {second.stdout.strip()}"})
        assert "set VIENPHI_SECRET_SANDBOX" in ready.json()["details"]["unusable_accounts"]["1/sandbox"], (
            "named, while the others are served"
        )
        assert httpx.post(f"{address}/callbacks/1/sandbox").status_code == 503


def test_commands_on_a_database_without_migrations_report_it_in_one_line(empty_database: DatabaseAddress) -> None:
    addresses = {"VIENPHI_OWNER_URL": empty_database.owner_url, "VIENPHI_DATABASE_URL": empty_database.app_url}
    refused = [
        run(*command, **addresses)
        for command in (
            ("ledger", "verify"),
            ("ledger", "rebase"),
            ("ledger", "balances", "--organization", "1"),
            ("ledger", "close-day", "--organization", "1", "--day", "2026-07-31"),
            ("key", "list", "--organization", "1"),
            ("webhook", "list-dead", "--organization", "1"),
            ("webhook", "add", "--organization", "1", "--secret", "hook", "https://example.org/hook"),
        )
    ]

    for each in refused:
        assert each.returncode == 1
        assert "run vienphi migrate first" in each.stderr
        assert "Traceback" not in each.stderr


@pytest.mark.parametrize(
    ("provider", "settings", "expected"),
    [
        ("sandbx", '{"merchant_id": "H1"}', "is installed; installed: "),
        ("sandbox", "{}", "merchant_id: missing"),
        ("sandbox", '{"merchant_id": "H1", "surplus": 1}', "surplus: no such setting"),
    ],
)
def test_account_that_its_provider_could_not_use_is_refused_before_it_is_stored(
    server: DurableDatabase, tmp_path: Path, provider: str, settings: str, expected: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(settings, encoding="utf-8")

    refused = run(
        "account", "add", "--organization", "1", "--name", "b", "--provider", provider, "--bank-bin", "970422",
        "--account-number", "2", "--holder", "X", "--settings", str(file), VIENPHI_OWNER_URL=server.owner_url,
    )  # fmt: skip

    assert refused.returncode == 1
    assert expected in refused.stderr


def test_secret_is_refused_in_the_settings_of_an_account(server: DurableDatabase, tmp_path: Path) -> None:
    settings = tmp_path / "sandbox.json"
    settings.write_text('{"secret": "hush"}', encoding="utf-8")

    refused = run(
        "account", "add", "--organization", "1", "--name", "a", "--provider", "sandbox", "--bank-bin", "970422",
        "--account-number", "1", "--holder", "X", "--settings", str(settings), VIENPHI_OWNER_URL=server.owner_url,
    )  # fmt: skip

    assert refused.returncode == 1
    assert "hush" not in refused.stderr


def test_facility_and_annexes_decide_what_a_claim_is_checked_with(server: DurableDatabase, tmp_path: Path) -> None:
    owner = {"VIENPHI_OWNER_URL": server.owner_url}
    hospital = ("--id", "7", "--name", "Bệnh viện Bảy", "--tax-code", "0100000007", "--facility-code", "01001")
    annexes, bad, lists = tmp_path / "annexes.csv", tmp_path / "bad.csv", tmp_path / "lists.json"
    annexes.write_text("annex,codes,except,under_age,since,until,name\nII,J15,,,2025-01-01,,\n", "utf-8")
    bad.write_text("annex,codes\n", "utf-8")
    lists.write_text('{"four_hours_are_a_day": "yes"}', "utf-8")
    facility = ("organization", "set-facility", "--organization", "7", "--facility-code", "01001")
    rank = ("--from", "2025-01-01", "--technical-level", "basic", "--ranking-points", "60", "--ranked")
    run("migrate", **owner)
    run("organization", "add", *hospital, **owner)
    person = ("--organization", "7", "--name", "his", "--person", "C", "--role", "cashier")
    key = run("key", "add", *person, **owner).stdout.strip()

    first = run(*facility, *rank, **owner)
    ranked = run(*facility, *rank, "--former-tier", "district", **owner)
    imported = run("claim", "import-annexes", "--organization", "7", str(annexes), **owner)

    assert [one.returncode for one in (first, ranked, imported)] == [0, 0, 0], (first, ranked, imported)
    assert "annex II: 1 rows" in imported.stdout
    assert run("claim", "import-annexes", "--organization", "7", str(bad), **owner).returncode == 1
    assert run(*facility, *rank, "--lists", str(lists), **owner).returncode == 1
    assert run(*facility[:-1], "01999", *rank, **owner).returncode == 1
    with service_here(VIENPHI_DATABASE_URL=server.app_url) as address:
        # Registered at another facility; pneumonia of annex II: 1.13 needs a disease outside it, 1.16 for this one.
        content = claim_file("kham-ngoai-tru.xml", edit=_pneumonia_of_another_person)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
        answer = httpx.post(f"{address}/v1/quotes/what-if", content=content, headers=headers)
        assert answer.json()["visits"][0]["chosen"] == "1.16", answer.text


def _pneumonia_of_another_person(table: str) -> str:
    moved = table.replace("<MA_DKBD>01001<", "<MA_DKBD>01999<")
    return re.sub("<MA_BENH_CHINH>[^<]*<", "<MA_BENH_CHINH>J15.9<", moved)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/q", "https://169.254.169.254/", "https://0x7f000001/", "https://localhost/"]
)
def test_address_inside_a_network_is_refused_when_an_account_or_a_webhook_is_added(
    server: DurableDatabase, tmp_path: Path, url: str
) -> None:
    owner = {"VIENPHI_OWNER_URL": server.owner_url}
    assert run("migrate", **owner).returncode == 0
    file = tmp_path / "settings.json"
    file.write_text(f'{{"merchant_id": "H1", "query_url": "{url}"}}', encoding="utf-8")

    account = run(
        "account", "add", "--organization", "1", "--name", "inside", "--provider", "sandbox", "--bank-bin", "970422",
        "--account-number", "0110000009", "--holder", "X", "--settings", str(file), **owner,
    )  # fmt: skip
    webhook = run("webhook", "add", "--organization", "1", "--secret", "hook", url, **owner)

    assert (account.returncode, "query_url: " in account.stderr, url in account.stderr) == (1, True, False)
    assert (webhook.returncode, "webhook_address_refused" in webhook.stderr) == (1, True)
