"""What a platform's figures mean: each finding, its fix, and the words of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smartflanders.diagnosis import (
    BuildFacts,
    DiskFacts,
    Facts,
    LoopFacts,
    Sizes,
    StreamFacts,
    duration,
    forecast,
    judge,
    size,
)
from smartflanders.doctor_table import as_json, as_text
from smartflanders.forecast import Part
from streams.errors import Problem

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STREAM = StreamFacts(
    name="gent-parking",
    members=10_000,
    hour=50,
    day=1000,
    oldest=AT - 10 * DAY,
    newest=AT - MINUTE,
    sizes=Sizes(members=10_000_000, indexes=2_000_000, pages=3_000_000, views=5_000_000, log=1_000_000),
    every=MINUTE,
)
LOOPS = (
    LoopFacts(role="collect", name="gent-garages", holder="vm, process 7"),
    LoopFacts(role="normalise", name="gent-garages", holder="vm, process 7", behind=0, waiting=timedelta(0)),
    LoopFacts(role="write", name="gent-parking", holder="vm, process 8", behind=3, waiting=timedelta(seconds=2)),
    LoopFacts(role="views", name="gent-parking", holder="vm, process 8"),
)
DISK = DiskFacts(folder=Path("/data"), free=500 * 10**9, total=10**12, reserve=4 * 10**9)
HEALTHY = Facts(at=AT, streams=(STREAM,), loops=LOOPS, disk=DISK)
OLD_BUILD = BuildFacts(stream="gent-parking", view="by-tile", build=2, state="gone", placed=9, count=9, rows=12)
UNBUILT = replace(OLD_BUILD, state="building", placed=4)


def without(role: str) -> tuple[LoopFacts, ...]:
    """Return the loops with nobody doing one of them."""
    return tuple(replace(loop, holder=None) if loop.role == role else loop for loop in LOOPS)


def test_a_platform_at_work_is_healthy() -> None:
    """Loops that are held, a moment's lag, a newest member of a minute and a disk for years are nothing to act on."""
    assert judge(HEALTHY) == []
    assert list(as_text(HEALTHY, [], forecast(HEALTHY), database="here"))[-1] == "healthy: nothing needs attention"


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"problems": [Problem(where="database", what="the schema is older", fix="migrate")]}, "database", "older"),
        ({"loops": without("write")}, "write", "no process does this for gent-parking"),
        ({"loops": [replace(loop, holder=None) for loop in LOOPS]}, "platform", "no process holds a lease"),
        (
            {"loops": [*LOOPS[:2], replace(LOOPS[2], behind=77, waiting=HOUR)]},
            "write gent-parking",
            "77 entries wait, the first of them for 1 h",
        ),
        (
            {"streams": [replace(STREAM, newest=AT - 6 * MINUTE)]},
            "gent-parking",
            "the newest member is 6 min old; one is expected every 1 min",
        ),
        ({"streams": [replace(STREAM, newest=None, oldest=None, members=0)]}, "gent-parking", "no members yet"),
        ({"disk": replace(DISK, free=4_500_000_000)}, "/data", "4.5 GB are free, of which PostgreSQL may take 4.0 GB"),
        ({"builds": [OLD_BUILD], "loops": without("views")}, "gent-parking/by-tile, build 2", "12 rows are left"),
        ({"builds": [UNBUILT], "loops": without("views")}, "gent-parking/by-tile, build 2", "4 of 9 members"),
    ],
)
def test_what_needs_attention_is_told_with_its_fix(changes: dict[str, Any], where: str, what: str) -> None:
    """Each fault is one finding at its place, whose fix says what to do."""
    facts = replace(HEALTHY, **changes)
    found = [each for each in judge(facts) if each.where == where]
    assert [what in each.what for each in found] == [True]
    assert found[0].fix


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": [replace(STREAM, newest=AT - 30 * DAY, every=None)]},
        {"streams": [replace(STREAM, newest=AT - 30 * DAY, planned=False)]},
        {"streams": [replace(STREAM, newest=AT - 4 * MINUTE)]},
        {"builds": [OLD_BUILD, UNBUILT]},
        {"builds": [replace(OLD_BUILD, state="retired"), replace(OLD_BUILD, state="live")]},
        {"disk": None},
    ],
)
def test_what_goes_by_itself_needs_no_attention(changes: dict[str, Any]) -> None:
    """Streams that speak only of changes, or that no pilot names, and builds that a running process sees to, are fine."""
    assert judge(replace(HEALTHY, **changes)) == []


