"""Settings: three sources in their order, every error at once, and no value in any of them."""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from billing.db.connection_errors import DatabaseUnavailable
from billing.db.database import Database
from billing.db.migrator import migrate, pending
from billing.settings import LogFormat, SettingsInvalid, load_settings
from billing.worker.running import Intervals

SECRET = "postgresql://app:hidden-word@db/vienphi"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "OWNER_URL", "DATABASE_URL_FILE", "OWNER_URL_FILE", "CONFIG", "PORT"):
        monkeypatch.delenv(f"VIENPHI_{name}", raising=False)


def write_config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "vienphi.toml"
    path.write_text(text)
    return path


def test_without_anything_defaults_hold() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.intake_queues.wait_ms) == ("127.0.0.1", 8080, 100)
    assert settings.database_url is None


def test_every_interval_of_the_worker_is_a_setting_with_the_same_default() -> None:
    assert load_settings().worker.model_dump() == asdict(Intervals())


def test_environment_wins_over_its_file_and_that_over_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(
        tmp_path,
        'port = 1\nhost = "toml"\nlog_format = "json"\ndatabase_url = "postgresql://toml"\n'
        "[intake_queues]\ncount = 2\nwait_ms = 5",
    )
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    monkeypatch.setenv("VIENPHI_CONFIG", str(config))
    monkeypatch.setenv("VIENPHI_DATABASE_URL_FILE", str(secret))
    monkeypatch.setenv("VIENPHI_PORT", "2")
    monkeypatch.setenv("VIENPHI_INTAKE_QUEUES__COUNT", "8")

    settings = load_settings(needed=("database_url",))

    assert (settings.port, settings.host, settings.log_format) == (2, "toml", LogFormat.JSON)
    assert (settings.intake_queues.count, settings.intake_queues.wait_ms) == (8, 5)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == SECRET


def test_every_error_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write_config(
        tmp_path,
        'prot = 1\nport = 70000\nbody_size_max = true\npublic_base_url = "ftp://x"\n'
        "[intake_queues]\ncount = 0\ntypo = 1\n[pool]\nconnections_min = 9\nconnections_max = 2",
    )
    monkeypatch.setenv("VIENPHI_OWNER_URL_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("VIENPHI_LOG_FORMAT", "xml")

    with pytest.raises(SettingsInvalid) as caught:
        load_settings(config, needed=("database_url",))

    texts = "\n".join(caught.value.problems)
    for words in (
        "prot is no setting",
        "port: Input should be less than or equal to 65535",
        "body_size_max: a number is wanted",
        "public_base_url: an address beginning with",
        "intake_queues.count: Input should be greater than 0",
        "intake_queues.typo is no setting",
        "pool: connections_min is above connections_max",
        "VIENPHI_OWNER_URL_FILE names a file that cannot be read",
        "log_format: Input should be 'console' or 'json'",
        "database_url is missing: set VIENPHI_DATABASE_URL, VIENPHI_DATABASE_URL_FILE or",
    ):
        assert words in texts


@pytest.mark.parametrize("name", ["database_url", "owner_url"])
def test_invalid_secret_is_named_and_not_printed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"VIENPHI_{name.upper()}", "mysql://app:hidden-word@db/vienphi")

    with pytest.raises(SettingsInvalid) as caught:
        load_settings()

    assert caught.value.problems == (f"{name}: an address beginning with postgresql:// is wanted",)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


MALFORMED = [
    "postgresql://app:hidden-word@[db/vienphi",
    "postgresql://app:hidden-word\u2100x@db/vienphi",
    "postgresql://[hidden-word]@db/vienphi",
    "hidden-word",
    "postgresql:app:hidden-word@db",
    "://hidden-word",
]


@pytest.mark.parametrize("address", MALFORMED)
@pytest.mark.parametrize("name", ["database_url", "owner_url"])
@pytest.mark.parametrize("how", ["environment", "file", "toml"])
def test_malformed_address_of_the_database_is_refused_without_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, name: str, how: str
) -> None:
    config = None
    if how == "environment":
        monkeypatch.setenv(f"VIENPHI_{name.upper()}", address)
    elif how == "file":
        (tmp_path / "address").write_text(address)
        monkeypatch.setenv(f"VIENPHI_{name.upper()}_FILE", str(tmp_path / "address"))
    else:
        config = write_config(tmp_path, f'{name} = "{address}"')

    with pytest.raises(SettingsInvalid) as caught:
        load_settings(config)

    texts = "".join(traceback.format_exception(caught.value))
    assert "hidden" not in texts
    assert "app:" not in texts


