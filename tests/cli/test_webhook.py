"""Webhook endpoints by commands: added with a secret that exists, listed, tried, removed without losing messages."""

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
import pytest

from tests.cli.commands import call, called
from tests.cli.test_account import HOSPITAL
from tests.conftest import DatabaseAddress

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
LOCAL = {"VIENPHI_WEBHOOKS__ALLOW_PRIVATE": "true", "VIENPHI_WEBHOOKS__ALLOW_HTTP": "true"}
URL = "https://example.org/hook"
ADD = ("webhook", "add", "--organization", "1", "--secret", "his")


@pytest.fixture
def given(database: DatabaseAddress) -> dict[str, str]:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}
    called("organization", "add", *HOSPITAL, **addresses)
    return addresses


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A receiver on this machine that answers every message in the same way, and the messages it received."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append({**{name.lower(): value for name, value in self.headers.items()}, "body": body.decode()})
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_endpoint_is_added_only_with_secrets_that_exist_and_can_sign(given: dict[str, str]) -> None:
    missing = call(*ADD, URL, **given)
    unusable = call(*ADD, URL, **given, VIENPHI_SECRET_HIS="leaked")
    second_missing = call(*ADD, "--secret", "old", URL, **given, VIENPHI_SECRET_HIS=SECRET)
    too_many = call(*ADD, "--secret", "his", "--secret", "his", URL, **given, VIENPHI_SECRET_HIS=SECRET)
    nobody = call("webhook", "add", "--organization", "9", "--secret", "his", URL, **given, VIENPHI_SECRET_HIS=SECRET)
    added = call(*ADD, URL, **given, VIENPHI_SECRET_HIS=SECRET)

    assert (missing.exit_code, "set VIENPHI_SECRET_HIS or VIENPHI_SECRET_HIS_FILE" in missing.stderr) == (1, True)
    assert (unusable.exit_code, "whsec_" in unusable.stderr, "leaked" in unusable.stderr) == (1, True, False)
    assert (second_missing.exit_code, "VIENPHI_SECRET_OLD" in second_missing.stderr) == (1, True)
    assert (too_many.exit_code, "one secret, or two" in too_many.stderr) == (1, True)
    assert (nobody.exit_code, "no such organization" in nobody.stderr) == (1, True)
    assert added.exit_code == 0, added.output
    listed = called("webhook", "list", "--organization", "1", **given)
    assert listed.count("\n") == 1
    assert f"active  {URL}  all topics  secret his  0 waiting, 0 dead" in listed


@pytest.mark.parametrize("topic", ["invoice.update", "Invoice.updated", "", "webhook.test"])
def test_unknown_topic_is_refused_with_the_known_ones(given: dict[str, str], topic: str) -> None:
    refused = call(*ADD, "--topic", topic, URL, **given, VIENPHI_SECRET_HIS=SECRET)

    assert refused.exit_code == 1
    assert "known: invoice.issued, " in refused.stderr
    assert called("webhook", "list", "--organization", "1", **given) == ""


@pytest.mark.parametrize(("status", "exit_code"), [(204, 0), (500, 1), (302, 1), (410, 1)])
def test_endpoint_is_tried_with_one_signed_message(given: dict[str, str], status: int, exit_code: int) -> None:
    secret = {"VIENPHI_SECRET_HIS": SECRET}
    with receiver(status) as (url, seen):
        endpoint = called(*ADD, url, **given, **LOCAL, **secret).split()[1]

        tried = call("webhook", "test", "--organization", "1", endpoint, **given, **LOCAL, **secret)

    assert tried.exit_code == exit_code
    assert f"answered {status}" in tried.output
    [message] = seen
    assert message["webhook-signature"].startswith("v1,")
    assert '"type":"webhook.test"' in message["body"].replace(": ", ":")


def test_test_of_an_endpoint_names_what_hinders_it(given: dict[str, str]) -> None:
    secret = {"VIENPHI_SECRET_HIS": SECRET}
    with receiver(204) as (url, _):
        endpoint = called(*ADD, url, **given, **LOCAL, **secret).split()[1]
        without_secret = call("webhook", "test", "--organization", "1", endpoint, **given, **LOCAL)
        private = call(
            "webhook", "test", "--organization", "1", endpoint,
            **given, **secret, VIENPHI_WEBHOOKS__ALLOW_HTTP="true",
        )  # fmt: skip
    silent = call("webhook", "test", "--organization", "1", endpoint, **given, **LOCAL, **secret)
    unknown = "01890000-0000-7000-8000-000000000000"
    nobody = call("webhook", "test", "--organization", "1", unknown, **given, **LOCAL, **secret)

    assert (without_secret.exit_code, "VIENPHI_SECRET_HIS" in without_secret.stderr) == (1, True)
    assert (private.exit_code, "private network" in private.stderr) == (1, True)
    assert (silent.exit_code, "gave no answer" in silent.stderr) == (1, True)
    assert (nobody.exit_code, "vienphi webhook list" in nobody.stderr) == (1, True)


def test_endpoint_with_undelivered_messages_is_removed_only_with_the_option(
    given: dict[str, str], database: DatabaseAddress
) -> None:
    secret = {"VIENPHI_SECRET_HIS": SECRET}
    clean = called(*ADD, URL, **given, **secret).split()[1]
    busy = called(*ADD, URL, **given, **secret).split()[1]
    asyncio.run(_enqueue(database.app_url, busy))

    called("webhook", "remove", "--organization", "1", clean, **given)
    refused = call("webhook", "remove", "--organization", "1", busy, **given)
    left = called("webhook", "list", "--organization", "1", **given)
    removed = called("webhook", "remove", "--organization", "1", "--discard", busy, **given)
    again = call("webhook", "remove", "--organization", "1", busy, **given)

    assert (refused.exit_code, "1 messages wait" in refused.stderr, "--discard" in refused.stderr) == (1, True, True)
    assert busy in left
    assert clean not in left
    assert "1 messages discarded" in removed
    assert called("webhook", "list", "--organization", "1", **given) == ""
    assert again.exit_code == 1


async def _enqueue(app_url: str, endpoint: str) -> None:
    connection = await asyncpg.connect(app_url)
    try:
        await connection.execute("SET vienphi.organization = '1'")
        await connection.execute(
            "INSERT INTO webhook_delivery (organization_id, endpoint_id, message_id, topic, payload, state, due_at)"
            " VALUES (1, $1, gen_random_uuid(), 'invoice.updated', '{}', 'waiting', now())",
            endpoint,
        )
    finally:
        await connection.close()
