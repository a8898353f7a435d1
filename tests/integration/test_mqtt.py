"""The MQTT connector against Eclipse Mosquitto: nothing lost over ends of either side, refusals by name, TLS both ways."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingest.collect import collect
from ingest.connector import Connector
from ingest.connectors import open_connector
from ingest.transports.mqtt import MqttOptions
from ingest.trouble import Told
from streams.errors import SourceError, Trouble
from streams.metrics import SOURCE_ERRORS
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic, trouble_topic
from streams.supervise import Backoff, supervise
from tests.support.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Run a broker that lets everybody in."""
    with Mosquitto(tmp_path / "broker") as running:
        yield running


def options(broker: Mosquitto, **changes: Any) -> MqttOptions:
    """Subscribe to everything of a city."""
    return MqttOptions(**{"host": "127.0.0.1", "port": broker.port, "topics": ("city/#",), **changes})


async def taken(options: MqttOptions, *, at_least: int, cursor: bytes = b"") -> list[Payload]:
    """Poll, each time with the newest cursor, until so many payloads came."""
    found: list[Payload] = []
    async with asyncio.timeout(60), open_connector("demo", options) as connector:
        while len(found) < at_least:
            poll = await connector.poll(found[-1].cursor if found else cursor)
            found += poll.payloads
        # Tell that the last ones are safe, too.
        await connector.poll(found[-1].cursor if found else cursor)
    return found


async def until_it_fails(connector: Connector) -> None:
    """Poll for as long as that works."""
    async with asyncio.timeout(60):
        while True:
            await connector.poll(b"")


async def opened(options: MqttOptions) -> None:
    """Make the session that the broker keeps from now on."""
    async with open_connector("demo", options) as connector:
        await connector.poll(b"")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_broker_keeps_what_comes_while_we_are_away(broker: Mosquitto, version: str) -> None:
    """Messages published between two runs come with the second, in order, each once."""
    wish = options(broker, version=version)
    await opened(wish)
    bodies = [b'{"n": %d}' % number for number in range(500)]
    await asyncio.to_thread(broker.publish, "city/gent/p1", *bodies)
    found = await taken(wish, at_least=500)
    assert [each.body for each in found] == bodies
    assert {each.message["topic"] for each in found} == {"city/gent/p1"}
    await asyncio.to_thread(broker.publish, "city/gent/p2", b"last")
    # Acknowledgements that the broker has not read before we left make it send again what the cursor knows.
    assert [each.body for each in await taken(wish, at_least=1, cursor=found[-1].cursor)] == [b"last"]


async def test_what_is_not_said_to_be_safe_comes_again(broker: Mosquitto) -> None:
    """A run that ends before its payloads are safe leaves them to the next; what the cursor says is safe does not come."""
    wish = options(broker)
    await opened(wish)
    await asyncio.to_thread(broker.publish, "city/a", *[b"%d" % number for number in range(20)])
    async with open_connector("demo", wish) as connector:
        lost = [each for _ in range(3) for each in (await connector.poll(b"")).payloads]
    assert {each.body for each in lost} == {b"%d" % number for number in range(20)}
    again = await taken(wish, at_least=8, cursor=lost[11].cursor)
    assert [each.body for each in again] == [b"%d" % number for number in range(12, 20)]


async def test_properties_of_version_5_come_along(broker: Mosquitto) -> None:
    """Content type and properties of users are with the message; the content type decides how the body is read."""
    wish = options(broker)
    await opened(wish)
    said = ("-V", "5", "-D", "publish", "content-type", "text/csv", "-D", "publish", "user-property", "site", "Gent")
    await asyncio.to_thread(partial(broker.publish, "city/csv", b"1;2", options=said))
    (found,) = await taken(wish, at_least=1)
    assert found.media_type == "text/csv"
    assert found.message == {"topic": "city/csv", "content_type": "text/csv", "user": {"site": "Gent"}}
    assert Payload.from_record(found.to_record()).message == found.message


