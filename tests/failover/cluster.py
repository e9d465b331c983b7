"""Three PostgreSQL servers under Patroni with three etcd, on loopback, behind one haproxy.

Patroni and haproxy read the files of docker/ha; only addresses, folders and passwords are the run's own.
"""

import asyncio
import json
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import asyncpg

from billing.devserver.embedded import APP_ROLE, DATABASE_NAME, OWNER_ROLE, SUPERUSER
from tests.failover import etcd_gateway
from tests.failover.processes import Process, free_ports, kill_server, send, server_processes
from tests.failover.programs import Programs

DOCKER = Path(__file__).parents[2] / "docker"
HA = DOCKER / "ha"
_PASSWORDS = ("superuser_password", "replication_password", "patroni_password", "owner_password", "app_password")
_HEALTHY_S = 180.0


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one node."""

    postgresql: int
    patroni: int
    etcd: int
    etcd_peer: int


class Node:
    """A machine as far as this run has any: etcd, Patroni and the PostgreSQL server that Patroni keeps."""

    def __init__(self, number: int, ports: Ports, member: Process, patroni: Process, data: Path) -> None:
        self.name = f"postgres{number}"
        self.ports = ports
        self.etcd = member
        self.patroni = patroni
        self.data = data

    def start(self) -> None:
        """Start etcd and Patroni, which starts PostgreSQL."""
        self.etcd.start()
        self.patroni.start()

    def kill(self) -> None:
        """End everything with -9."""
        self.patroni.kill()
        kill_server(self.data)
        self.etcd.kill()

    def kill_postgresql(self) -> None:
        """End PostgreSQL with -9; Patroni goes on."""
        kill_server(self.data)

    def freeze(self, *, postgresql: bool) -> None:
        """Stop programs without ending them, as a machine that hangs; a PostgreSQL that goes on is cut off."""
        self.patroni.signal(signal.SIGSTOP)
        self.etcd.signal(signal.SIGSTOP)
        if postgresql:
            send(signal.SIGSTOP, server_processes(self.data))

    async def thaw(self, delay_s: float) -> None:
        """Continue what `freeze` stopped: PostgreSQL first, then etcd, and after a delay Patroni."""
        send(signal.SIGCONT, reversed(server_processes(self.data)))
        self.etcd.signal(signal.SIGCONT)
        await asyncio.sleep(delay_s)
        self.patroni.signal(signal.SIGCONT)


class Cluster:
    """A context manager, asynchronous: what it started is killed and its folder removed at the end."""

    def __init__(
        self, programs: Programs, *, on_step: Callable[[str], None], is_fenced: bool = True, logs: Path | None = None
    ) -> None:
        self._logs = logs
        self._is_fenced = is_fenced
        self._programs = programs
        self._on_step = on_step
        self.folder = Path(tempfile.mkdtemp(prefix="vienphi-failover-", dir="/var/tmp"))
        self._passwords = {name: token_hex(12) for name in _PASSWORDS}
        ports = free_ports(3 * 4 + 4)
        self.web_ports = ports[12:14]
        self.database_port, self.proxy_port = ports[14:16]
        self._node_ports = [Ports(*ports[4 * number : 4 * number + 4]) for number in range(3)]
        self._own(self.folder)
        self._write_secrets()
        self.nodes = [self._node(number) for number in (1, 2, 3)]
        self._haproxy = Process(
            "haproxy", [programs.haproxy, "-db", "-f", HA / "haproxy.cfg"], folder=self.folder, user=programs.user
        )
        self._haproxy.environment = {
            "DATABASE_BIND": f"127.0.0.1:{self.database_port}",
            "WEB_BIND": f"127.0.0.1:{self.proxy_port}",
            **{f"POSTGRES{n}": f"127.0.0.1:{p.postgresql}" for n, p in enumerate(self._node_ports, 1)},
            **{f"PATRONI{n}_PORT": str(p.patroni) for n, p in enumerate(self._node_ports, 1)},
            **{f"WEB{n}": f"127.0.0.1:{port}" for n, port in enumerate(self.web_ports, 1)},
        }

    @property
    def app_url(self) -> str:
        """The primary, through the proxy, as the service sees it."""
        return self.url(APP_ROLE)

    @property
    def owner_url(self) -> str:
        """The primary, through the proxy, for migrations."""
        return self.url(OWNER_ROLE)

    def url(self, role: str, database: str = DATABASE_NAME) -> str:
        """The primary, through the proxy."""
        return self._url(role, database, self.database_port)

    def url_of(self, node: Node, role: str) -> str:
        """One node, past the proxy."""
        return self._url(role, DATABASE_NAME, node.ports.postgresql)

    @property
    def etcd_version(self) -> str:
        """As `3.5.16`."""
        return ".".join(map(str, self._programs.etcd_version))

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    async def primary(self) -> Node | None:
        """The node whose Patroni states that it is the primary; None while there is none."""
        for node in self.nodes:
            if await asyncio.to_thread(_status, f"http://127.0.0.1:{node.ports.patroni}/primary") == 200:
                return node
        return None

    async def new_primary(self, old: Node) -> Node:
        """Wait until another node is the primary."""
        async with asyncio.timeout(_HEALTHY_S):
            while True:
                for node in self.nodes:
                    address = f"http://127.0.0.1:{node.ports.patroni}/primary"
                    if node is not old and await asyncio.to_thread(_status, address) == 200:
                        return node
                await asyncio.sleep(0.1)

    async def lead_etcd(self, node: Node) -> None:
        """Make the etcd of a node the leader of the three: its loss then costs an election as well."""
        await etcd_gateway.lead(node.ports.etcd, [each.ports.etcd for each in self.nodes], timeout_s=_HEALTHY_S)

    async def healthy(self) -> Node:
        """Wait until all nodes are there, stream, and a standby is synchronous; returns the primary."""
        async with asyncio.timeout(_HEALTHY_S):
            while True:
                node = await self.primary()
                if node is not None and await self._is_complete(node):
                    return node
                await asyncio.sleep(0.3)

    async def _is_complete(self, primary: Node) -> bool:
        try:
            state = await asyncio.to_thread(_read, f"http://127.0.0.1:{primary.ports.patroni}/cluster")
            connection = await asyncpg.connect(self.url_of(primary, SUPERUSER), timeout=3)
            try:
                states = await connection.fetchval("SELECT array_agg(sync_state || state) FROM pg_stat_replication")
            finally:
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, ValueError):
            return False
        members = [(member["role"], member["state"]) for member in state["members"]]
        followers = [each for each in members if each[0] != "leader"]
        return (
            len(followers) == 2
            and all(state == "streaming" for _, state in followers)
            and sorted(states or []) == ["asyncstreaming", "syncstreaming"]
        )

    async def _start(self) -> None:
        for node in self.nodes:
            node.etcd.start()
        self.nodes[0].patroni.start()
        self._haproxy.start()
        self._on_step("the first node makes its data")
        async with asyncio.timeout(_HEALTHY_S):
            while await self.primary() is None:
                await asyncio.sleep(0.3)
        for node in self.nodes[1:]:
            node.patroni.start()
        await self.healthy()
        self._on_step("three nodes stream")

    def _stop(self) -> None:
        self._haproxy.kill()
        for node in self.nodes:
            node.patroni.kill()
        for node in self.nodes:
            kill_server(node.data)
            node.etcd.kill()
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            for log in self.folder.glob("*.log"):
                shutil.copy(log, self._logs)
        shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self, name: str) -> str:
        """The end of a program's log."""
        with suppress(OSError):
            return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]
        return ""

    def _node(self, number: int) -> Node:
        name, ports = f"postgres{number}", self._node_ports[number - 1]
        data = self.folder / name
        members = ",".join(f"etcd{n}=http://127.0.0.1:{each.etcd_peer}" for n, each in enumerate(self._node_ports, 1))
        client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
        member = self._process(
            f"etcd{number}",
            *(self._programs.etcd, f"--name=etcd{number}", f"--data-dir={self.folder}/etcd{number}.data"),
            *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            *(f"--initial-cluster={members}", "--initial-cluster-token=vienphi"),
        )
        words = [self._programs.python, HA / "patroni_fenced.py"] if self._is_fenced else [self._programs.patroni]
        patroni = self._process(f"patroni{number}", *words, HA / "patroni.yaml")
        patroni.environment = {
            "PATH": f"{self._programs.postgresql.folder}:/usr/bin:/bin",
            "PATRONI_NAME": name,
            "PATRONI_ETCD3_HOSTS": ",".join(f"127.0.0.1:{each.etcd}" for each in self._node_ports),
            "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{ports.patroni}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{ports.patroni}",
            "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{ports.postgresql}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{ports.postgresql}",
            "PATRONI_POSTGRESQL_DATA_DIR": str(data),
            "PATRONI_POSTGRESQL_BIN_DIR": str(self._programs.postgresql.folder),
            "PATRONI_POSTGRESQL_PGPASS": f"{self.folder}/{name}.pgpass",
            "PATRONI_SUPERUSER_USERNAME": SUPERUSER,
            "PATRONI_SUPERUSER_PASSWORD": self._passwords["superuser_password"],
            "PATRONI_REPLICATION_USERNAME": "replicator",
            "PATRONI_REPLICATION_PASSWORD": self._passwords["replication_password"],
            "PATRONI_RESTAPI_USERNAME": "patroni",
            "PATRONI_RESTAPI_PASSWORD": self._passwords["patroni_password"],
            "ROLES": str(DOCKER / "roles.sh"),
            "SECRETS": str(self.folder),
        }
        return Node(number, ports, member, patroni, data)

    def _process(self, name: str, *command: object) -> Process:
        return Process(name, map(str, command), folder=self.folder, user=self._programs.user)

    def _write_secrets(self) -> None:
        for name, password in self._passwords.items():
            path = self.folder / name
            path.write_text(password)
            self._own(path)

    def _own(self, path: Path) -> None:
        user = self._programs.user
        if user.uid is not None and user.gid is not None:
            shutil.chown(path, user.uid, user.gid)

    def _url(self, role: str, database: str, port: int) -> str:
        name = {OWNER_ROLE: "owner_password", APP_ROLE: "app_password"}.get(role, "superuser_password")
        return f"postgresql://{role}:{self._passwords[name]}@127.0.0.1:{port}/{database}"


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _read(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(address, timeout=2) as answer:
        return dict(json.load(answer))
