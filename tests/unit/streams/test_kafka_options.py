"""Kafka's options and the check of its topics: pure, without a broker."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.kafka_options import KafkaOptions, Topic, faults, wanted

OPTIONS = KafkaOptions(servers="one:9092,two:9092")
DAY = timedelta(days=1)


def topic(*copies: int, **settings: str) -> Topic:
    """Describe a topic as we would make it, but for these settings."""
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return Topic(name="members.garages", copies=copies or (3,), settings=wanted(OPTIONS) | named)


def test_a_topic_we_made_has_no_fault() -> None:
    """What we ask for is what we accept, whether or not it is known how long entries are kept."""
    assert faults(topic(), OPTIONS, kept=DAY) == []
    assert faults(topic(), OPTIONS, kept=None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup_policy", "compact,delete"),
        ("message_timestamp_type", "CreateTime"),
        ("unclean_leader_election_enable", "true"),
        ("min_insync_replicas", "1"),
        ("max_message_bytes", "1048588"),
        ("retention_ms", "3600000"),
        ("retention_bytes", "1000"),
    ],
)
def test_each_wrong_setting_is_a_fault_with_its_command(name: str, value: str) -> None:
    """A setting that breaks a promise is named with its value, the right one, the reason and the command."""
    (fault,) = faults(topic(**{name: value}), OPTIONS, kept=DAY)
    setting = name.replace("_", ".")
    assert fault.what.startswith(f"{setting} is {value}, must be {wanted(OPTIONS)[setting]}: ")
    assert fault.fix.endswith(f"--entity-name members.garages --add-config {setting}={wanted(OPTIONS)[setting]}")


def test_more_than_we_ask_for_is_accepted() -> None:
    """More copies, larger messages and a longer retention harm nobody."""
    settings = {"min_insync_replicas": "3", "max_message_bytes": str(2**30), "retention_ms": str(8 * 86_400_000)}
    assert faults(topic(5, **settings), OPTIONS, kept=DAY) == []


def test_partitions_and_copies_are_counted() -> None:
    """One partition with enough copies, nothing else; all faults are told at once."""
    assert "has 2 partitions" in faults(topic(3, 3), OPTIONS, kept=DAY)[0].what
    few, short = faults(topic(1, retention_ms="1"), OPTIONS, kept=DAY)
    assert few.what == "has 1 copies, 3 are asked for"
    assert short.what.startswith("retention.ms is 1")


@pytest.mark.parametrize(("replication", "in_sync"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_all_copies_but_one_must_have_an_append(replication: int, in_sync: int) -> None:
    """Any one broker may be lost, and a single one needs only itself."""
    options = KafkaOptions(servers="one:9092", replication=replication)
    assert wanted(options)["min.insync.replicas"] == str(in_sync)


@pytest.mark.parametrize(
    ("user", "tls", "protocol"),
    [
        (None, False, "PLAINTEXT"),
        (None, True, "SSL"),
        ("gent", False, "SASL_PLAINTEXT"),
        ("gent", True, "SASL_SSL"),
    ],
)
def test_security_follows_user_and_tls(user: str | None, tls: bool, protocol: str) -> None:
    """A user logs in, TLS encrypts and checks the server, each without the other."""
    arguments = KafkaOptions(servers="one:9092,two:9092", user=user, password="hush", tls=tls).client()
    assert arguments["security_protocol"] == protocol
    assert ("ssl_context" in arguments) == tls
    assert arguments.get("sasl_plain_username") == user
    assert arguments["bootstrap_servers"] == ["one:9092", "two:9092"]


def test_the_password_is_not_shown() -> None:
    """Options may be logged."""
    assert "hush" not in repr(KafkaOptions(servers="one:9092", user="gent", password="hush"))
