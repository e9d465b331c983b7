"""An operator sets a hospital up by commands alone, and its keys open what their roles allow."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from billing.storage.embedded import EmbeddedPostgres
from tests.cli.test_demo import run
from tests.cli.test_serve import service


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as own:
        yield own


def test_hospital_is_set_up_by_commands_and_its_keys_open_by_role(server: EmbeddedPostgres, tmp_path: Path) -> None:
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
    other = run("key", "add", "--organization", "1", "--name", "his", "--person", "B", "--role", "admin", **owner)
    listed = run("key", "list", "--organization", "1", **owner)
    key_id = next(line.split()[0] for line in listed.stdout.splitlines() if "cashier" in line)

    assert [one.returncode for one in (added, account, first, second)] == [0, 0, 0, 0], (added, account, first)
    assert (third.returncode, "two_keys_alive" in third.stderr) == (1, True)
    assert other.returncode == 1
    assert first.stdout.strip() not in listed.stdout
    with service(VIENPHI_DATABASE_URL=server.app_url, VIENPHI_SECRET_SANDBOX="x" * 32) as (_, address):
        desk = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {first.stdout.strip()}"})
        books = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {second.stdout.strip()}"})
        assert desk.get("/v1/invoices").status_code == 200
        assert desk.get("/v1/ledger/balances").status_code == 403
        assert books.get("/v1/ledger/balances").status_code == 200
        assert books.post("/v1/invoices", json={}).status_code == 403
    revoked = run("key", "revoke", "--organization", "1", key_id, **owner)
    assert revoked.returncode == 0
    assert run("key", "revoke", "--organization", "1", key_id, **owner).returncode == 1
    with service(VIENPHI_DATABASE_URL=server.app_url) as (_, address):
        headers = {"Authorization": f"Bearer {first.stdout.strip()}"}
        assert httpx.get(f"{address}/v1/invoices", headers=headers).status_code == 401
        ready = httpx.get(f"{address}/readyz")
        assert "set VIENPHI_SECRET_SANDBOX" in ready.json()["unusable_accounts"]["1/sandbox"], (
            "named, and served beside"
        )
        assert httpx.post(f"{address}/callbacks/1/sandbox").status_code == 503


def test_secret_is_refused_in_the_settings_of_an_account(server: EmbeddedPostgres, tmp_path: Path) -> None:
    settings = tmp_path / "sandbox.json"
    settings.write_text('{"secret": "hush"}', encoding="utf-8")

    refused = run(
        "account", "add", "--organization", "1", "--name", "a", "--provider", "sandbox", "--bank-bin", "970422",
        "--account-number", "1", "--holder", "X", "--settings", str(settings), VIENPHI_OWNER_URL=server.owner_url,
    )  # fmt: skip

    assert refused.returncode == 1
    assert "hush" not in refused.stderr
