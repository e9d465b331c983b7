"""The programs of a fail-over run that no Python package brings: where they are, or what to install."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from billing.devserver.server_programs import ServerPrograms, ServerUser, find_server_programs, server_user

_ROOT = Path(__file__).parents[2]
_INSTALL = "on Debian as root: apt-get install --no-install-recommends etcd-server haproxy"


class ProgramsMissing(Exception):
    """States what to install."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the programs; `user` runs all of them, since PostgreSQL does not run as root."""

    etcd: Path
    etcd_version: tuple[int, ...]
    haproxy: Path
    patroni: Path
    postgresql: ServerPrograms
    user: ServerUser

    @property
    def python(self) -> Path:
        """The Python that has Patroni."""
        return self.patroni.with_name("python3")


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
        raise ProgramsMissing(
            f"{patroni} is out of the reach of `nobody`, who runs PostgreSQL for root; make one where he may enter:"
            " /usr/bin/python3 -m venv /opt/patroni; /opt/patroni/bin/pip install -r docker/ha/requirements.lock;"
            " then set PATRONI_BIN=/opt/patroni/bin"
        )
    etcd = _find("etcd")
    return Programs(etcd, _version_of(etcd), _find("haproxy"), Path(patroni), find_server_programs(user), user)


def _version_of(etcd: Path) -> tuple[int, ...]:
    words = subprocess.run([etcd, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", words)
    if found is None:
        raise ProgramsMissing(f"{etcd} does not state its version")
    return tuple(map(int, found.groups()))


def _find(name: str) -> Path:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise ProgramsMissing(f"{name} is not installed; {_INSTALL}")
    return Path(found)
