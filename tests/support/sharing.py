"""How the tests are shared among the worker processes of a run (pytest-xdist): whole modules, the long ones first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Its modules run in one worker, one after the other: each has a platform of ten processes, most on three brokers.
_ONE_BY_ONE = "tests/failures"


def part_of_run(nodeid: str) -> str:
    """Name the part of the run that a test belongs to; all tests of a part run in one worker process."""
    module = nodeid.split("::", 1)[0]
    return _ONE_BY_ONE if PurePosixPath(module).is_relative_to(_ONE_BY_ONE) else module


def long_first(names: Sequence[str], is_slow: Callable[[int], bool]) -> list[int]:
    """Return the places of `names` in the order to begin them: parts that take minutes, then those that hold a slow test.

    Otherwise the order stays, random as it is: a long part that comes last would leave the other workers idle.
    """
    slow = {part_of_run(name) for place, name in enumerate(names) if is_slow(place)}

    def turn(place: int) -> int:
        part = part_of_run(names[place])
        return 0 if part == _ONE_BY_ONE else 1 if part in slow else 2

    return sorted(range(len(names)), key=turn)


def begin_with_long(items: list[pytest.Item]) -> None:
    """Put the tests of a worker in that order."""
    order = long_first([item.nodeid for item in items], lambda place: "slow" in items[place].keywords)
    items[:] = [items[place] for place in order]


class Parts(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out part by part, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        # The default hands out the modules with most tests first; ours with most tests take seconds.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return part_of_run(nodeid)
