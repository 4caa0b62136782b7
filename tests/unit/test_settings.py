"""Every setting, read from the environment: one line that names the variable when it is wrong."""

import socket
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from hostaway_pipeline.containers import in_container
from hostaway_pipeline.domain.durations import Window
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.secret_files import is_secret
from hostaway_pipeline.settings import Settings, as_environment, load_settings

Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Settings from an environment that holds only what is given, in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HOSTAWAY_{name.upper()}", raising=False)

    def with_environment(*, is_contained: bool = False, **variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings(lambda: is_contained)

    return with_environment


WRONG = [
    ("HOSTAWAY_DATABASE_URL", "mysql://localhost/x"),
    ("HOSTAWAY_DATABASE_URL", "postgresql://user:pass@word@localhost/x"),
    ("HOSTAWAY_DATABASE_URL", "localhost"),
    ("HOSTAWAY_DAGSTER_DATABASE_URL", "sqlite:///x.db"),
    ("HOSTAWAY_API_URL", "api.hostaway.com/v1"),
    ("HOSTAWAY_API_URL", "ftp://api.hostaway.com"),
    ("HOSTAWAY_RATE_LIMIT_IP", "lots"),
    ("HOSTAWAY_RATE_LIMIT_IP", "200"),
    ("HOSTAWAY_RATE_LIMIT_ACCOUNT", "0/10"),
    ("HOSTAWAY_RATE_LIMIT_ACCOUNT", "200/0"),
    ("HOSTAWAY_CONCURRENCY", "0"),
    ("HOSTAWAY_CONCURRENCY", "129"),
    ("HOSTAWAY_CONCURRENCY", "many"),
    ("HOSTAWAY_MAX_DELETE_SHARE", "-0.1"),
    ("HOSTAWAY_MAX_DELETE_SHARE", "1.1"),
    ("HOSTAWAY_MAX_DELETE_SHARE", "nan"),
    ("HOSTAWAY_API_KEYS", "too-short"),
    ("HOSTAWAY_API_KEYS", "sha256:abc"),
    ("HOSTAWAY_PUBLIC_URL", "hooks.example.com"),
    ("HOSTAWAY_PUBLIC_URL", "http://hooks.example.com"),
    ("HOSTAWAY_PUBLIC_URL", "https://hooks.example.com:8443"),
    ("HOSTAWAY_PUBLIC_URL", "https://me:pw@hooks.example.com"),
    ("HOSTAWAY_SYNC_CALENDAR", "perhaps"),
    ("HOSTAWAY_TIME_ZONE", "Atlantis/Center"),
    ("HOSTAWAY_TIME_ZONE", "../etc/passwd"),
    ("HOSTAWAY_RECONCILE_WINDOW", "02:00"),
    ("HOSTAWAY_RECONCILE_WINDOW", "25:00/6h"),
    ("HOSTAWAY_RECONCILE_WINDOW", "02:00/25h"),
    ("HOSTAWAY_REFRESH_EVERY", "15"),
    ("HOSTAWAY_REFRESH_EVERY", "30s"),
    ("HOSTAWAY_LISTINGS_EVERY", "8d"),
    ("HOSTAWAY_CALENDAR_EVERY", "-1d"),
    ("HOSTAWAY_REFRESH_SHARE", "0"),
    ("HOSTAWAY_TRAILS_SHARE", "-1"),
    ("HOSTAWAY_REFRESH_STALE_AFTER", "soon"),
    ("HOSTAWAY_SWEEPERS", "0"),
    ("HOSTAWAY_EVENTS_KEPT_DAYS", "0"),
    ("HOSTAWAY_TOMBSTONES_KEPT_DAYS", "0"),
    ("HOSTAWAY_VERSIONS_RETENTION", "3 years"),
    ("HOSTAWAY_LOG_LEVEL", "LOUD"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_it(load, variable, value):
    with pytest.raises(ConfigurationError) as caught:
        load(**{variable: value})
    said = str(caught.value)
    assert said.startswith(f"{variable}: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("variable", sorted({variable for variable, _ in WRONG}))
def test_every_setting_that_can_be_wrong_is_named_in_capitals_only(load, variable):
    """The name is the one to type, not that of a Python field."""
    value = next(value for name, value in WRONG if name == variable)
    with pytest.raises(ConfigurationError) as caught:
        load(**{variable: value})
    assert variable.removeprefix("HOSTAWAY_").lower() not in str(caught.value)


def test_the_reason_says_what_would_be_right(load):
    with pytest.raises(ConfigurationError, match="such as 200/10"):
        load(HOSTAWAY_RATE_LIMIT_IP="lots")


def test_two_wrong_values_are_still_one_line(load):
    with pytest.raises(ConfigurationError, match=r"^HOSTAWAY_[A-Z_]+: [^\n]*$"):
        load(HOSTAWAY_CONCURRENCY="0", HOSTAWAY_LOG_LEVEL="LOUD")


@pytest.mark.parametrize("variable", ["HOSTAWAY_DATABASE_URL", "HOSTAWAY_DAGSTER_DATABASE_URL"])
def test_a_wrong_url_is_not_shown_for_it_holds_a_password(load, variable):
    with pytest.raises(ConfigurationError) as caught:
        load(**{variable: "mysql://hostaway:hunter2@db/x"})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__  # pydantic's own text quotes the input


# Unset


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_string_means_unset(load, name):
    """An empty line in a compose file, a CI variable without a value."""
    assert getattr(load(**{f"HOSTAWAY_{name.upper()}": ""}), name) == getattr(load(), name)


def test_without_any_variable_it_starts_on_the_embedded_postgres(load):
    settings = load()
    assert (settings.database_url, settings.dagster_database_url, settings.encryption_keys) == (None, None, None)
    assert settings.home == Path(".hostaway")


def test_the_api_is_the_real_one_by_default(load):
    assert load().api_url == "https://api.hostaway.com/v1"


def test_limits_are_the_published_ones_by_default(load):
    """200 requests in 10 seconds, per IP and per account."""
    settings = load()
    assert settings.rate_limit_ip == settings.rate_limit_account == RateLimit(200, 10)


def test_the_calendar_is_read_only_on_request_by_default(load):
    assert load().sync_calendar is False


@pytest.mark.parametrize("is_contained", [False, True])
def test_the_egress_is_the_host_by_default(load, is_contained):
    """In a container, too, with the embedded Postgres: its processes share no database with other containers."""
    assert load(is_contained=is_contained).egress == socket.gethostname()


def test_the_egress_is_the_host_with_a_postgres_of_ones_own(load):
    assert load(HOSTAWAY_DATABASE_URL="postgresql://u:p@h/db").egress == socket.gethostname()


def test_in_a_container_with_a_shared_postgres_the_egress_must_be_named(load):
    """Each container would believe that it has an IP address, and a full budget, of its own."""
    with pytest.raises(
        ConfigurationError, match=r"^HOSTAWAY_EGRESS is not set[^\n]*set the same name, such as egress-1"
    ):
        load(HOSTAWAY_DATABASE_URL="postgresql://u:p@h/db", is_contained=True)
    assert load(HOSTAWAY_EGRESS="egress-1", is_contained=True).egress == "egress-1"


CONTAINERS = {
    "docker": {".dockerenv": ""},
    "podman": {"run/.containerenv": "engine=podman"},
    "kubernetes, by its control group": {"proc/self/cgroup": "1:name=systemd:/kubepods/burstable/pod7/0123\n"},
    "containerd": {"proc/self/mountinfo": "611 518 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/l\n"},
}
HOSTS = {
    "linux": {
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
        "proc/self/mountinfo": "29 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
        "611 29 0:52 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw,lowerdir=/l\n",
    },
    "macos": {},
}


@pytest.mark.parametrize("files", [*CONTAINERS.values(), *HOSTS.values()], ids=[*CONTAINERS, *HOSTS])
def test_a_container_is_recognised_by_its_file_system(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert in_container(tmp_path, {}) is (files in CONTAINERS.values())


def test_a_pod_is_recognised_by_its_environment(tmp_path):
    assert in_container(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert not in_container(tmp_path, {"HOSTNAME": "web-1"})


# Read


EVERYTHING = {
    "HOSTAWAY_DATABASE_URL": "postgresql://u:p@h/db",
    "HOSTAWAY_DAGSTER_DATABASE_URL": "postgres://u:p@h/dagster",
    "HOSTAWAY_HOME": "/var/lib/hostaway",
    "HOSTAWAY_API_URL": "http://localhost:8080/v1",
    "HOSTAWAY_ENCRYPTION_KEYS": "k1:abc",
    "HOSTAWAY_RATE_LIMIT_IP": "15/10",
    "HOSTAWAY_RATE_LIMIT_ACCOUNT": "20/0.5",
    "HOSTAWAY_EGRESS": "office",
    "HOSTAWAY_CONCURRENCY": "8",
    "HOSTAWAY_CLOCK_TRUST": "120",
    "HOSTAWAY_SEND_PATIENCE": "90",
    "HOSTAWAY_MAX_DELETE_SHARE": "1",
    "HOSTAWAY_REREAD_SHARE": "1/4",
    "HOSTAWAY_READ_TIMEOUT": "2.5",
    "HOSTAWAY_SYNC_CALENDAR": "true",
    "HOSTAWAY_TIME_ZONE": "Europe/Berlin",
    "HOSTAWAY_RECONCILE_WINDOW": "23:30/4h",
    "HOSTAWAY_REFRESH_EVERY": "30m",
    "HOSTAWAY_LISTINGS_EVERY": "12h",
    "HOSTAWAY_CALENDAR_EVERY": "2d",
    "HOSTAWAY_REFRESH_SHARE": "1/2",
    "HOSTAWAY_TRAILS_SHARE": "1/10",
    "HOSTAWAY_REFRESH_STALE_AFTER": "60m",
    "HOSTAWAY_SWEEPERS": "3",
    "HOSTAWAY_API_KEYS": "0123456789abcdef",
    "HOSTAWAY_PUBLIC_URL": "https://hooks.example.com/",
    "HOSTAWAY_WEBHOOK_SIGNATURE_HEADER": "X-Signature",
    "HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS": "one,two",
    "HOSTAWAY_EVENTS_KEPT_DAYS": "7",
    "HOSTAWAY_FAILED_EVENTS_KEPT_DAYS": "90",
    "HOSTAWAY_TOMBSTONES_KEPT_DAYS": "60",
    "HOSTAWAY_REMOVED_ACCOUNTS_KEPT_DAYS": "400",
    "HOSTAWAY_RUNS_KEPT_DAYS": "3",
    "HOSTAWAY_VERSIONS_RETENTION": "730d",
    "HOSTAWAY_ALERT_URL": "https://chat.example/hooks",
    "HOSTAWAY_LOG_LEVEL": "DEBUG",
}


def test_values_are_read(load):
    settings = load(**EVERYTHING)
    read = dict(settings)
    names = ("database_url", "dagster_database_url", "encryption_keys", "api_keys", "webhook_signature_secrets")
    secrets = [read.pop(name).get_secret_value() for name in names]
    assert secrets == [
        "postgresql://u:p@h/db",
        "postgres://u:p@h/dagster",
        "k1:abc",
        "0123456789abcdef",
        "one,two",
    ]
    assert read == {
        "home": Path("/var/lib/hostaway"),
        "api_url": "http://localhost:8080/v1",
        "rate_limit_ip": RateLimit(15, 10),
        "rate_limit_account": RateLimit(20, 0.5),
        "egress": "office",
        "concurrency": 8,
        "clock_trust": 120.0,
        "send_patience": 90.0,
        "max_delete_share": 1.0,
        "reread_share": 0.25,
        "read_timeout": 2.5,
        "sync_calendar": True,
        "time_zone": ZoneInfo("Europe/Berlin"),
        "reconcile_window": Window(time(23, 30), timedelta(hours=4)),
        "refresh_every": timedelta(minutes=30),
        "listings_every": timedelta(hours=12),
        "calendar_every": timedelta(days=2),
        "refresh_share": 0.5,
        "trails_share": 0.1,
        "refresh_stale_after": timedelta(hours=1),
        "sweepers": 3,
        "public_url": "https://hooks.example.com",
        "webhook_signature_header": "X-Signature",
        "events_kept_days": 7,
        "failed_events_kept_days": 90,
        "tombstones_kept_days": 60,
        "removed_accounts_kept_days": 400,
        "runs_kept_days": 3,
        "versions_retention": timedelta(days=730),
        "alert_url": SecretStr("https://chat.example/hooks"),
        "log_level": "DEBUG",
    }


def test_another_process_can_be_given_the_same_settings(load):
    settings = load(**EVERYTHING)
    assert load(**as_environment(settings)) == settings
    assert EVERYTHING.keys() == {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields}


def test_what_is_at_its_default_is_not_handed_on(load):
    assert as_environment(load(HOSTAWAY_EGRESS="office")) == {"HOSTAWAY_EGRESS": "office"}


def test_a_signature_needs_header_and_secrets(load):
    """One without the other would look like a check and be none."""
    with pytest.raises(ConfigurationError, match="SIGNATURE_HEADER and HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS go together"):
        load(HOSTAWAY_WEBHOOK_SIGNATURE_HEADER="X-Signature")


def test_a_sandbox_on_this_machine_may_reach_us_by_http(load):
    assert load(HOSTAWAY_PUBLIC_URL="http://127.0.0.1:8080").public_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize("share", ["0", "1"])
def test_a_share_of_nothing_and_of_everything_are_shares(load, share):
    assert load(HOSTAWAY_MAX_DELETE_SHARE=share).max_delete_share == float(share)


def test_a_slash_at_the_end_of_the_api_url_does_not_double(load):
    assert load(HOSTAWAY_API_URL="https://api.hostaway.com/v1/").api_url == "https://api.hostaway.com/v1"


def test_a_file_named_env_is_read(load, tmp_path):
    (tmp_path / ".env").write_text("HOSTAWAY_EGRESS=office\n")
    assert load().egress == "office"


def test_the_environment_goes_before_the_file(load, tmp_path):
    (tmp_path / ".env").write_text("HOSTAWAY_EGRESS=office\n")
    assert load(HOSTAWAY_EGRESS="cellar").egress == "cellar"


def test_variables_of_others_do_no_harm(load, tmp_path):
    """One `.env` serves compose, the receiver and us."""
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=x\nHOSTAWAY_SOMETHING_NEW=1\n")
    load(HOSTAWAY_SOMETHING_NEWER="2")


# Secrets


@pytest.mark.parametrize("show", [repr, str, "{!r}".format, lambda settings: settings.model_dump_json()])
def test_secrets_do_not_show(load, show):
    settings = load(
        HOSTAWAY_DATABASE_URL="postgresql://hostaway:hunter2@db/x",
        HOSTAWAY_DAGSTER_DATABASE_URL="postgresql://hostaway:hunter2@db/dagster",
        HOSTAWAY_ENCRYPTION_KEYS="k1:hunter2",
        HOSTAWAY_API_KEYS="hunter2-hunter2-hunter2",
        HOSTAWAY_WEBHOOK_SIGNATURE_HEADER="X-Signature",
        HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS="hunter2",
    )
    assert "hunter2" not in show(settings)


def test_settings_do_not_change_once_read(load):
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.concurrency = 1


SECRETS = {
    "HOSTAWAY_DATABASE_URL": "postgresql://user:secret@host/db",
    "HOSTAWAY_DAGSTER_DATABASE_URL": "postgresql://user:secret@host/dagster",
    "HOSTAWAY_ENCRYPTION_KEYS": "one:c2VjcmV0",
    "HOSTAWAY_API_KEYS": "0123456789abcdef",
    "HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS": "secret",
    "HOSTAWAY_ALERT_URL": "https://chat.example/hooks/secret",
}


def test_every_secret_may_stand_in_a_file(load: Load, tmp_path: Path) -> None:
    assert {f"HOSTAWAY_{name.upper()}" for name in Settings.model_fields if is_secret(Settings, name)} == set(SECRETS)
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(value + "\n", encoding="utf-8")
    files = {f"{name}_FILE": str(tmp_path / name) for name in SECRETS}
    settings = load(HOSTAWAY_WEBHOOK_SIGNATURE_HEADER="X-Signature", HOSTAWAY_EGRESS="one", **files)
    assert as_environment(settings) == SECRETS | {
        "HOSTAWAY_WEBHOOK_SIGNATURE_HEADER": "X-Signature",
        "HOSTAWAY_EGRESS": "one",
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"short", "HOSTAWAY_API_KEYS: each key must"), (b" \n", "is empty"), (b"\xff", "is not valid UTF-8"),
     (b"x" * 70_000, "is too large"), (None, "cannot be read")],
)  # fmt: skip
def test_a_file_that_holds_no_secret_is_named(load: Load, tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load(HOSTAWAY_API_KEYS_FILE=str(path))
    assert "\n" not in str(caught.value)


def test_a_value_and_a_file_of_one_secret_are_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOSTAWAY_API_KEYS_FILE=keys\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="HOSTAWAY_API_KEYS and HOSTAWAY_API_KEYS_FILE are both set"):
        load(HOSTAWAY_API_KEYS="0123456789abcdef")


def test_a_file_of_what_is_no_secret_is_not_read(load: Load, tmp_path: Path) -> None:
    assert load(HOSTAWAY_LOG_LEVEL_FILE=str(tmp_path / "none")).log_level == "INFO"
