"""Roles killed with `kill -9` at random moments under load."""

from __future__ import annotations

import statistics
import time
from random import Random

import pytest

from tests.failures.trial import Form, Trial
from tests.support.cluster import EVERYBODY, TAKEOVER, Cluster, Started
from tests.support.reader import Reader

pytestmark = pytest.mark.slow


def kill_each_role(trial: Trial, chance: Random, *, rounds: int) -> None:
    """Kill one process of each role in each round, at random moments and in random order, mostly those that work."""
    for number in range(rounds):
        started: list[Started] = []
        for name in chance.sample(EVERYBODY, len(EVERYBODY)):
            time.sleep(chance.uniform(0.05, 0.8))
            working = name != "serve" and chance.random() < 0.75
            victim = trial.cluster.busiest(name) if working else chance.choice(trial.cluster.roles[name])
            started.append(trial.kill(name, victim))
        trial.steady()
        for process in started:
            process.ready()
        if number % 10 == 9:
            middle = statistics.median(trial.waits)
            print(
                f"  {trial.kills} kills; steady after {middle:.1f} s (median), {max(trial.waits):.1f} s (most)",
                flush=True,
            )


def test_roles_killed_on_brokers(on_brokers: tuple[Cluster, Reader], form: Form, chance: Random) -> None:
    """Each role is killed 5 times (long: 100) over three brokers: nothing lost, doubled or changed."""
    with Trial("roles killed, three brokers", *on_brokers, within=2 * TAKEOVER) as trial:
        kill_each_role(trial, chance, rounds=form.times(5, 100))


@pytest.mark.long
def test_roles_killed_on_database(on_database: tuple[Cluster, Reader], form: Form, chance: Random) -> None:
    """The same over a log in PostgreSQL, in the long form only: `test_roles.py` of the acceptance tests is its short one."""
    with Trial("roles killed, log in PostgreSQL", *on_database, within=2 * TAKEOVER) as trial:
        kill_each_role(trial, chance, rounds=form.times(1, 100))