@pytest.mark.parametrize(
    "text",
    ['database_url = "hidden-word', "hidden-word", 'database_url = "a" hidden-word', '"hidden-word" = [', "a\x00"],
)
def test_toml_that_is_broken_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(write_config(tmp_path, text))

    assert "is no TOML" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "address",
    [
        *("postgresql://app:hidden-word@db:hidden-port/x", "postgresql://app:hidden-word@db,db2:1:2/x"),
        *(
            "postgresql://app:hidden-word@127.0.0.1:1/x?sslmode=hidden-mode",
            "postgresql://app:hidden-word@127.0.0.1:99999/x",
        ),
        *(
            "postgresql://app:hidden-word@" + "a" * 70 + "/x",
            "postgresql://app:hidden-word@127.0.0.1:1/x",
            "hidden-word",
        ),
    ],
)
@pytest.mark.parametrize("work", [Database.open, migrate, pending])
async def test_address_without_a_database_is_reported_without_a_part_of_it(
    address: str, work: Callable[[str], Awaitable[object]]
) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await work(address)

    texts = "".join(traceback.format_exception(caught.value))
    assert "hidden" not in texts


def test_secret_is_not_shown_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIENPHI_DATABASE_URL", SECRET)

    assert "hidden-word" not in repr(load_settings())


def test_secret_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIENPHI_DATABASE_URL", SECRET)
    monkeypatch.setenv("VIENPHI_DATABASE_URL_FILE", str(tmp_path))

    with pytest.raises(SettingsInvalid, match="both set"):
        load_settings()


def test_toml_that_is_broken_or_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"vienphi\.toml is no TOML"):
        load_settings(write_config(tmp_path, "port ="))
    with pytest.raises(SettingsInvalid, match=r"absent\.toml cannot be read"):
        load_settings(tmp_path / "absent.toml")


def test_nested_setting_that_is_no_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIENPHI_INTAKE_QUEUES", "many")

    with pytest.raises(SettingsInvalid, match="intake_queues"):
        load_settings()


def test_number_with_a_point_is_no_count(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"intake_queues\.count"):
        load_settings(write_config(tmp_path, "[intake_queues]\ncount = 1.5"))


def test_tracing_is_off_by_default_and_its_headers_are_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "headers"
    secret.write_text("authorization=Bearer hidden-word, x-tenant=a=b\n")
    monkeypatch.setenv("VIENPHI_TRACING__ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("VIENPHI_TRACING__HEADERS_FILE", str(secret))

    target = load_settings(write_config(tmp_path, "[tracing]\nsampling_ratio = 0.25")).tracing.target("vienphi-web")

    assert target is not None
    assert (target.endpoint, target.ratio) == ("http://127.0.0.1:4318/v1/traces", 0.25)
    assert target.headers == {"authorization": "Bearer hidden-word", "x-tenant": "a=b"}
    assert "hidden-word" not in repr(target)
    monkeypatch.delenv("VIENPHI_TRACING__ENDPOINT")
    assert load_settings().tracing.target("vienphi-web") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "grpc://hidden-word:4317"),
        ("ENDPOINT", "http://user:hidden-word@collector/v1/traces"),
        ("ENDPOINT", "http://collector/v1/traces?key=hidden-word"),
        ("ENDPOINT", "hidden-word"),
        ("SAMPLING_RATIO", "0"),
        ("SAMPLING_RATIO", "1.01"),
        ("HEADERS", "hidden-word"),
        ("HEADERS", "a=hidden-word\r\nb: c"),
        ("HEADERS_FILE", "/nowhere/hidden-word"),
    ],
)
def test_tracing_that_cannot_be_used_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"VIENPHI_TRACING__{name}", value)

    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()

    assert refusal.value.problems[0].startswith("tracing")
    assert "hidden-word" not in "".join(traceback.format_exception(refusal.value))
