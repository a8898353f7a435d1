"""What processes take, looked at from outside: processor and memory over time, other load, and pinning to processors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import psutil

from loadtests.timeline import Timeline

MB = 2**20


def processors() -> tuple[int, ...]:
    """Return the processors that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(os.cpu_count() or 1))
    return tuple(sorted(os.sched_getaffinity(0)))


def places() -> tuple[int, int]:
    """Choose a processor for what is measured and one for what loads it; they are the same where there is only one."""
    found = processors()
    return found[0], found[-1]


def pin(pid: int, *wanted: int) -> bool:
    """Let a process, its children and all their threads run on these processors only; whether it could be done.

    What they start afterwards inherits it. A machine that cannot pin, or lacks such a processor, is left as it is.
    """
    if not hasattr(os, "sched_setaffinity") or not set(wanted) <= set(range(os.cpu_count() or 1)):
        return False
    try:
        for process in family(pid):
            for thread in process.threads():
                # One that ended meanwhile needs no place.
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, wanted)
    except (psutil.Error, OSError):
        return False
    return True


@contextmanager
def pinned(*wanted: int) -> Iterator[bool]:
    """Pin this process, and so what it starts, while the block runs; gives whether it could be done."""
    before = processors()
    done = pin(os.getpid(), *wanted)
    try:
        yield done
    finally:
        if done:
            _restore(before)


def _restore(before: tuple[int, ...]) -> None:
    """Give this process its processors back; its children keep theirs."""
    for thread in psutil.Process().threads():
        with suppress(OSError):
            os.sched_setaffinity(thread.id, before)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and everything below it; nothing when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, of its living children and of those that ended and were waited for."""
    return sum(map(_spent_alone, family(pid)))


def _spent_alone(process: psutil.Process) -> float:
    """Return what one process and those of its children took that ended; 0 when it is gone."""
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def busy_seconds() -> float:
    """Return the processor time that the whole machine has spent on anything since it started."""
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - getattr(spent, "guest", 0.0))


def memory(pid: int) -> float:
    """Return the bytes of a process and all below it: shared pages in shares (PSS) where the system tells, else in full."""
    return sum(map(memory_alone, family(pid)))


def memory_alone(process: psutil.Process) -> float:
    """Return the bytes of one process, as `memory` counts them; 0 when it is gone."""
    try:
        # One small file where the system has it; the library's way adds up one entry per mapping.
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as rollup:  # noqa: PTH123 - no path is handled
            for line in rollup:
                if line.startswith(b"Pss:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return float(process.memory_info().rss)
    except psutil.Error:
        return 0.0


class Sampler:
    """Notes in a timeline, in a thread of its own while entered, what each of some processes takes.

    `pids` is asked at each look, so that processes may come and go: names and the process at the top of each. The series
    are `CPU <name>` in `cores`, `memory <name>` in `MB`, and `CPU of other work`: what neither they nor this process
    took of the machine. `peaks` holds the greatest memory seen by name, in bytes.
    """

    def __init__(self, timeline: Timeline, pids: Callable[[], Mapping[str, int]], *, every: float = 1.0) -> None:
        self._timeline = timeline
        self._pids = pids
        self._every = every
        self.peaks: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._busy, self._spent = busy_seconds(), self._all_spent()
        self._began = self._timeline.seconds
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _all_spent(self) -> dict[str, float]:
        own = psutil.Process().cpu_times()
        return {name: processor_seconds(pid) for name, pid in self._pids().items()} | {"driver": own.user + own.system}

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.look()

    def look(self) -> None:
        """Note the present state, and what was spent since the look before."""
        now, busy, spent = self._timeline.seconds, busy_seconds(), self._all_spent()
        passed = now - self._began
        took = {name: total - self._spent.get(name, 0.0) for name, total in spent.items()}
        for name, seconds in took.items():
            # A process that was started again counts from zero.
            if seconds >= 0:
                self._timeline.add(f"CPU {name}", "cores", round(seconds / passed, 3))
        others = max(0.0, busy - self._busy - sum(max(0.0, seconds) for seconds in took.values()))
        self._timeline.add("CPU of other work", "cores", round(others / passed, 3))
        for name, pid in self._pids().items():
            held = memory(pid)
            self.peaks[name] = max(held, self.peaks.get(name, 0.0))
            self._timeline.add(f"memory {name}", "MB", round(held / MB, 1))
        self._began, self._busy, self._spent = now, busy, spent


class OtherWork:
    """Tells how many cores were busy, since it was made, with nothing of this run.

    Of the run are this process, what it started, even what has ended since, and the processes that `pids` gives.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]] = dict) -> None:
        self._pids = pids
        self._began = time.perf_counter()
        self._before = self._spent()

    def _spent(self) -> float:
        own = {process.pid for process in family(os.getpid())}
        tops = {os.getpid(), *(pid for pid in self._pids().values() if pid not in own)}
        return busy_seconds() - sum(map(processor_seconds, tops))

    def cores(self) -> float:
        """Return that number."""
        return max(0.0, self._spent() - self._before) / max(time.perf_counter() - self._began, 1e-9)
