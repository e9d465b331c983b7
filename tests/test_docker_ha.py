"""What docker/ha names exists: commands, settings, files, ports, secrets; and its parts agree with each other.

No container engine is needed, so this shows that the names are right, not that an image was built. `make failover` runs
patroni.yaml, patroni_fenced.py, haproxy.cfg and roles.sh on loopback.
"""

import json
import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from billing.settings import load_settings
from tests.test_docker import ENVIRONMENT, IMAGE, command_of, is_setting

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docker/ha"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "vienphi"}
POSTGRESQL = {name: service for name, service in SERVICES.items() if service["image"] == "vienphi-postgresql"}
ETCD = {name: service for name, service in SERVICES.items() if service["image"] == "vienphi-etcd"}
PATRONI: dict[str, Any] = yaml.safe_load((FOLDER / "patroni.yaml").read_text("utf-8"))
HAPROXY = (FOLDER / "haproxy.cfg").read_text("utf-8")
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")


def test_there_are_three_nodes_two_web_two_workers_and_one_proxy() -> None:
    assert set(POSTGRESQL) == {"postgres1", "postgres2", "postgres3"}
    assert set(ETCD) == {"etcd1", "etcd2", "etcd3"}
    assert set(OURS) == {"migrate", "web1", "web2", "worker1", "worker2"}
    assert set(SERVICES) == {*POSTGRESQL, *ETCD, *OURS, "proxy"}


def test_every_command_and_setting_of_ours_exists_and_nothing_runs_as_root() -> None:
    for service in OURS.values():
        assert not isinstance(command_of(service["command"]), click.Group)
        assert [name for name in service["environment"] if not is_setting(name)] == []
        assert (service["user"], service["read_only"], service["cap_drop"]) == (IMAGE["USER"], True, ["ALL"])
        assert (FOLDER / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    for service in SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("privileged")
    assert "USER postgres" in DOCKERFILE
    assert "USER 10001:10001" in DOCKERFILE


def test_every_file_that_is_mounted_or_copied_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).resolve().is_file(), volume
    for copied in re.findall(r"^COPY (\S+) ", DOCKERFILE, flags=re.M):
        assert (FOLDER / copied).is_file()
    for service in {**POSTGRESQL, **ETCD}.values():
        assert service["build"]["context"] == ".", "the secrets are in no builder's context"
        assert f"AS {service['build']['target']}\n" in DOCKERFILE
    data = [volume for service in {**POSTGRESQL, **ETCD}.values() for volume in service["volumes"]]
    named = [volume.split(":")[0] for volume in data if volume.split(":")[0] in COMPOSE["volumes"]]
    assert sorted(named) == sorted(COMPOSE["volumes"]), "each node has data of its own"


def test_commits_wait_for_a_standby_and_a_silent_primary_is_replaced_in_time() -> None:
    dcs = PATRONI["bootstrap"]["dcs"]

    assert (dcs["synchronous_mode"], dcs["synchronous_mode_strict"]) == (True, True)
    assert (dcs["ttl"], dcs["primary_start_timeout"]) == (20, 0)
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"], "Patroni changes what does not fit"
    assert dcs["postgresql"]["use_pg_rewind"] is True
    assert "data-checksums" in PATRONI["bootstrap"]["initdb"], "pg_rewind needs them"
    assert "synchronous_commit" not in dcs["postgresql"]["parameters"], "on, the server's default"
    assert all("trust" not in line for line in PATRONI["postgresql"]["pg_hba"])


def test_no_node_runs_patroni_without_the_rule_that_keeps_a_former_primary_from_the_key() -> None:
    start = (FOLDER / "start.sh").read_text("utf-8")

    assert re.findall(r"^exec (.*)$", start, flags=re.M) == [
        "python3 /etc/patroni/patroni_fenced.py /etc/patroni/patroni.yaml"
    ]
    assert 'ENTRYPOINT ["sh", "/etc/patroni/start.sh"]' in DOCKERFILE
    for node in POSTGRESQL.values():
        for name in ("start.sh", "patroni.yaml", "patroni_fenced.py", "fence.py"):
            assert f"./{name}:/etc/patroni/{name}:ro" in node["volumes"]
    assert PATRONI["bootstrap"]["dcs"]["synchronous_mode"] is True, "the rule rests on /sync"


