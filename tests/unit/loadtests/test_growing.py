"""The pure parts of growth and breadth: which way ratios go, what payloads hold, what pilots declare."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loadtests.growing import TREES, Timed, arithmetic
from loadtests.million import Measured
from loadtests.outcome import Figure
from loadtests.publisher import write_pilot
from loadtests.scenarios import backfill
from loadtests.scenarios.breadth import compared, extra_views, payloads, write_streams
from loadtests.scenarios.footprint import write_local_pilot
from loadtests.scenarios.growth import Point, figures_of, series_of
from loadtests.whole import role_of
from smartflanders.diagnosis import Sizes
from smartflanders.pilots import load_plan
from streams.record import Payload


def _point(members: int, *, cost: float, wait: float, held: float) -> Point:
    reads = {
        name: Timed(medians=(wait, 2 * wait, wait), processor=9.0 * wait)
        for name in ("leaf", "root", "since", "newest")
    }
    return Point(
        members=members,
        ingest=Measured(seconds=2.0, processor={"write": cost, "database": cost}, others=0.0),
        published=1000,
        writer=held,
        server=held,
        reads=reads,
        sizes=Sizes(members=members * 800, indexes=members * 80, views=0, pages=members, log=members),
    )


def _by_row(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.row: figure for figure in figures}


def test_growth_compares_the_largest_size_with_the_first() -> None:
    """Twice the processor time is half the rate, three times the wait is a ratio of three, memory likewise."""
    points = [_point(1000, cost=1.0, wait=1.0, held=50.0), _point(9000, cost=2.0, wait=3.0, held=60.0)]
    found = _by_row(list(figures_of(points)))
    assert found["growth-ingest"].value == pytest.approx(0.5)
    assert found["growth-page"].value == found["growth-since"].value == pytest.approx(3.0)
    assert found["growth-page-clock"].value == pytest.approx(3.0)
    assert found["growth-memory"].value == pytest.approx(1.2)
    assert found["disk at the largest"].value == pytest.approx(880)
    assert found["ingest at 9,000 members"].value == pytest.approx(4000)
    assert found["leaf at 9,000 members"].samples == (3.0, 6.0, 3.0)
    assert [point for each in series_of(points) if each.name == "since" for point in each.points] == [
        (1000.0, 1.0),
        (9000.0, 3.0),
    ]


@pytest.mark.parametrize("count", TREES)
def test_the_arithmetic_of_any_tree_grows_with_its_levels(count: int) -> None:
    """A tree of any size has at most `fan - 1` links for each level above the leaves, and one for the open leaf."""
    _, links = arithmetic(count, size=250, fan=100, turns=3)
    levels = 1
    while 250 * 100**levels <= count:
        levels += 1
    assert 99 * (levels - 1) < links <= 99 * levels + 1


def test_payloads_hold_what_was_asked_for() -> None:
    """So many observations in payloads of so many entities, each payload a second later, and none twice."""
    made = [Payload.from_record(record) for record in payloads(1, 100, 300, 7)]
    bodies = [orjson.loads(each.body)["items"] for each in made]
    assert [len(items) for items in bodies] == [100, 100, 100]
    assert [items[0]["at"][17:19] for items in bodies] == ["07", "08", "09"]
    assert {item["id"] for items in bodies for item in items} == {f"p1-{number}" for number in range(100)}


def test_sixteen_views_are_declared(tmp_path: Path) -> None:
    """Four views of the pilot and twelve more must be sixteen, without a fault."""
    write_pilot(tmp_path, sources=1, views=4, more=extra_views(16))
    (stream,) = load_plan([tmp_path]).streams
    assert len(stream.views) + 1 == 16


def test_each_source_may_have_a_stream_of_its_own(tmp_path: Path) -> None:
    """A pilot of so many streams has as many sources, one for each."""
    write_streams(tmp_path, 3)
    plan = load_plan([tmp_path])
    assert [stream.name for stream in plan.streams] == ["load-0", "load-1", "load-2"]
    assert [source.stream for source in plan.sources] == ["load-0", "load-1", "load-2"]


def test_a_local_pilot_asks_nobody_else(tmp_path: Path) -> None:
    """Every source of the pilot that `up` is started with must ask the publisher on loopback."""
    write_local_pilot(tmp_path, "http://127.0.0.1:9")
    assert all('url: "http://127.0.0.1:9/' in file.read_text("utf-8") for file in tmp_path.glob("load-*.yaml"))


def test_costs_are_compared_with_the_least() -> None:
    """The figure that compares is the cost of the most against that of the least."""
    found = _by_row(list(compared("views", {1: 10.0, 4: 15.0, 16: 40.0}, "storing")))
    assert found["views 16 of 1"].value == pytest.approx(4.0)
    assert found["views 4"].unit == "us"


def test_processes_are_named_by_their_command() -> None:
    """Our processes have the name of their verb, the server's is the database; everything else is nobody's."""
    assert role_of(["python", "-m", "smartflanders.cli", "web", "--pilot=x"]) == "web"
    assert role_of(["/x/bin/postgres", "-D", "/data"]) == "database"
    assert role_of(["postgres: checkpointer"]) is None
    assert role_of([]) is None


def test_adding_a_view_is_compared_with_publishing() -> None:
    """Four times as many members a second is a ratio of four, at a third of the processor time one of three."""
    published = Measured(seconds=4.0, processor={"write": 3.0}, others=0.0)
    added = Measured(seconds=2.0, processor={"write": 2.0}, others=0.0)
    found = _by_row(list(backfill.figures_of(published, 1_000, added, 2_000)))
    assert found["backfill"].value == pytest.approx(4.0)
    assert found["backfill-processor"].value == pytest.approx(3.0)
