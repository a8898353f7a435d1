"""Source files of publishers that speak first: what is read, and every fault at once with line and fix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ingest.source import load_source
from ingest.transports.kafka import KafkaSourceOptions
from ingest.transports.mqtt import MqttOptions
from ingest.transports.webhook import Signature, WebhookOptions
from streams.errors import ConfigError
from tests.unit.ingest.test_source_files import BIND, HEAD

ENVIRON = {"SECRET": "0123456789abcdef", "SHORT": "abc"}


def load(tmp_path: Path, transport: str) -> object:
    """Load a file with this transport."""
    path = tmp_path / "s.yaml"
    lines = [line for line in HEAD.splitlines() if not line.startswith("http_poll")]
    path.write_text("\n".join([*lines, *BIND.splitlines(), transport]) + "\n", "utf-8")
    return load_source(path, environ=ENVIRON).transport


def faults(tmp_path: Path, transport: str) -> str:
    """Load a file that must be refused, and return the whole message."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, transport)
    return str(caught.value)


def test_brokers_are_read(tmp_path: Path) -> None:
    """Address, topics, login and the words with their defaults; TLS by the scheme, with files that must be there."""
    pem = tmp_path / "ca.pem"
    pem.write_text("x")
    assert load(tmp_path, "mqtt: { url: mqtt://b.example.org, topics: a/+/b }") == MqttOptions(
        host="b.example.org", port=1883, topics=("a/+/b",)
    )
    text = f"mqtt: {{ url: 'mqtts://b.example.org', topics: [$share/g/a/#, c], user: u, password: '${{SECRET}}', ca: {pem}, "
    text += "version: 3.1.1, qos: 0, session: 2h, silence: 5m, every: 1h, client_id: me, media_type: text/csv }"
    assert load(tmp_path, text) == MqttOptions(
        host="b.example.org",
        port=8883,
        topics=("$share/g/a/#", "c"),
        tls=True,
        version="3.1.1",
        user="u",
        password=ENVIRON["SECRET"],
        ca=pem,
        client_id="me",
        qos=0,
        session=timedelta(hours=2),
        silence=timedelta(minutes=5),
        every=timedelta(hours=1),
        media_type="text/csv",
    )


def test_webhooks_and_topics_are_read(tmp_path: Path) -> None:
    """Token and signature from the environment; a cluster with its login; nothing secret shows where options are printed."""
    text = "webhook: { bearer: '${SECRET}', signature: { secret: '${SECRET}', header: X-Sig, prefix: '', encoding: base64 }, "
    found = load(tmp_path, text + "headers: [Fiware-ServicePath], max_bytes: 10 }")
    signature = Signature(secret=ENVIRON["SECRET"].encode(), header="x-sig", prefix="", encoding="base64")
    wanted = WebhookOptions(
        bearer=ENVIRON["SECRET"], signature=signature, headers=("fiware-servicepath",), max_bytes=10
    )
    assert found == wanted
    text = (
        "kafka: { servers: [a:9092, b:9092], topic: t.1, start: end, user: u, password: '${SECRET}', mechanism: PLAIN }"
    )
    kafka = load(tmp_path, text)
    assert kafka == KafkaSourceOptions(
        servers="a:9092,b:9092", topic="t.1", start="end", user="u", password=ENVIRON["SECRET"], mechanism="PLAIN"
    )
    assert ENVIRON["SECRET"] not in f"{found!r}{kafka!r}"


@pytest.mark.parametrize(
    ("transport", "said"),
    [
        ("mqtt: { url: 'http://b', topics: a }", "is no broker"),
        ("mqtt: { url: 'mqtt://b:x', topics: a }", "is no broker"),
        ("mqtt: { url: 'mqtt://b/path', topics: a }", "is no broker"),
        ("mqtt: { url: 'mqtt://u:p@b', topics: a }", "the address holds a login"),
        ("mqtt: { url: 'mqtt://b' }", "topics is missing"),
        ("mqtt: { url: 'mqtt://b', topics: ['a/#/b'] }", "# stands alone, and last"),
        ("mqtt: { url: 'mqtt://b', topics: ['a/b+'] }", "+ stands alone"),
        ("mqtt: { url: 'mqtt://b', topics: ['$share/g'] }", "$share/<group>/<filter>"),
        ("mqtt: { url: 'mqtt://b', topics: [''] }", "empty or too long"),
        ("mqtt: { url: 'mqtt://b', topics: a, version: 4 }", "version '4' is unknown"),
        ("mqtt: { url: 'mqtt://b', topics: a, qos: 2 }", "write qos: 1"),
        ("mqtt: { url: 'mqtt://b', topics: a, user: u, password: hush }", "password holds a secret"),
        ("mqtt: { url: 'mqtt://b', topics: a, password: '${SECRET}' }", "a password without a user"),
        ("mqtt: { url: 'mqtts://b', topics: a, ca: /nowhere.pem }", "there is no file /nowhere.pem"),
        ("mqtt: { url: 'mqtt://b', topics: a, ca: /nowhere.pem }", "ca without TLS"),
        ("mqtt: { url: 'mqtts://b', topics: a, key: /nowhere.pem }", "certificate and key belong together"),
        ("mqtt: { url: 'mqtt://b', topics: a, keep_alive: 1s }", "write between 2s and 1h"),
        ("mqtt: { url: 'mqtt://b', topic: a }", "did you mean 'topics'?"),
        ("webhook: {}", "anybody could post"),
        ("webhook: { bearer: abc }", "bearer token holds a secret"),
        ("webhook: { bearer: '${SHORT}' }", "the bearer token is too short"),
        ("webhook: { bearer: '${ABSENT}' }", "ABSENT is not set"),
        ("webhook: { signature: { header: X } }", "signature has no secret"),
        ("webhook: { signature: { secret: '${SECRET}', encoding: b64 } }", "did you mean 'base64'?"),
        ("webhook: { bearer: '${SECRET}', headers: [Authorization] }", "authorization is a secret"),
        ("webhook: { bearer: '${SECRET}', headers: ['a b'] }", "is no name of a header"),
        ("kafka: { servers: 'kafka://a:9092', topic: t }", "without kafka://"),
        ("kafka: { topic: t }", "servers is missing"),
        ("kafka: { servers: 'a:9092', topic: 'a#' }", "'a#' is no topic"),
        ("kafka: { servers: 'a:9092', topic: t, user: u }", "user and password belong together"),
        ("kafka: { servers: 'a:9092', topic: t, start: latest }", "start 'latest' is unknown"),
        ("kafka: { servers: 'a:9092', topic: t, tls: maybe }", "write tls: true or false"),
        ("kafka: { servers: 'a:9092', topic: t, ca: /nowhere.pem }", "ca without TLS"),
        ("files: { folder: /x, pattern: '*' }\nexpect: { every: soon }", "is no duration"),
        ("files: { folder: /x, pattern: '*' }\nexpect: {}", "expect has no `every`"),
    ],
)
def test_faults_are_explained(tmp_path: Path, transport: str, said: str) -> None:
    """Each fault names its line and how to mend it."""
    found = faults(tmp_path, transport)
    assert said in found
    assert "s.yaml:" in found
    assert "fix:" in found
