"""The MQTT connector against the client that everybody uses, at the same broker in the same minute; and into the log."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.collect import collect
from ingest.connectors import open_connector
from ingest.transports.mqtt import MqttOptions
from streams.postgres_log import PostgresLog
from streams.record import raw_topic
from tests.support.mosquitto import Mosquitto

pytestmark = pytest.mark.benchmark

COUNT = 20_000
BODY = b'{"id":"p%d","free":%d,"total":400,"at":"2026-11-28T20:00:00Z","lon":3.7250,"lat":51.0536}'


async def ours(options: MqttOptions) -> float:
    """Read all messages and acknowledge them, as the collector does; return processor seconds."""
    found, cursor = 0, b""
    async with open_connector("ours", options) as connector:
        began = time.process_time()
        while found < COUNT:
            poll = await connector.poll(cursor)
            found += len(poll.payloads)
            cursor = poll.payloads[-1].cursor if poll.payloads else cursor
        await connector.poll(cursor)
        return time.process_time() - began


def theirs(port: int) -> float:
    """Read and acknowledge as many with Eclipse Paho, by hand as well; return processor seconds."""
    found = 0
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id="theirs",
        protocol=mqtt.MQTTv5,
        manual_ack=True,
        reconnect_on_failure=False,
    )

    def take(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        nonlocal found
        found += 1
        client.ack(message.mid, message.qos)

    client.on_message = take
    client.connect("127.0.0.1", port, clean_start=False)
    began = time.process_time()
    while found < COUNT:
        client.loop(0.1)
    spent = time.process_time() - began
    client.disconnect()
    return spent


def subscribed(port: int) -> None:
    """Make a session of Paho's that the broker keeps."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="theirs", protocol=mqtt.MQTTv5)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    done: list[bool] = []

    def ask(client: mqtt.Client, *_: object) -> None:
        client.subscribe("city/#", 1)

    client.on_connect = ask
    client.on_subscribe = lambda *_: done.append(True)
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    while not done:
        client.loop(0.1)
    client.disconnect()


async def kept(options: MqttOptions, dsn: str) -> float:
    """Collect all messages into a log on PostgreSQL; return processor seconds of this process."""
    stop = asyncio.Event()
    async with PostgresLog(dsn) as log:

        async def until_all() -> None:
            while await log.append(raw_topic("kept"), ()) < COUNT - 1:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.2)
            stop.set()

        began = time.process_time()
        async with open_connector("kept", options) as connector, asyncio.TaskGroup() as group:
            group.create_task(until_all())
            group.create_task(collect("kept", connector, log, stop=stop))
        return time.process_time() - began


async def test_messages_read_and_kept(tmp_path: Path, database_url: str) -> None:
    """Print what a message costs us, over what it costs Paho, and with the log behind us."""
    with Mosquitto(tmp_path / "broker") as broker:
        wishes = {
            name: MqttOptions(host="127.0.0.1", port=broker.port, topics=("city/#",), client_id=name)
            for name in ("ours", "kept")
        }
        for wish in wishes.values():
            async with open_connector("any", wish) as connector:
                await connector.poll(b"")
        subscribed(broker.port)
        bodies = [BODY % (number % 500, number % 400) for number in range(COUNT)]
        await asyncio.to_thread(broker.publish, "city/gent/parking", *bodies)
        own = await ours(wishes["ours"])
        other = await asyncio.to_thread(theirs, broker.port)
        whole = await kept(wishes["kept"], database_url)
    per = 1e6 / COUNT
    print(f"\nread and acknowledged: {own * per:.1f} us a message, {own / other:.2f} of Paho's {other * per:.1f} us")
    print(f"collected into the log: {whole * per:.1f} us a message, {COUNT / whole:,.0f} messages a processor second")
    assert own < other
