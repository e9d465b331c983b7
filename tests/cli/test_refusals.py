"""What hinders a command from outside is one sentence with what to do and exit status 1; a fault of ours is logged."""

import asyncio
import errno
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import click
import pytest

import billing.cli
from billing.cli.refusals import sentence_of
from billing.core.errors import InvalidValue
from tests.cli.commands import call, called, run, run_process
from tests.cli.durable import DurableDatabase
from tests.cli.test_operations import assert_one_line
from tests.conftest import DatabaseAddress

EXAMPLE = Path(__file__).parents[2] / "examples" / "noi-tru.xml"


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


# ---- as processes


@pytest.mark.parametrize(("start", "log_format"), [(run, "console"), (run_process, "json")], ids=["here", "process"])
def test_taken_port_is_one_sentence(
    durable_database: DurableDatabase, start: Callable[..., subprocess.CompletedProcess[str]], log_format: str
) -> None:
    with listening() as port:
        refused = start(
            "serve",
            VIENPHI_DATABASE_URL=durable_database.app_url,
            VIENPHI_PORT=str(port),
            VIENPHI_LOG_FORMAT=log_format,
        )

    assert refused.returncode == 1
    assert_one_line(refused.stderr, "VIENPHI_PORT")


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_database_that_is_gone_is_one_sentence(command: str) -> None:
    refused = run(command, VIENPHI_DATABASE_URL="postgresql://vienphi_app:leaked@127.0.0.1:1/leaked")

    assert refused.returncode == 1
    assert_one_line(refused.stderr, "start PostgreSQL")
    assert "leaked" not in refused.stderr


@pytest.mark.parametrize(
    ("command", "target", "expected"),
    [
        ("provider list", "/dev/full", "No space left on device"),
        ("provider list", "closed", "nobody reads the output"),
        ("rules", "/dev/full", "No space left on device"),
        ("rules", "closed", None),
        ("quote examples/noi-tru.xml", "/dev/full", "No space left on device"),
        ("quote examples/noi-tru.xml", "closed", "Broken pipe"),
    ],
)
def test_output_that_nobody_takes_ends_the_command_without_traceback(
    command: str, target: str, expected: str | None
) -> None:
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "billing", *command.split()],
            stdout=full if target == "/dev/full" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd=EXAMPLE.parents[1],
        )
        if process.stdout is not None:
            process.stdout.close()
        assert process.stderr is not None
        stderr = process.stderr.read()
        assert process.wait(timeout=60) == 1

    # Tables end quietly where their pipe is closed, as is the custom.
    assert len(stderr.strip().splitlines()) == (0 if expected is None else 1), stderr
    assert (expected or "") in stderr
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


# ---- files


@pytest.mark.parametrize("kind", ["missing", "folder", "in_a_file"])
@pytest.mark.parametrize(
    "command",
    [
        ("claim", "check", "{}"),
        ("claim", "import-annexes", "--organization", "1", "{}"),
        ("tariff", "import", "{}", "--from", "2026-07-01"),
        ("provider", "check-callback", "--organization", "1", "bank", "{}"),
        ("account", "change", "bank", "--settings", "{}"),
        (
            *("account", "add", "--organization", "1", "--name", "b", "--provider", "sandbox", "--bank-bin", "970422"),
            *("--account-number", "1", "--holder", "X", "--settings", "{}"),
        ),
        ("--config", "{}", "migrate"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_file_that_cannot_be_used_is_one_sentence(
    database: DatabaseAddress, tmp_path: Path, command: tuple[str, ...], kind: str
) -> None:
    (tmp_path / "file").write_text("")
    path = {"missing": tmp_path / "none", "folder": tmp_path, "in_a_file": tmp_path / "file" / "none"}[kind]
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}

    refused = call(*(word.replace("{}", str(path)) for word in command), **addresses, VIENPHI_KEY="vp_1_x")

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, path.name)


def test_file_that_opens_and_cannot_be_read_is_named(database: DatabaseAddress) -> None:
    addresses = {"VIENPHI_OWNER_URL": database.owner_url, "VIENPHI_DATABASE_URL": database.app_url}

    refused = call("account", "change", "bank", "--settings", "/proc/self/mem", **addresses, VIENPHI_KEY="vp_1_x")

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "/proc/self/mem")


