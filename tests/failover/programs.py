"""The programs of a fail-over run that no Python package brings: where they are, or what to install."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from billing.devserver.server_programs import ServerPrograms, ServerUser, find_server_programs, server_user

_ROOT = Path(__file__).parents[2]
_INSTALL = "on Debian as root: apt-get install --no-install-recommends etcd-server haproxy"


class ProgramsMissing(Exception):
    """Says what to install."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the programs; `user` runs all of them, since PostgreSQL does not run as root."""

    etcd: Path
    haproxy: Path
    patroni: Path
    postgresql: ServerPrograms
    user: ServerUser


def find_haproxy() -> Path:
    """Raises ProgramsMissing."""
    return _find("haproxy")


def find_programs() -> Programs:
    """Patroni is looked for in the folder named by PATRONI_BIN, in .venv/failover/bin, then in PATH.

    Raises ProgramsMissing.
    """
    user = server_user()
    folders = [os.environ.get("PATRONI_BIN"), str(_ROOT / ".venv/failover/bin"), os.environ.get("PATH")]
    patroni = shutil.which("patroni", path=os.pathsep.join(filter(None, folders)))
    if patroni is None:
        raise ProgramsMissing("Patroni is not installed: make .venv/failover/.installed")
    try:
        is_usable = user.run([patroni, "--version"]).returncode == 0
    except PermissionError:
        is_usable = False
    if not is_usable:
        raise ProgramsMissing(f"{patroni} is out of the reach of the user that runs PostgreSQL")
    return Programs(_find("etcd"), _find("haproxy"), Path(patroni), find_server_programs(user), user)


def _find(name: str) -> Path:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise ProgramsMissing(f"{name} is not installed; {_INSTALL}")
    return Path(found)
