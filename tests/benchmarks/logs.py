"""What the benchmarks of the two logs share: the records, our two loops, and the comparison with bare ones."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psutil

from streams.log import Log
from streams.record import Record

# What the normaliser appends of a MIV minute, and what the writer takes at once.
SIZE, APPENDS, ROUNDS = 2000, 50, 5


def members() -> list[Record]:
    """Make one append: members of some 600 bytes that look like each other, as those of one source do."""
    made = []
    for number in range(SIZE):
        entity = f"https://data.example.org/traffic/sensors/{number}"
        values = ",".join(f'"kenmerk-{field}":{(number * 7919 + field * 104_729) % 1000}' for field in range(24))
        body = f'{{"@id":"{entity}/20261123T120000.000Z","@type":"Observation","sensor":"{entity}",{values}}}'
        headers = {"id": f"traffic/members/{number}/20261123T120000.000Z".encode(), "observed_at": b"2026-11-23T12:00Z"}
        made.append(Record(key=entity.encode(), value=body.encode(), headers=headers))
    return made


async def append_ours(log: Log, topic: str, records: Sequence[Record]) -> None:
    """Append with the log."""
    for _ in range(APPENDS):
        await log.append(topic, records)


async def read_ours(log: Log, topic: str) -> None:
    """Read with the log."""
    seen = 0
    async for entries in log.read(topic, after=-1, limit=SIZE):
        seen += sum(touched(entry.record) for entry in entries)
        if seen >= SIZE * APPENDS:
            return


def touched(record: Any) -> bool:
    """Look at the value only: the least that a loop can do."""
    return len(record.value) > 0


def processor() -> tuple[float, float]:
    """Return the processor seconds that this process has used, and with those of its children: the server's."""
    times = [server.cpu_times() for server in psutil.Process().children(recursive=True)]
    own = time.process_time()
    return own, own + sum(each.user + each.system for each in times)


async def timed(step: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
    """Measure one step in seconds, in seconds of this process's processor, and with the server's."""
    start, (own, whole) = time.perf_counter(), processor()
    await step()
    after = processor()
    return time.perf_counter() - start, after[0] - own, after[1] - whole


async def compare(name: str, steps: dict[str, Callable[[int], Awaitable[object]]]) -> None:
    """Run all steps by turns; print the rate of each, and of each turn its ratio to the first step of the turn.

    With the search for circular garbage that the roles have (`smartflanders.role_commands`).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    spent: dict[str, list[tuple[float, float, float]]] = {step: [] for step in steps}
    for turn in range(ROUNDS + 1):
        for step, run in steps.items():
            cost = await timed(lambda run=run, turn=turn: run(turn))  # type: ignore[misc]
            if turn:  # the first turn warms up
                spent[step].append(cost)
    bare = next(iter(spent.values()))
    for step, costs in spent.items():
        wall, own, whole = (SIZE * APPENDS / statistics.median(cost[kind] for cost in costs) for kind in range(3))
        by_turn = [[base[kind] / cost[kind] for base, cost in zip(bare, costs, strict=True)] for kind in range(3)]
        print(
            f"{name:8} {step:6} {wall / 1000:7.0f} k/s {own / 1000:7.0f} k/cpu-s, {whole / 1000:.0f} with the server's   ratio "
            + ", ".join(
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) {kind}"
                for ratios, kind in zip(by_turn, ("wall", "cpu", "with the server's"), strict=True)
            )
        )
