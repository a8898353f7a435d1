"""Settings: defaults, every fault at once, durations, hidden passwords."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigError
from streams.settings import SETTINGS, Settings, format_duration, hide_password, load_settings, parse_duration


def test_defaults_need_no_environment() -> None:
    """An empty environment gives a platform on this machine; what is not ours is left alone, empty counts as unset."""
    settings = load_settings({"PATH": "/bin", "SF_PORT": ""})
    assert (settings.database_url, settings.data, settings.port) == (None, Path(".data"), 8080)
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.raw_retention == timedelta(days=7)


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "http://localhost:81"), ("::1", "http://[::1]:81"), ("data.gent.test", "http://data.gent.test:81")],
)
def test_the_public_address_follows_host_and_port(host: str, address: str) -> None:
    """Unless it is set, the public address is one that a client on this machine can use."""
    assert load_settings({"SF_HOST": host, "SF_PORT": "81"}).base_url == address


def test_all_faults_are_reported_at_once_with_a_fix() -> None:
    """Every wrong value and unknown name is a problem of its own, and no password is shown."""
    environ = {
        "SF_DATABASE_URL": "mysql://user:hush@db/x",
        "SF_LOG": "kafka://user:hush@broker",
        "SF_KAFKA_MECHANISM": "GSSAPI",
        "SF_KAFKA_TLS": "yes",
        "SF_KAFKA_CA": "/nowhere/ca.pem",
        "SF_KAFKA_REPLICATION": "all",
        "SF_KAFKA_PREFIX": "gent/",
        "SF_PORT": "70000",
        "SF_BASE_URL": "https://data.example.org/",
        "SF_RAW_RETENTION": "a week",
        "SF_LOG_LEVEL": "loud",
        "SF_LOGLEVEL": "info",
    }
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    assert {problem.where for problem in caught.value.problems} == set(environ)
    assert all(problem.fix for problem in caught.value.problems)
    assert "did you mean SF_LOG_LEVEL?" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("brokers", ["broker:9092", "one:9092,two.example.org:9093", "[::1]:9092"])
def test_a_log_on_kafka_names_its_brokers(brokers: str) -> None:
    """One or more brokers, each with its port; by default nobody logs in and three of them keep each entry."""
    settings = load_settings({"SF_LOG": f"kafka://{brokers}"})
    assert settings.log == f"kafka://{brokers}"
    assert (settings.kafka_user, settings.kafka_replication, settings.kafka_prefix) == (None, 3, None)


@pytest.mark.parametrize("wrong", ["kafka", "kafka://", "kafka://broker", "kafka://a:1,", "kafka://a:x", "broker:9092"])
def test_a_log_is_postgres_or_brokers(wrong: str) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(ConfigError, match="kafka://host:9092"):
        load_settings({"SF_LOG": wrong})


def test_a_kafka_user_needs_a_password() -> None:
    """A name alone logs nobody in, and the password is not shown."""
    with pytest.raises(ConfigError, match="SF_KAFKA_PASSWORD: is missing"):
        load_settings({"SF_KAFKA_USER": "gent"})
    assert "hush" not in repr(load_settings({"SF_KAFKA_USER": "gent", "SF_KAFKA_PASSWORD": "hush"}))


@pytest.mark.parametrize("wrong", ["ftp://x", "https://", "data.example.org", "https://x?y", "https://x#y"])
def test_a_public_address_must_be_one(wrong: str) -> None:
    """What no client could ask for is refused."""
    with pytest.raises(ConfigError, match="SF_BASE_URL"):
        load_settings({"SF_BASE_URL": wrong})


def test_the_table_describes_every_setting() -> None:
    """Table and object agree, and every setting has a description."""
    assert [setting.field for setting in SETTINGS] == [field.name for field in fields(Settings)]
    assert all(setting.doc.endswith(".") and setting.kind for setting in SETTINGS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60s", timedelta(minutes=1)),
        ("15m", timedelta(minutes=15)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta()),
    ],
)
def test_durations_are_read(text: str, value: timedelta) -> None:
    """Days, hours, minutes and seconds, alone or together."""
    assert parse_duration(text) == value


@pytest.mark.parametrize("wrong", ["", "60", "s", "1m1h", "-1s", "1.5h", "1w", "9999999999999d", "60 s"])
def test_what_is_no_duration_is_refused(wrong: str) -> None:
    """Anything else is refused rather than guessed."""
    with pytest.raises(ValueError, match=r"is no duration|longer"):
        parse_duration(wrong)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=10_000)))
def test_durations_survive_writing(value: timedelta) -> None:
    """Reading what was written gives the duration back, to the second."""
    whole = timedelta(seconds=int(value.total_seconds()))
    assert parse_duration(format_duration(whole)) == whole


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@ss@db:5432/x", "postgresql://u:***@db:5432/x"),
        ("postgresql://u@db/x", "postgresql://u@db/x"),
        ("postgresql://db/x?user=u&password=p&a=b", "postgresql://db/x?user=u&password=***&a=b"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    """An address is shown without its password, wherever that stands."""
    assert hide_password(url) == shown
    assert load_settings({"SF_DATABASE_URL": url}).shown_database_url == shown