async def test_two_members_of_a_group_share_the_messages(broker: Mosquitto) -> None:
    """A shared subscription gives each message to one of two clients, and to the other when the first is gone."""
    wishes = [options(broker, topics=("$share/platform/city/#",), client_id=f"member-{number}") for number in range(2)]
    async with open_connector("demo", wishes[0]) as first:
        await first.poll(b"")
        async with open_connector("demo", wishes[1]) as second:
            await second.poll(b"")
            await asyncio.to_thread(broker.publish, "city/s", *[b"%d" % number for number in range(40)])
            shares: list[set[bytes]] = [set(), set()]
            async with asyncio.timeout(60):
                while len(shares[0] | shares[1]) < 40:
                    for connector, share in zip((first, second), shares, strict=True):
                        share.update(each.body for each in (await connector.poll(b"")).payloads)
    assert shares[0]
    assert shares[1]
    assert not shares[0] & shares[1]


async def test_a_silent_topic_connects_anew(broker: Mosquitto) -> None:
    """Where one of two filters brings nothing for too long, the poll fails by that name, and the next one works."""
    wish = options(broker, topics=("city/quiet", "city/loud"), silence=timedelta(milliseconds=700))
    async with open_connector("demo", wish) as connector:
        with pytest.raises(SourceError, match="nothing came on city/quiet") as caught:
            await until_it_fails(connector)
        assert caught.value.kind is Trouble.SILENT
        assert caught.value.retriable
        await connector.poll(b"")


async def test_a_broker_that_hangs_is_given_up(broker: Mosquitto) -> None:
    """A connection that stands and answers nothing, not even pings, fails by that name; a quiet one is kept by its pings."""
    async with open_connector("demo", options(broker, keep_alive=timedelta(seconds=2))) as connector:
        await connector.poll(b"")
        quiet = asyncio.get_running_loop().time() + 4
        while asyncio.get_running_loop().time() < quiet:
            await connector.poll(b"")
        broker.pause()
        with pytest.raises(SourceError, match="to pings neither") as caught:
            await until_it_fails(connector)
        assert caught.value.kind is Trouble.UNREACHABLE


async def test_a_message_that_is_too_long_is_kept_by_its_beginning(broker: Mosquitto) -> None:
    """It says how long it was, is acknowledged like any other, and the next one comes whole."""
    wish = options(broker, max_bytes=1000)
    await opened(wish)
    for body in (b"x" * 300_000, b"whole"):
        await asyncio.to_thread(broker.publish, "city/big", body)
    first, second = await taken(wish, at_least=2)
    assert (first.message["size"], len(first.body)) == (300_000, 500)
    assert (second.message, second.body) == ({"topic": "city/big"}, b"whole")


async def test_who_does_not_answer_is_named(broker: Mosquitto, tmp_path: Path) -> None:
    """Nobody there, a wrong password, another protocol and a second client of our name: each has a kind and a fix."""
    (tmp_path / "passwords").write_text("")
    guarded = Mosquitto(tmp_path / "guarded", lines=("allow_anonymous false",))
    with guarded:
        for version in ("5", "3.1.1"):
            with pytest.raises(SourceError, match="the broker refuses us: not authorised") as caught:
                await taken(options(guarded, user="gent", password="wrong", version=version), at_least=1)
            assert caught.value.kind is Trouble.REFUSED
    with pytest.raises(SourceError, match="no connection") as caught:
        await taken(options(guarded), at_least=1)
    assert caught.value.kind is Trouble.UNREACHABLE
    async with open_connector("demo", options(broker)) as connector:
        await connector.poll(b"")
        await opened(options(broker))
        with pytest.raises(SourceError, match=r"another client took over|closed the connection"):
            await until_it_fails(connector)


