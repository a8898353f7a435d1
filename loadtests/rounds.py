"""Small pieces of work measured by turns: the processor time of one call of each, round after round."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Work = Callable[[], object]


def by_turns(works: Mapping[str, Work], *, seconds: float, rounds: int) -> dict[str, tuple[float, ...]]:
    """Return the microseconds of processor time of one call of each work, for each round.

    In a round every work runs for about so many seconds, one after the other, so that what disturbs one disturbs the others;
    each is called once beforehand, which fills its caches. Garbage is not collected meanwhile, as `timeit` has it.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    with _without_collection():
        times = {name: _times(work, seconds) for name, work in works.items()}
        for _ in range(rounds):
            for name, work in works.items():
                found[name].append(_spent(work, times[name]) / times[name] * 1e6)
    return {name: tuple(each) for name, each in found.items()}


def ratios(found: Mapping[str, tuple[float, ...]], reference: str, ours: str) -> tuple[float, ...]:
    """Return for each round how fast ours was in multiples of the reference: its time over ours."""
    return tuple(other / own for other, own in zip(found[reference], found[ours], strict=True))


def _times(work: Work, seconds: float) -> int:
    """Return how often to call a work so that it takes about so many seconds."""
    work()
    return max(1, round(seconds / max(_spent(work, 1), 1e-7)))


def _spent(work: Work, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - began


@contextmanager
def _without_collection() -> Iterator[None]:
    on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
