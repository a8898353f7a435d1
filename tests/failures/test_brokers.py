"""Three brokers under the platform: roles killed, brokers killed and away, a store that stands still, poison."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.failures.killing import kill_each_role
from tests.failures.poisoning import check, poison_everything
from tests.failures.trial import Form, Trial
from tests.support.broker import Broker, Kafka
from tests.support.cluster import TAKEOVER, Cluster, until
from tests.support.reader import Reader

pytestmark = pytest.mark.slow

MEMBERS = "members.miv-verkeer"
# A broker that starts again copies what it missed: seconds here.
_IN_SYNC_WITHIN = 60.0


def leader(brokers: Kafka) -> Broker:
    """Return the broker that takes the appends of the fastest stream."""
    (topic,) = asyncio.run(_described(brokers, [MEMBERS]))
    node: int = topic["partitions"][0]["leader"]
    return brokers.brokers[node - 1]


def in_sync(brokers: Kafka) -> bool:
    """Whether every broker has everything, so that any one may be lost."""
    topics = asyncio.run(_described(brokers, None))
    return all(len(topic["partitions"][0]["isr"]) == len(brokers.brokers) for topic in topics)


async def _described(brokers: Kafka, topics: list[str] | None) -> list[dict[str, Any]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers.servers)
    await admin.start()
    try:
        names = topics or [name for name in await admin.list_topics() if not name.startswith("__")]
        found: list[dict[str, Any]] = await admin.describe_topics(names)
        return found
    finally:
        await admin.close()


def recover(brokers: Kafka, *dead: Broker) -> None:
    """Start brokers again, all at once, and wait until they have everything."""
    for broker in dead:
        broker.start()
    for broker in dead:
        broker.until_ready()
    until(lambda: in_sync(brokers), within=_IN_SYNC_WITHIN, what="brokers in sync")


def test_roles_killed_on_brokers(on_brokers: tuple[Cluster, Reader], form: Form, chance: Random) -> None:
    """Each role is killed 5 times (long: 100) over three brokers: nothing lost, doubled or changed."""
    with Trial("roles killed, three brokers", *on_brokers, within=2 * TAKEOVER) as trial:
        kill_each_role(trial, chance, form.rounds(5, 100))


def test_broker_leader_killed(on_brokers: tuple[Cluster, Reader], brokers: Kafka, form: Form) -> None:
    """The broker that takes the appends is killed; another one takes over, and the dead one comes back."""
    with Trial("broker leader killed", *on_brokers, within=20) as trial:
        for _ in form.rounds(1, 10):
            victim = leader(brokers)
            victim.kill()
            trial.kills += 1
            trial.steady()
            recover(brokers, victim)


def test_broker_restarted(on_brokers: tuple[Cluster, Reader], brokers: Kafka, form: Form) -> None:
    """Each broker in turn is stopped in order and started again, as in an upgrade."""
    with Trial("brokers restarted one by one", *on_brokers, within=20) as trial:
        for number in form.rounds(3, 9):
            broker = brokers.brokers[number % 3]
            broker.stop()
            trial.steady()
            recover(brokers, broker)


def test_brokers_down(on_brokers: tuple[Cluster, Reader], brokers: Kafka, form: Form) -> None:
    """All brokers are killed and stay away 8 s (long: 60 s): collectors and normalisers wait without growing."""
    with Trial("all brokers down", *on_brokers, within=30) as trial:
        for broker in brokers.brokers:
            broker.kill()
            trial.kills += 1
        trial.hold(form.of(8, 60))
        for broker in brokers.brokers:
            broker.start()
        for broker in brokers.brokers:
            broker.until_ready()
        trial.steady()
        until(lambda: in_sync(brokers), within=_IN_SYNC_WITHIN, what="brokers in sync")


@contextmanager
def held_row(dsn: str) -> Iterator[None]:
    """Hold the rows that every writer must lock, as a migration or a person in a hurry might."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        transaction = connection.transaction()
        runner.run(transaction.start())
        runner.run(connection.execute("SELECT 1 FROM ldes.streams FOR UPDATE"))
        try:
            yield
        finally:
            runner.run(transaction.rollback())
            runner.run(connection.close())


def test_store_blocked(on_brokers: tuple[Cluster, Reader], form: Form) -> None:
    """The store takes nothing for 5 s (long: 60 s) while publishers go on: nobody grows, and all of it is published."""
    with Trial("store blocked", *on_brokers, within=20) as trial:
        with held_row(trial.cluster.dsn):
            trial.hold(form.of(5, 60))
        trial.steady()


def test_poison_on_brokers(on_brokers: tuple[Cluster, Reader], brokers: Kafka, form: Form) -> None:
    """Garbage on every Kafka topic, without keys, values and header values: counted, and everything goes on."""
    with Trial("poison on each topic, three brokers", *on_brokers, within=30) as trial:
        poison_everything(trial, brokers.servers)
        check(trial)


@pytest.mark.long
def test_everything_at_random(on_brokers: tuple[Cluster, Reader], brokers: Kafka, chance: Random, form: Form) -> None:
    """Roles and brokers are killed in random order, never two brokers at once: nothing lost, doubled or changed."""
    with Trial("roles and brokers killed in random order", *on_brokers, within=30) as trial:
        for _ in form.rounds(1, 25):
            time.sleep(chance.uniform(0.05, 2))
            name = chance.choice(["broker", *trial.cluster.roles])
            if name == "broker":
                victim = chance.choice(brokers.brokers)
                victim.kill()
                trial.kills += 1
                trial.steady()
                recover(brokers, victim)
            else:
                trial.kill(name, chance.choice(trial.cluster.roles[name])).ready()
                trial.steady()
