"""`kill -9` of each role at random moments under load."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from random import Random

from tests.failures.trial import Trial
from tests.support.cluster import EVERYBODY, Started


def kill_each_role(trial: Trial, chance: Random, rounds: Iterable[int]) -> None:
    """Kill one process of each role in each round, at random moments and in random order, mostly those that work."""
    for number in rounds:
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
