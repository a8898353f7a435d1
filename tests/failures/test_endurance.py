"""Ten minutes of four roles on three brokers at five times the rate of the real MIV, with two random kills a minute."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.failures.conftest import running
from tests.failures.trial import Form, Trial
from tests.support.broker import Kafka
from tests.support.cluster import EVERYBODY, City

pytestmark = [pytest.mark.slow, pytest.mark.long]

# The real feed: 4,254 lanes, a document each minute. Asked twice as often as it changes, so that none is missed.
MIV = City(lanes=4254, speed=5, asked=10)
MINUTES = 10
_WINDOW = 30.0


def test_endurance(
    brokers: Kafka, server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, form: Form, chance: Random
) -> None:
    """Any role and any broker is killed, twice a minute for ten minutes; the replicated feed equals the ledger."""
    folder: Path = tmp_path_factory.mktemp("platform")
    environ = {"SF_LOG": f"kafka://{brokers.servers}", "SF_KAFKA_REPLICATION": "3"}
    with running(server, folder, environ, MIV) as (cluster, reader):
        reader.pause = 2.0
        reader.forms = reader.forms[:2]
        killed: Counter[str] = Counter()
        with Trial("endurance", cluster, reader, within=60) as trial:
            began, before = time.monotonic(), cluster.account.read().documents("miv-verkeersdata")
            for number in range(round(60 / _WINDOW * MINUTES)):
                time.sleep(max(0.0, began + number * _WINDOW + chance.uniform(0, 10) - time.monotonic()))
                kind = chance.choice((*EVERYBODY, "broker"))
                killed[kind] += 1
                if kind == "broker":
                    broker = chance.choice(brokers.brokers)
                    broker.kill()
                    trial.kills += 1
                    broker.restart()
                else:
                    trial.kill(kind, chance.choice(cluster.roles[kind])).ready()
                trial.steady()
                told = cluster.account.documents("miv-verkeersdata") - before
                print(
                    f"  {time.monotonic() - began:.0f} s: {kind} killed, news after {trial.waits[-1]:.1f} s; {told} documents",
                    flush=True,
                )
            time.sleep(max(0.0, began + 60 * MINUTES - time.monotonic()))
            lasted = time.monotonic() - began
            cluster.city.stop()
            print(f"\n  {dict(killed)} in {lasted:.0f} s, then the city fell silent; ", end="")
            told = cluster.account.read().documents("miv-verkeersdata") - before
            print(f"{told} documents of {MIV.lanes} lanes told, {60 * told / lasted:.2f} a minute", end="")
