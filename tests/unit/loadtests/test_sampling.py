"""Looking at processes from outside: what they take, where they may run, and what is noted over time."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from loadtests.sampling import MB, OtherWork, Sampler, memory, pin, pinned, places, processor_seconds, processors
from loadtests.timeline import Timeline
from tests.support.cluster import until

# Burns processor for a while in a child of its own, waits for it, holds 64 MB, and says so.
_BURNING = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.4: pass"])
held = bytearray(b"x") * (64 * 2**20)
print("done", flush=True)
sys.stdin.read()
"""


def burning() -> subprocess.Popen[str]:
    """Start a process that takes 0.4 s of processor in a child, and then holds 64 MB until its input ends."""
    return subprocess.Popen([sys.executable, "-c", _BURNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_time_and_memory_of_a_family_are_seen() -> None:
    """The processor time of a child that ended counts for its parent; so do the pages that the parent holds."""
    with burning() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        assert processor_seconds(process.pid) >= 0.4
        assert 64 * MB <= memory(process.pid) <= 120 * MB
        process.communicate("")
    assert processor_seconds(process.pid) == 0
    assert memory(process.pid) == 0


def test_a_sampler_notes_what_processes_take() -> None:
    """While entered it notes processor and memory of each process that there is, this one's and other work's."""
    timeline = Timeline()
    with burning() as process, Sampler(timeline, lambda: {"burner": process.pid}, every=0.1) as sampler:
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda: sampler.peaks.get("burner", 0) >= 64 * MB, within=20, what="the memory")
        process.communicate("")
    series = {each.name: each for each in timeline.series()}
    assert set(series) == {"CPU burner", "CPU driver", "CPU of other work", "memory burner"}
    assert (series["CPU burner"].unit, series["memory burner"].unit) == ("cores", "MB")
    assert max(value for _, value in series["memory burner"].points) >= 64
    assert all(0 <= value <= 1.2 * (psutil.cpu_count() or 1) for _, value in series["CPU burner"].points)


def test_what_a_run_starts_is_no_other_work() -> None:
    """What a child of this process took is counted for the run, also when it has ended, and never below nothing."""
    others, before = OtherWork(), processor_seconds(os.getpid())
    with burning() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.communicate("")
    assert processor_seconds(os.getpid()) - before >= 0.4
    assert others.cores() >= 0


def test_a_process_is_pinned_with_its_threads_and_children() -> None:
    """While the block runs this process and what it starts may use the one processor only, and all of them again after."""
    before = processors()
    server, generator = places()
    assert {server, generator} <= set(before)
    script = "import os; print(sorted(os.sched_getaffinity(0)))"
    with pinned(generator) as done:
        if not done:
            pytest.skip("this machine cannot pin")
        assert processors() == (generator,)
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        assert told.strip() == f"[{generator}]"
    assert processors() == before
    with burning() as process:
        assert pin(process.pid, server)
        assert os.sched_getaffinity(process.pid) == {server}
        process.kill()


def test_a_processor_that_is_not_there_is_no_error() -> None:
    """Asked for processor 9,999 nothing is pinned and nothing is raised; nor for a process that is gone."""
    before = processors()
    with pinned(9999) as done:
        assert not done
        assert processors() == before


def test_a_timeline_turns_totals_into_rates() -> None:
    """What grows by 50 in half a second is 100 a second; a total that fell began again and makes no value."""
    now = [100.0]
    timeline = Timeline(clock=lambda: now[0])
    for second, total in ((0.0, 0), (0.2, 20), (0.5, 50), (1.0, 150), (1.5, 0), (2.0, 10)):
        now[0] = 100 + second
        timeline.total("committed", "1/s", total)
        timeline.sparse("lag", "count", total, every=1.0)
    lags, rates = timeline.series()
    assert rates.points == ((0.5, 100.0), (1.0, 200.0), (2.0, 20.0))
    assert lags.points == ((0.0, 0), (1.0, 150), (2.0, 10))