def test_a_disk_that_is_full_soon_is_a_finding() -> None:
    """With 200 MB a day, 2 GB of room are full in ten days, which is told; 20 GB are in the report only."""
    fast = replace(STREAM, day=100_000)
    soon = replace(HEALTHY, streams=[fast], disk=replace(DISK, free=6 * 10**9))
    assert forecast(soon).daily == 200_000_000
    assert forecast(soon).full == AT + 10 * DAY
    assert [each.what for each in judge(soon)] == ["the disk is full on 2026-12-08 at this rate"]
    later = replace(soon, disk=replace(DISK, free=24 * 10**9))
    assert judge(later) == []
    lines = list(as_text(later, [], forecast(later), database="here"))
    assert "growth    200 MB a day; full on 2027-03-08 at this rate" in lines


def test_a_policy_that_drops_as_much_as_comes_makes_a_disk_last() -> None:
    """With retention the report says both: never full, and when it would be without."""
    kept = replace(STREAM, kept=10 * DAY)
    facts = replace(HEALTHY, streams=[kept], disk=replace(DISK, free=6 * 10**9))
    assert judge(facts) == []
    assert forecast(facts).full is None
    assert forecast(facts).full_without_retention == AT + 1000 * DAY
    lines = list(as_text(facts, [], forecast(facts), database="here"))
    assert any("never full at this rate, without the streams' retention full on 2029-08-24" in line for line in lines)


def test_a_stream_of_an_hour_foretells_nothing() -> None:
    """What is there at the beginning came at once: its pace is not counted, and the report says whose."""
    young = replace(STREAM, oldest=AT - HOUR)
    facts = replace(HEALTHY, streams=[young], disk=replace(DISK, free=6 * 10**9))
    assert young.daily(AT) is None
    assert judge(facts) == []
    lines = list(as_text(facts, [], forecast(facts), database="here"))
    assert any("gent-parking not counted, too young" in line for line in lines)
    assert replace(STREAM, oldest=AT - 3 * HOUR).daily(AT) == 24 * 50
    assert STREAM.daily(AT) == 1000


def test_topics_of_the_log_grow_until_they_are_dropped() -> None:
    """What the log keeps for a week is part of the forecast for a week."""
    raw = Part(name="raw.gent-garages", size=10**9, daily=10**9, held=DAY, kept=7 * DAY)
    quiet = replace(STREAM, day=0)
    facts = replace(HEALTHY, streams=[quiet], topics=[raw], disk=replace(DISK, free=10**10, reserve=0))
    assert forecast(facts).full is None
    smaller = forecast(replace(facts, disk=replace(DISK, free=5 * 10**9, reserve=0)))
    assert smaller.full == smaller.full_without_retention == AT + 5 * DAY


def test_the_report_is_json_as_well() -> None:
    """Programs get every figure: times as in members, durations in seconds, sizes in bytes, and the findings."""
    facts = replace(HEALTHY, loops=without("write"))
    report = json.loads(json.dumps(as_json(facts, judge(facts), forecast(facts), database="here")))
    (stream,) = report["streams"]
    assert stream["age"] == 60
    assert stream["newest"] == "2026-11-28T11:59:00.000Z"
    assert stream["bytes_per_member"] == 2000
    assert stream["sizes"]["views"] == 5_000_000
    assert report["disk"]["folder"] == "/data"
    assert report["daily"] == 2_000_000
    assert report["full"] is None or report["full"].startswith("20")
    assert report["healthy"] is False
    assert report["findings"][0]["where"] == "write"


def test_the_table_lines_up() -> None:
    """Every line of the table of streams is as long as its head, so that figures stand below each other."""
    other = replace(
        STREAM, name="miv-verkeer", members=0, oldest=None, newest=None, sizes=Sizes(log=None), planned=False
    )
    facts = replace(HEALTHY, streams=[STREAM, other])
    lines = list(as_text(facts, [], forecast(facts), database="here"))
    head = next(place for place, line in enumerate(lines) if line.startswith("stream"))
    table = lines[head : head + 3]
    assert table[0].endswith("log")
    assert table[2].startswith("miv-verkeer (no pilot)")
    assert table[2].endswith("on Kafka")
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.6), "1 min"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
        (timedelta(hours=2, seconds=9), "2 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_durations_in_two_units(value: timedelta, text: str) -> None:
    """A duration is said in its two largest units, and none is negative."""
    assert duration(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (17, "17 B"), (3200, "3.2 kB"), (321_000, "321 kB"), (1.5e9, "1.5 GB"), (2e15, "2000.0 TB")],
)
def test_sizes_in_one_unit(count: float, text: str) -> None:
    """Bytes are said in the largest unit that leaves a whole number before the point."""
    assert size(count) == text
