"""How a Kafka cluster is reached, and what its topics must be like: values and pure checks, no client."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from streams.errors import Problem

# One append becomes one record batch, stored whole or not at all, while its records stay under this many bytes before
# compression. Larger ones would make `last` slow: to give one entry the broker sends its whole batch.
MAX_BATCH_BYTES = 2 * 2**20
# The largest batch a topic takes, so the largest record after compression (MIV is 7 MB of XML, deflated below 1 MB).
MAX_MESSAGE_BYTES = 32 * 2**20
# Pieces of a topic's file: what retention has passed leaves the disk piece by piece. At least one batch long.
_SEGMENT_BYTES = 64 * 2**20
_SEGMENT_AGE = timedelta(hours=1)

# Brokers hang up without a word on who talks another protocol, and say themselves where they are reached from then on.
LOOK = (
    "see whether Kafka runs, SF_LOG names its brokers, SF_KAFKA_USER and SF_KAFKA_TLS are what they expect there, and "
    "their advertised.listeners can be reached from here"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """The cluster: `servers` is `host:port[,host:port]`; the rest has defaults for a cluster of three without secrets.

    With `user` the client logs in by SASL (`mechanism`: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN); `tls` encrypts and
    checks the server's certificate against `authorities` (a PEM file; None: those of the system). `replication` is
    the number of copies of new topics, of which all but one must have an append before it counts. `prefix` goes
    before every topic and group, for several platforms on one cluster. `patience` bounds every call.
    """

    servers: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = "SCRAM-SHA-512"
    tls: bool = False
    authorities: Path | None = None
    replication: int = 3
    prefix: str = ""
    compression: str | None = "zstd"
    patience: timedelta = timedelta(seconds=60)

    @property
    def in_sync(self) -> int:
        """How many copies must have an append before it counts: with three, any one may be lost."""
        return max(1, self.replication - 1)

    def client(self) -> dict[str, Any]:
        """Return the arguments that every aiokafka client takes."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.servers.split(","),
            "client_id": "smartflanders",
            "request_timeout_ms": round(min(self.patience.total_seconds(), 15) * 1000),
            "security_protocol": ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT"),
        }
        if self.tls:
            arguments["ssl_context"] = ssl.create_default_context(cafile=self.authorities)
        if self.user:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password or "",
            }
        return arguments


def wanted(options: KafkaOptions) -> dict[str, str]:
    """Return the settings that a new topic gets.

    Kafka's own time retention stays off: it would drop the newest entry of a quiet topic too, and with it a
    publisher's bookmark or a checkpoint. The platform drops what is older itself (`KafkaLog.expire`).
    """
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(options.in_sync),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "segment.bytes": str(_SEGMENT_BYTES),
        "segment.ms": str(_SEGMENT_AGE // timedelta(milliseconds=1)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as the cluster describes it: the number of copies of each partition, and its settings."""

    name: str
    copies: Sequence[int]
    settings: Mapping[str, str]


def faults(topic: Topic, options: KafkaOptions, *, kept: timedelta | None) -> list[Problem]:
    """List everything about a topic that would break a promise of the log; `kept` is how long its entries are kept."""
    found = [_fault(topic, name, to=to, why=why) for name, to, why in _wrong(topic, options, kept=kept)]
    if len(topic.copies) != 1:
        what = f"has {len(topic.copies)} partitions; one orders the entries, more would not"
        found.insert(0, Problem(where=topic.name, what=what, fix=f"{_DELETE} --topic {topic.name}; {_ANEW}"))
    elif topic.copies[0] < options.replication:
        what = f"has {topic.copies[0]} copies, {options.replication} are asked for"
        fix = (
            f"add copies with kafka-reassign-partitions.sh, or set SF_KAFKA_REPLICATION={topic.copies[0]} "
            "if so many are enough"
        )
        found.insert(0, Problem(where=topic.name, what=what, fix=fix))
    return found


_DELETE = "kafka-topics.sh --bootstrap-server HOST:PORT --delete"
_ANEW = "the platform makes it anew. Its entries are lost: publish them again from the raw topic"


def _wrong(topic: Topic, options: KafkaOptions, *, kept: timedelta | None) -> list[tuple[str, str, str]]:
    """Return name, right value and reason of each wrong setting."""
    wrong = []
    for name, why in (
        ("cleanup.policy", "anything but delete takes entries out of the middle"),
        ("message.timestamp.type", "the publication time is the broker's, not a producer's"),
        ("unclean.leader.election.enable", "a broker that was behind would become the leader and lose entries"),
    ):
        right = wanted(options)[name]
        if topic.settings.get(name) != right:
            wrong.append((name, right, why))
    if _number(topic, "min.insync.replicas") < options.in_sync:
        wrong.append(("min.insync.replicas", str(options.in_sync), "a broker's death would lose entries"))
    if _number(topic, "max.message.bytes") < MAX_MESSAGE_BYTES:
        wrong.append(("max.message.bytes", str(MAX_MESSAGE_BYTES), "large payloads would be refused"))
    # A broker may keep longer than the platform does, never shorter.
    least = (kept or timedelta.max) // timedelta(milliseconds=1)
    if 0 <= _number(topic, "retention.ms") < least:
        wrong.append(("retention.ms", "-1", "the broker would drop what the platform still needs"))
    if _number(topic, "retention.bytes") >= 0:
        wrong.append(("retention.bytes", "-1", "a busy hour would drop entries that nobody has read"))
    return wrong


def _number(topic: Topic, name: str) -> int:
    return int(topic.settings.get(name, "0"))


def _fault(topic: Topic, name: str, *, to: str, why: str) -> Problem:
    return Problem(
        where=topic.name,
        what=f"{name} is {topic.settings.get(name, 'not set')}, must be {to}: {why}",
        fix=(
            "kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
            f"--entity-name {topic.name} --add-config {name}={to}"
        ),
    )