async def test_another_protocol_is_named() -> None:
    """A web server at the address is told from a broker."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        wish = MqttOptions(host="127.0.0.1", port=server.sockets[0].getsockname()[1], topics=("#",))
        with pytest.raises(SourceError, match="this is no MQTT") as caught:
            await taken(wish, at_least=1)
    assert caught.value.kind is Trouble.BROKEN


def certified(folder: Path) -> tuple[Path, Path, Path]:
    """Make an authority, and a certificate of it for 127.0.0.1 that serves both sides: authority, certificate, key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    ca, ca_key, key, certificate = (folder / name for name in ("ca.pem", "ca.key", "own.key", "own.pem"))
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2"
    own = f"-subj /CN=authority -addext keyUsage=critical,keyCertSign -keyout {ca_key} -out {ca}"
    signed = f"-CA {ca} -CAkey {ca_key} -subj /CN=gent -addext subjectAltName=IP:127.0.0.1"
    for command in (f"{make} {own}", f"{make} {signed} -keyout {key} -out {certificate}"):
        subprocess.run(command.split(), check=True, capture_output=True)
    return ca, certificate, key


async def test_tls_checks_both_sides(tmp_path: Path) -> None:
    """With the right authority and a certificate of ours messages come; without either there is a named refusal."""
    ca, certificate, key = certified(tmp_path)
    lines = (f"cafile {ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true")
    with Mosquitto(tmp_path / "broker", lines=(*lines, "use_identity_as_username true")) as broker:
        wish = options(broker, tls=True, ca=ca, certificate=certificate, key=key)
        await opened(wish)
        said = ("--cafile", str(ca), "--cert", str(certificate), "--key", str(key))
        await asyncio.to_thread(partial(broker.publish, "city/tls", b"safe", options=said))
        (found,) = await taken(wish, at_least=1)
        assert found.body == b"safe"
        for changes in ({"ca": None}, {"certificate": None, "key": None}):
            with pytest.raises(SourceError) as caught:
                await taken(
                    options(broker, **{"tls": True, "ca": ca, "certificate": certificate, "key": key, **changes}),
                    at_least=1,
                )
            assert caught.value.kind is Trouble.REFUSED, caught.value


async def test_a_broker_that_is_killed_loses_nothing(tmp_path: Path, database_url: str) -> None:
    """Killed in the middle, gone for a while, started again: every message that it took is in the log; the trouble is told."""
    with Mosquitto(tmp_path / "broker", durable=True) as broker:
        await killed_in_the_middle(broker, database_url)
    assert SOURCE_ERRORS.labels(source="demo", kind="unreachable")._value.get() > 0


async def killed_in_the_middle(broker: Mosquitto, database_url: str) -> None:
    """Collect while the broker is killed and started again."""
    stop = asyncio.Event()
    wish = options(broker)
    sent: list[bytes] = []

    async def publish(count: int) -> None:
        bodies = [json.dumps({"n": len(sent) + number}).encode() for number in range(count)]
        await asyncio.to_thread(broker.publish, "city/kill", *bodies)
        sent.extend(bodies)

    async with PostgresLog(database_url) as log:

        async def job() -> None:
            async with open_connector("demo", wish) as connector:
                await collect("demo", connector, log, stop=stop)

        async def scene() -> None:
            await publish(100)
            broker.kill()
            await told(log)
            broker.start()
            await publish(100)
            while {each.body for each in await payloads(log)} != set(sent):  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.1)
            stop.set()

        await opened(wish)
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            group.create_task(scene())
            backoff = Backoff(first=timedelta(milliseconds=50), most=timedelta(milliseconds=500))
            group.create_task(supervise({"demo": job}, stop=stop, grace=timedelta(seconds=5), backoff=backoff))
        newest = await log.last(trouble_topic("demo"))
        assert newest is not None
        assert Told.from_record(newest.record) is None


async def told(log: PostgresLog) -> Told:
    """Wait until the trouble with the broker is in the log."""
    while True:
        newest = await log.last(trouble_topic("demo"))
        if newest is not None and (found := Told.from_record(newest.record)) is not None:
            assert found.kind is Trouble.UNREACHABLE
            return found
        await asyncio.sleep(0.05)


async def payloads(log: PostgresLog) -> list[Payload]:
    """Read all payloads of the source."""
    newest = await log.last(raw_topic("demo"))
    found: list[Payload] = []
    if newest is not None:
        async for entries in log.read(raw_topic("demo"), after=-1):
            found += [Payload.from_record(entry.record) for entry in entries]
            if entries[-1].offset >= newest.offset:
                break
    return found
