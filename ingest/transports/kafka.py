"""`kafka:` in a source file: which topic of somebody's Kafka, from where on, and who we are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ingest.schema_parts import DURATION, TEXT, object_of, one_or_more, told
from ingest.transports.login import PASSWORD, USER, login_of, pem_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, suggest, text_of

MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
STARTS = ("beginning", "end")
_SERVER = re.compile(r"[A-Za-z0-9._-]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SCHEMA = object_of(
    {
        "servers": told(one_or_more(TEXT), "Some brokers of the cluster: host:9092, one or a list."),
        "topic": told(TEXT, "The topic; all of its partitions are read."),
        "start": told({"enum": list(STARTS)}, "Where the first run begins: at the beginning (default) or at the end."),
        "user": USER,
        "password": PASSWORD,
        "mechanism": told({"enum": list(MECHANISMS)}, "How the password is proven (SCRAM-SHA-512)."),
        "tls": told({"type": "boolean"}, "Whether to encrypt and to check the brokers' certificates (false)."),
        "ca": told(TEXT, "With tls: the authorities (PEM file) that signed them; those of the system without it."),
        "every": told(DURATION, "How often something is to be expected at least (15m); later, the source is stale."),
        "media_type": told(TEXT, "What the values are (application/json)."),
    },
    required=("servers", "topic"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSourceOptions:
    """Read a `topic` of the cluster at `servers` (`host:port[,host:port]`), from the `start` where nothing was read."""

    servers: str
    topic: str
    start: str = "beginning"
    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: str = "SCRAM-SHA-512"
    tls: bool = False
    ca: Path | None = None
    every: timedelta = timedelta(minutes=15)
    media_type: str | None = None


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> KafkaSourceOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="kafka")
    user, password = login_of(node, faults, environ)
    if user and not password:
        faults.add(node.line, "user and password belong together", "give both, or neither")
    tls = node.get("tls")
    if tls is not None and not isinstance(tls.value, bool):
        faults.add(tls.line, f"tls is {tls.described}", "write tls: true or false")
    topic = text_of(node.get("topic"), faults, where="topic", line=node.line, required=True)
    if topic and not _TOPIC.fullmatch(topic):
        faults.add((node.get("topic") or node).line, f"{topic!r} is no topic", "name one, without * or #")
    return KafkaSourceOptions(
        servers=_servers(node, faults),
        topic=topic,
        start=_word(node.get("start"), "start", STARTS, faults),
        user=user,
        password=password,
        mechanism=_word(node.get("mechanism"), "mechanism", MECHANISMS, faults),
        tls=tls is not None and tls.value is True,
        ca=pem_of(node, "ca", faults, tls=tls is not None and tls.value is True),
        every=duration_of(node.get("every"), faults, timedelta(minutes=15)),
        media_type=text_of(node.get("media_type"), faults, where="media_type", line=node.line) or None,
    )


def _servers(node: Node, faults: Faults) -> str:
    servers = node.get("servers")
    if servers is None:
        faults.add(node.line, "servers is missing", "add servers: broker.example.org:9092")
        return ""
    for each in servers.elements():
        if not _SERVER.fullmatch(each.text):
            faults.add(each.line, f"{each.described} is no broker", "write host:9092, without kafka:// before it")
    return ",".join(each.text for each in servers.elements())


def _word(node: Node | None, key: str, words: tuple[str, ...], faults: Faults) -> str:
    if node is not None and node.text not in words:
        faults.add(node.line, f"{key} {node.described} is unknown", suggest(node.text, words))
        return words[0]
    return words[0] if node is None else node.text


KAFKA = Transport(
    name="kafka",
    meaning="A transport: read a topic of somebody's Apache Kafka. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
