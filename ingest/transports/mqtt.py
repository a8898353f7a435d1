"""`mqtt:` in a source file: which broker, which topics, and how long it keeps what we have not taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from ingest.schema_parts import DURATION, TEXT, object_of, one_or_more, told
from ingest.transports.login import PASSWORD, USER, login_of, pem_of
from ingest.transports.options import LARGEST, limits_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, suggest, text_of

VERSIONS = ("5", "3.1.1")
_PORTS = {"mqtt": 1883, "mqtts": 8883}
# 4.7.3: a topic filter is a UTF-8 string, whose length has two bytes.
_LONGEST_ID = 65_535
# The shortest, the one without a word, and the longest.
_KEEP_ALIVE = (timedelta(seconds=2), timedelta(seconds=60), timedelta(hours=1))
_SCHEMA = object_of(
    {
        "url": told({"type": "string", "pattern": "^mqtts?://"}, "The broker: mqtt://host:1883, or mqtts:// for TLS."),
        "topics": told(
            one_or_more(TEXT), "Topic filters, with + and #; `$share/group/filter` shares them with other clients."
        ),
        "version": told({"enum": [5, "5", "3.1.1"]}, "The version of MQTT: 5 (default) or 3.1.1."),
        "user": USER,
        "password": PASSWORD,
        "ca": told(TEXT, "With mqtts: the authorities (PEM file) that signed the broker's certificate."),
        "certificate": told(TEXT, "With mqtts: our own certificate (PEM file), where the broker asks for one."),
        "key": told(TEXT, "The key of `certificate` (PEM file)."),
        "client_id": told(TEXT, "Our name at the broker, one of its kind there (smartflanders-<source>)."),
        "qos": told({"enum": [0, 1]}, "1 (default): nothing is lost while we are away; 0: what comes meanwhile is."),
        "session": told(DURATION, "How long a broker of version 5 keeps what we have not taken (1d)."),
        "keep_alive": told(
            DURATION, "How often we show that we live; a broker silent for 1.5 of it is given up (60s)."
        ),
        "silence": told(
            DURATION, "Connect anew when a topic filter has brought nothing for so long; never without it."
        ),
        "every": told(DURATION, "How often something is to be expected at least (15m); later, the source is stale."),
        "max_bytes": LARGEST,
        "media_type": told(TEXT, "What the messages are, where they do not say (application/json)."),
    },
    required=("url", "topics"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """Take what is published on `topics` at a broker; with `tls` checked against `ca`, as `certificate` where given.

    `silence` zero: never connect anew by itself. `client_id` empty: made of the source's name.
    """

    host: str
    port: int
    topics: tuple[str, ...]
    tls: bool = False
    version: str = "5"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_id: str = ""
    qos: int = 1
    session: timedelta = timedelta(days=1)
    keep_alive: timedelta = timedelta(seconds=60)
    silence: timedelta = timedelta(0)
    every: timedelta = timedelta(minutes=15)
    max_bytes: int = 64 * 1024 * 1024
    media_type: str | None = None


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> MqttOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="mqtt")
    host, port, tls = _place(node, faults)
    max_bytes, media_type = limits_of(node, faults)
    user, password = login_of(node, faults, environ)
    certificate, key = (pem_of(node, name, faults, tls=tls) for name in ("certificate", "key"))
    if (certificate is None) != (key is None):
        faults.add(node.line, "certificate and key belong together", "give both, or neither")
    return MqttOptions(
        host=host,
        port=port,
        tls=tls,
        topics=_topics(node, faults),
        version=_version(node.get("version"), faults),
        user=user,
        password=password,
        ca=pem_of(node, "ca", faults, tls=tls),
        certificate=certificate,
        key=key,
        client_id=text_of(node.get("client_id"), faults, where="client_id", line=node.line),
        qos=_qos(node.get("qos"), faults),
        session=duration_of(node.get("session"), faults, timedelta(days=1)),
        keep_alive=_keep_alive(node.get("keep_alive"), faults),
        silence=duration_of(node.get("silence"), faults, timedelta(0)),
        every=duration_of(node.get("every"), faults, timedelta(minutes=15)),
        max_bytes=max_bytes,
        media_type=media_type,
    )


def _place(node: Node, faults: Faults) -> tuple[str, int, bool]:
    url = text_of(node.get("url"), faults, where="url", line=node.line, required=True)
    line = (node.get("url") or node).line
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if url and (not port or not parts.hostname or parts.path.strip("/") or parts.query):
        faults.add(line, f"{url!r} is no broker", "write url: mqtt://broker.example.org:1883, or mqtts:// for TLS")
    if parts.username or parts.password:
        faults.add(line, "the address holds a login", "write user: and password: below it, as ${MY_PASSWORD}")
    return parts.hostname or "", port, parts.scheme == "mqtts"


def _topics(node: Node, faults: Faults) -> tuple[str, ...]:
    topics = node.get("topics")
    if topics is None:
        faults.add(node.line, "topics is missing", "add topics: [city/+/parking]")
        return ()
    found = tuple(each.text for each in topics.elements())
    for each, text in zip(topics.elements(), found, strict=True):
        if fault := _filter_fault(text):
            faults.add(each.line, f"{text!r} is no topic filter: {fault}", "write for example city/+/parking/#")
    return found


def _filter_fault(text: str) -> str:
    """Say what is wrong with a topic filter (MQTT 5, 4.7.1 and 4.8.2); empty when nothing is."""
    levels = text.split("/")
    if not text or len(text.encode()) > _LONGEST_ID:
        return "it is empty or too long"
    if text.startswith("$share/") and (len(levels) < 3 or not levels[1] or {"+", "#"} & set(levels[1])):
        return "a shared one is $share/<group>/<filter>"
    if any("#" in level and (level != "#" or place != len(levels) - 1) for place, level in enumerate(levels)):
        return "# stands alone, and last"
    if any("+" in level and level != "+" for level in levels):
        return "+ stands alone between slashes"
    return ""


def _version(node: Node | None, faults: Faults) -> str:
    if node is not None and node.text not in VERSIONS:
        faults.add(node.line, f"version {node.described} is unknown", suggest(node.text, VERSIONS))
        return "5"
    return "5" if node is None else node.text


def _keep_alive(node: Node | None, faults: Faults) -> timedelta:
    found = duration_of(node, faults, _KEEP_ALIVE[1])
    if node is not None and not _KEEP_ALIVE[0] <= found <= _KEEP_ALIVE[2]:
        faults.add(node.line, f"keep_alive {node.described} is too short or too long", "write between 2s and 1h")
        return _KEEP_ALIVE[1]
    return found


def _qos(node: Node | None, faults: Faults) -> int:
    if node is not None and node.text not in ("0", "1"):
        faults.add(
            node.line, f"qos {node.described} is unknown", "write qos: 1; what is sent with 2 comes once then, too"
        )
        return 1
    return 1 if node is None else int(node.text)


MQTT = Transport(
    name="mqtt",
    meaning="A transport: take what is published at an MQTT broker. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
