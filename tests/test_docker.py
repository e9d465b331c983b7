"""What the image and compose.yaml name exists in the program: commands, files, ports, addresses, settings, secrets.

No container engine is needed, so this shows that the names are right, not that an image was built.
"""

import json
import re
import shutil
import stat
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic import BaseModel

from billing.cli import main
from billing.secrets import SECRET_VARIABLE
from billing.settings import _SECRETS, CONFIG_VARIABLE, Settings, load_settings
from billing.web.routes import OPEN

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "vienphi"}


def instructions() -> list[list[tuple[str, str]]]:
    """The stages of the Dockerfile, each as its instructions with their words."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.M))
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, words = line.split(maxsplit=1)
        if name == "FROM":
            found.append([])
        found[-1].append((name, words))
    return found


LAST_STAGE = instructions()[-1]
IMAGE = dict(LAST_STAGE)
ENVIRONMENT = dict(pair.split("=", 1) for name, words in LAST_STAGE if name == "ENV" for pair in words.split())


def command_of(words: list[str]) -> click.Command:
    """The command of the program that words lead to. Raises LookupError where there is none."""
    command: click.Command = main
    for word in words:
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if found is None:
            raise LookupError(f"vienphi has no command {' '.join(words)}")
        command = found
    return command


def is_setting(variable: str) -> bool:
    """Whether the program reads a variable: a setting, a part of one, a secret's file, a provider's secret."""
    if variable == CONFIG_VARIABLE or variable.startswith(SECRET_VARIABLE):
        return True
    name = variable.removeprefix("VIENPHI_").lower()
    if name.removesuffix("_file") in _SECRETS:
        return True
    model: Any = Settings
    for part in name.split("__"):
        if not (isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields):
            return False
        model = model.model_fields[part].annotation
    return True


def test_every_command_exists_and_can_be_run() -> None:
    entry = json.loads(IMAGE["ENTRYPOINT"])
    assert entry == ["vienphi"]

    for words in [json.loads(IMAGE["CMD"]), *(service["command"] for service in OURS.values())]:
        assert not isinstance(command_of(words), click.Group), words
    with pytest.raises(LookupError):
        command_of(["serv"])


def test_every_setting_exists() -> None:
    texts = [path.read_text("utf-8") for path in FOLDER.iterdir() if path.is_file()]
    named = {name for text in texts for name in re.findall(r"\bVIENPHI_[A-Z0-9_]+", text)}

    assert {"VIENPHI_PORT", "VIENPHI_OWNER_URL_FILE", "VIENPHI_DATABASE_URL_FILE"} <= named
    assert [name for name in named if not is_setting(name)] == []
    assert not is_setting("VIENPHI_PROT")
    assert not is_setting("VIENPHI_PORT_FILE")
    assert is_setting("VIENPHI_INTAKE_QUEUES__COUNT")


def test_every_file_that_is_copied_or_mounted_exists_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    stages = {words.split(" AS ")[1] for name, words in (stage[0] for stage in instructions()) if " AS " in words}
    copied = [words.split() for stage in instructions() for name, words in stage if name == "COPY"]

    for *sources, _target in copied:
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, f"{source} never reaches the builder"
    assert ignored[0] == "*"
    # A link is copied as a link: what it leads to must come along.
    links = [path for name in ("billing", "providers") for path in (ROOT / name).rglob("*") if path.is_symlink()]
    for link in links:
        assert any(fnmatch(link.resolve().name, source) for *sources, _ in copied for source in sources), link
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).is_file(), volume
        if "build" in service:
            assert (FOLDER / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_ports_and_addresses_agree() -> None:
    port = ENVIRONMENT["VIENPHI_PORT"]
    healthcheck = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z]+)", IMAGE["HEALTHCHECK"])

    assert healthcheck is not None
    assert (healthcheck[1], IMAGE["EXPOSE"]) == (port, port)
    assert healthcheck[2] in {route.path for route in OPEN}
    [published] = OURS["web"]["ports"]
    assert published.rsplit(":", 1)[1] == port
    assert published.startswith("127.0.0.1:")
    Settings(host=ENVIRONMENT["VIENPHI_HOST"], port=int(port), log_format=ENVIRONMENT["VIENPHI_LOG_FORMAT"])


def test_nothing_of_ours_runs_as_root_or_writes_into_its_image() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", IMAGE["USER"])
    assert set(OURS) == {"migrate", "web", "worker"}
    for service in OURS.values():
        assert service["user"] == IMAGE["USER"]
        assert service["read_only"] is True
        assert "/tmp" in service["tmpfs"]
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("privileged")


def test_only_what_the_lock_file_names_is_installed() -> None:
    runs = [words for stage in instructions() for name, words in stage if name == "RUN"]

    fetching = [run for run in runs if "pip download" in run]
    assert len(fetching) == 1
    assert "--require-hashes --requirement requirements.lock" in fetching[0]
    for run in runs:
        if "pip wheel" in run or " install " in run:
            assert "--no-index" in run, run
    assert "[" not in "".join(run for run in runs if " install " in run), "no extras: neither tests nor demo"


def test_secrets_are_made_once_and_are_what_the_services_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(FOLDER / "make-secrets.sh", tmp_path)
    made = tmp_path / "secrets"

    contents = []
    for _ in range(2):
        subprocess.run(["sh", str(tmp_path / "make-secrets.sh")], check=True)
        contents.append({path.name: path.read_text() for path in made.iterdir()})

    assert contents[0] == contents[1]
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    files = {secret["file"].removeprefix("./secrets/") for secret in COMPOSE["secrets"].values()}
    assert files == set(COMPOSE["secrets"]) == set(contents[0])
    for service in COMPOSE["services"].values():
        assert set(service["secrets"]) <= files
        for variable, value in service["environment"].items():
            assert not re.search("PASSWORD|URL|SECRET", variable) or "_FILE" in variable or "BASE_URL" in variable
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    for name, role in (("VIENPHI_OWNER_URL", "vienphi_owner"), ("VIENPHI_DATABASE_URL", "vienphi_app")):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", str(made / ("owner_url" if "OWNER" in name else "app_url")))
        assert f"//{role}:" in getattr(load_settings(), name.removeprefix("VIENPHI_").lower()).get_secret_value()
    assert len({contents[0][name] for name in contents[0] if name.endswith("password")}) == 3


def test_app_role_is_made_without_rights_and_owns_nothing() -> None:
    script = (FOLDER / "roles.sh").read_text("utf-8")

    [app] = re.findall(r"CREATE ROLE vienphi_app (.*);", script)
    assert app == "LOGIN PASSWORD :'app_password'"
    assert re.findall(r"OWNER (\w+)", script) == ["vienphi_owner"]
    assert "vienphi_app" not in "".join(line for line in script.splitlines() if "GRANT" in line)
    assert "VIENPHI_OWNER_URL_FILE" in OURS["migrate"]["environment"]
    for name in ("web", "worker"):
        assert "owner_url" not in OURS[name]["secrets"]
        assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