def test_names_and_ports_agree() -> None:
    environment = SERVICES["proxy"]["environment"]

    assert set(re.findall(r"\$\{(\w+)\}", HAPROXY)) == set(environment)
    for number in (1, 2, 3):
        node = POSTGRESQL[f"postgres{number}"]["environment"]
        assert environment[f"POSTGRES{number}"] == node["PATRONI_POSTGRESQL_CONNECT_ADDRESS"]
        port = node["PATRONI_RESTAPI_CONNECT_ADDRESS"].rsplit(":", 1)[1]
        assert environment[f"PATRONI{number}_PORT"] == port == node["PATRONI_RESTAPI_LISTEN"].rsplit(":", 1)[1]
        assert f"127.0.0.1:{port}/liveness" in DOCKERFILE
        assert node["PATRONI_NAME"] == f"postgres{number}"
        hosts = node["PATRONI_ETCD3_HOSTS"].split(",")
        assert hosts == [f"{name}:2379" for name in ETCD]
    for name, service in ETCD.items():
        words = dict(word.removeprefix("--").split("=", 1) for word in service["command"])
        assert words["name"] == name
        assert words["advertise-client-urls"] == f"http://{name}:2379"
        assert words["initial-cluster"] == ",".join(f"{each}=http://{each}:2380" for each in ETCD)
    for number in (1, 2):
        assert environment[f"WEB{number}"] == f"web{number}:{ENVIRONMENT['VIENPHI_PORT']}"
    assert environment["DATABASE_BIND"].endswith(":5432")
    assert SERVICES["proxy"]["networks"]["default"]["aliases"] == ["database"], "as in the addresses of the secrets"
    [published] = SERVICES["proxy"]["ports"]
    assert published.startswith("127.0.0.1:")
    assert published.rsplit(":", 1)[1] == environment["WEB_BIND"].rsplit(":", 1)[1]
    assert not any("ports" in service for name, service in SERVICES.items() if name != "proxy")


def test_the_proxy_reads_the_state_from_patroni_and_closes_connections_to_a_former_primary() -> None:
    database, web = re.split(r"^listen ", HAPROXY, flags=re.M)[1:]

    assert "http-check send meth GET uri /primary" in database
    assert "on-marked-down shutdown-sessions" in database
    assert len(re.findall(r'server postgres\d "\$\{POSTGRES\d\}" check port "\$\{PATRONI\d_PORT\}"', database)) == 3
    assert "http-check send meth GET uri /healthz" in web
    assert "disable-l7-retry unless { path_beg /callbacks/ }" in web


def test_web_believes_the_proxy_and_no_other_network() -> None:
    [subnet] = [each["subnet"] for each in COMPOSE["networks"]["default"]["ipam"]["config"]]

    for name in ("web1", "web2"):
        [network] = json.loads(OURS[name]["environment"]["VIENPHI_TRUSTED_PROXIES"])
        assert ip_network(network) == ip_network(subnet)


def test_secrets_are_files_and_what_the_services_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ha").mkdir()
    shutil.copy(ROOT / "docker/make-secrets.sh", tmp_path)
    shutil.copy(FOLDER / "make-secrets.sh", tmp_path / "ha")
    made = tmp_path / "secrets"

    contents = []
    for _ in range(2):
        subprocess.run(["sh", str(tmp_path / "ha/make-secrets.sh")], check=True)
        contents.append({path.name: path.read_text() for path in made.iterdir()})

    assert contents[0] == contents[1]
    assert set(COMPOSE["secrets"]) == set(contents[0])
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {f"../secrets/{name}" for name in contents[0]}
    assert len({value for name, value in contents[0].items() if name.endswith("password")}) == 5
    read = set(re.findall(r"/run/secrets/(\w+)", (FOLDER / "start.sh").read_text("utf-8")))
    for service in POSTGRESQL.values():
        assert read | {"owner_password", "app_password"} == set(service["secrets"])
        assert "password" not in json.dumps(service["environment"]).lower().replace("pgpass", "")
    for service in OURS.values():
        for variable, value in service["environment"].items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    for name in ("web1", "web2", "worker1", "worker2"):
        assert OURS[name]["secrets"] == ["app_url"]
    monkeypatch.delenv("VIENPHI_DATABASE_URL", raising=False)
    monkeypatch.setenv("VIENPHI_DATABASE_URL_FILE", str(made / "app_url"))
    address = load_settings().database_url
    assert address is not None
    assert address.get_secret_value().endswith("@database/vienphi")


def test_patroni_of_the_image_is_locked_and_the_lock_names_no_registry() -> None:
    lock = (FOLDER / "requirements.lock").read_text("utf-8")

    assert re.search(r"^patroni==4\.\d+\.\d+ ", lock, flags=re.M)
    assert "--require-hashes --requirement /opt/requirements.lock" in DOCKERFILE
    assert "://" not in lock
    for line in re.findall(r"^[a-z0-9-]+==.*(?:\n    .*)*", lock, flags=re.M):
        assert "--hash=sha256:" in line
