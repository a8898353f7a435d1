"""Ports that nobody listens on, from a range that belongs to this worker process of the test run alone."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from random import SystemRandom

# Below what Linux (32768) and others (49152) give to connections: a port found free is not soon taken by a client.
_FIRST, _SHARE, _SHARES = 20_000, 1_500, 8
# Not the generator that each test is seeded with: two runs beside each other would look for the same ports.
_CHANCE = SystemRandom()


def own_range() -> range:
    """Return the ports to choose from; pytest-xdist names its workers gw0, gw1 and so on."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    return range(_FIRST + worker * _SHARE, _FIRST + (worker + 1) * _SHARE)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now; held all at once, so that they differ."""
    found: list[int] = []
    with ExitStack() as held:
        for port in _CHANCE.sample(own_range(), _SHARE):
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    raise AssertionError(f"no {count} free ports in {own_range()}")
