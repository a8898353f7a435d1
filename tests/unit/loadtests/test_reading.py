"""Figures of reading: ratios against nginx, costs of polls, and what live listeners cost."""

from __future__ import annotations

import pytest

from loadtests import polling, replication
from loadtests.histogram import Histogram
from loadtests.listening import Listened
from loadtests.outcome import Figure, Latency
from loadtests.polling import Polled
from loadtests.replication import Copied, Copies
from loadtests.scenarios import live


def copied(microseconds: float, *, rate: float = 1000) -> Copied:
    """Make a copy of a thousand pages that took this much of the server for each."""
    return Copied(pages=1000, seconds=1000 / rate, server=microseconds / 1000, client=0.02)


def by_row(figures: list[Figure] | tuple[Figure, ...]) -> dict[str, float]:
    """Index values by their row."""
    return {each.row: round(each.value, 3) for each in figures}


def test_copies_are_compared_round_by_round() -> None:
    """Ratios are nginx's cost over ours in the same round, their middle is the figure; new and kept pages have their own."""
    copies = Copies(new=copied(4000), kept=copied(400))
    copies.ready.extend([copied(20, rate=9000), copied(10), copied(40)])
    copies.listed.extend([copied(8, rate=18000), copied(8), copied(8)])
    copies.crowds[4] = copied(25)
    assert by_row(replication.figures(copies)) == {
        "replicate": 0.4,
        "replicate-clock": 1.0,
        "replicate-kept": 0.02,
        "replicate-new": 0.002,
        "replicate-new-cost": 4000,
        "replicate-kept-cost": 400,
        "replicate-ready-cost": 20,
        "replicate-by-4": 0.8,
    }


def test_without_nginx_there_are_costs_and_no_ratio() -> None:
    """Where the reference cannot be had, nothing pretends to be compared with it."""
    copies = Copies(new=copied(4000), kept=copied(400), ready=[copied(20)], without="nginx is not installed")
    assert "replicate" not in by_row(replication.figures(copies))
    assert by_row(replication.figures(copies))["replicate-ready-cost"] == 20


def test_polls_have_a_cost_by_form_and_phase_and_their_faults_are_said() -> None:
    """A phase with two answers for three milliseconds costs 1,500 us each; what was refused becomes a sentence."""
    latency = Latency(name="", count=0, percentiles=())
    found = [
        Polled(form="csv", phase="open unchanged", answers=2, server=0.003, latency=latency),
        Polled(form="csv", phase="new", answers=0, server=0.0, latency=latency, refused=3, why="RuntimeError('404')"),
    ]
    assert by_row(polling.figures(found)) == {"poll-csv-open-unchanged": 1500, "poll-csv-new": 0}
    (said,) = polling.faults(found)
    assert "3 requests" in said
    assert "404" in said


def test_listeners_cost_by_event_and_by_second() -> None:
    """Twelve microseconds an event, heard by 1,000 listeners ten times a second, are 0.12 processors; the bare loop takes half."""
    times = Histogram()
    times.add(0.02)
    ours = Listened(
        listeners=1000, seconds=1, heard=10_000, gaps=2, server=0.12, memory=2**20 * 90, each=3000, times=times
    )
    bare = Listened(listeners=1000, seconds=1, heard=5_000, gaps=0, server=0.03, memory=0, each=0, times=Histogram())
    found = by_row(live.figures(ours, bare))
    assert found["live-p99"] == pytest.approx(20, rel=0.01)
    assert {name: found[name] for name in ("live-cores", "live-gaps", "live-of-bare", "live-memory")} == {
        "live-cores": 0.12,
        "live-gaps": 2,
        "live-of-bare": 0.5,
        "live-memory": 90,
    }