def test_file_of_a_setting_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("port 8080\n")
    (tmp_path / "latin").write_bytes(b"\xe9\xff")
    missing = str(tmp_path / "none")

    toml = call("migrate", VIENPHI_CONFIG=str(tmp_path / "wrong.toml"))
    no_toml = call("migrate", VIENPHI_CONFIG=missing)
    folder = call("migrate", VIENPHI_CONFIG=str(tmp_path))
    no_secret = call("migrate", VIENPHI_OWNER_URL_FILE=missing)
    url = {"VIENPHI_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    no_key = call("tariff", "list", **url, VIENPHI_KEY_FILE=missing)
    no_text = call("tariff", "list", **url, VIENPHI_KEY_FILE=str(tmp_path / "latin"))

    for refused, expected in (
        (toml, "is no TOML"),
        (no_toml, "none"),
        (folder, "cannot be read"),
        (no_secret, "VIENPHI_OWNER_URL_FILE"),
        (no_key, "none"),
        (no_text, "VIENPHI_KEY_FILE"),
    ):
        assert refused.exit_code == 1
        assert_one_line(refused.stderr, expected)


# ---- the database


@pytest.mark.parametrize(
    "command",
    [
        ("migrate",),
        ("organization", "list"),
        ("key", "list", "--organization", "1"),
        ("webhook", "list", "--organization", "1"),
        ("provider", "show", "--organization", "1", "bank"),
        ("tariff", "list"),
        ("ledger", "verify"),
        ("ledger", "rebase"),
        ("reprice",),
        ("serve",),
        ("worker",),
    ],
    ids=" ".join,
)
def test_database_that_does_not_let_in_is_one_sentence_that_repeats_nothing_of_the_address(
    durable_database: DurableDatabase, command: tuple[str, ...]
) -> None:
    wrong = {
        "create the roles": durable_database.url("leaked"),
        "no database of this name": durable_database.url("vienphi_app", "leaked"),
        "no server answers": "postgresql://leaked:leaked@127.0.0.1:1/leaked",
        "is not known": "postgresql://leaked:leaked@leaked.invalid/leaked",
    }

    for expected, url in wrong.items():
        refused = call(*command, VIENPHI_DATABASE_URL=url, VIENPHI_OWNER_URL=url, VIENPHI_KEY="vp_1_x")

        assert refused.exit_code == 1
        assert_one_line(refused.stderr, expected)
        assert "leaked" not in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("organization", "list"),
        ("webhook", "list", "--organization", "1"),
        ("provider", "show", "--organization", "1", "bank"),
        ("account", "list-changes"),
        ("tariff", "list"),
        ("reprice",),
        ("ledger", "verify"),
        ("serve",),
    ],
    ids=" ".join,
)
def test_missing_migrations_are_one_sentence_at_each_command(
    empty_database: DatabaseAddress, command: tuple[str, ...]
) -> None:
    addresses = {"VIENPHI_OWNER_URL": empty_database.owner_url, "VIENPHI_DATABASE_URL": empty_database.app_url}

    refused = call(*command, **addresses, VIENPHI_KEY="vp_1_x")

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "run vienphi migrate first")


def test_duplicate_organization_is_one_sentence(database: DatabaseAddress) -> None:
    hospital = ("--id", "1", "--name", "Một", "--tax-code", "0100000001", "--facility-code", "01001")
    called("organization", "add", *hospital, VIENPHI_OWNER_URL=database.owner_url)

    refused = call("organization", "add", *hospital, VIENPHI_OWNER_URL=database.owner_url)

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "take another --id")


# ---- the mechanism


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: may not be opened"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/x"), "/x: is a folder"),
        (FileExistsError(errno.EEXIST, "File exists", b"/x"), "/x: exists already"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "make room"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit"),
        (OSError(errno.EADDRNOTAVAIL, "cannot assign"), "VIENPHI_HOST"),
        (OSError("strange"), "strange"),
        (TimeoutError(), "in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "nobody answers"),
        (socket.gaierror(-2, "Name or service not known"), "not known"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "nobody reads"),
        (InvalidValue("so it is"), "so it is [invalid_value]"),
        (asyncpg.AdminShutdownError("terminating"), "closed the connection"),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute"), "primary"),
        (asyncpg.InsufficientPrivilegeError("permission denied for table payment"), "vienphi migrate"),
        (asyncpg.DiskFullError("could not extend file"), "limit"),
        (ExceptionGroup("loops", [InvalidValue("one"), OSError(errno.ENOSPC, "No space")]), "one [invalid_value]; "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_no_fault_of_ours_has_a_sentence(error: Exception, expected: str) -> None:
    sentence = sentence_of(error)

    assert sentence is not None
    assert expected in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "error",
    [
        TypeError("wrong"),
        KeyError("missing"),
        AssertionError(),
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.PostgresSyntaxError("syntax error"),
        asyncpg.UniqueViolationError("duplicate key"),
        asyncpg.InterfaceError("cannot perform operation"),
        asyncpg.InsufficientPrivilegeError('new row violates row-level security policy for table "visit"'),
        ExceptionGroup("loops", [InvalidValue("one"), TypeError("two")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fault_of_ours_has_no_sentence(error: Exception) -> None:
    assert sentence_of(error) is None


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_fault_of_ours_keeps_its_traceback_in_the_log(monkeypatch: pytest.MonkeyPatch, log_format: str) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr("billing.cli.serve._serve", broken)
    url = "postgresql://x@127.0.0.1:1/x"

    failed = call("serve", VIENPHI_DATABASE_URL=url, VIENPHI_LOG_FORMAT=log_format)

    assert failed.exit_code == 1
    logged = failed.stderr.strip().splitlines()
    assert logged[-1].endswith("[internal_error]")
    if log_format == "json":
        assert "broken" in json.dumps(json.loads(logged[0]))
        assert len(logged) == 2
    else:
        assert "broken" in failed.stderr
    assert "command_failed" in failed.stderr


def test_usage_is_still_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = call("claim", "check", str(EXAMPLE), "--no-such-option")
    nothing = call("no-such-command")

    assert (wrong.exit_code, nothing.exit_code) == (2, 2)
    assert "Usage:" in wrong.stderr


def test_each_command_ends_by_the_one_mechanism(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of any group: what it raises reaches the handler at the top."""

    @click.command()
    def fails() -> None:
        asyncio.run(_fail())

    async def _fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")

    monkeypatch.setitem(billing.cli._COMMANDS, "fails", "billing.cli.account:account")
    monkeypatch.setattr("billing.cli.account.account", fails)

    refused = call("fails")

    assert refused.exit_code == 1
    assert_one_line(refused.stderr, "/somewhere")
