"""The report of a run: numbers in, the same numbers on a page that asks nobody for anything."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import html

from loadtests import results
from loadtests.budget import judge, read
from loadtests.charts import marks, of_percentiles, over_time, thinned
from loadtests.outcome import Figure, Latency, Series
from loadtests.report import page
from loadtests.results import Results, Run
from loadtests.wording import number
from streams.errors import ConfigError
from tests.unit.loadtests.test_outcome import OUTCOME

RUN = Run(
    began=datetime(2026, 11, 28, 17, 30, tzinfo=UTC),
    command="python -m loadtests run all <short>",
    form="short",
    smoke=False,
    log="postgres",
    commit="abcdef123456",
    machine={"processor": "Pentium & Co, 2 cores"},
    rows={"write": ("path", "disk", "age-p50"), "burst": ("burst-lost",)},
)
RESULTS = Results(run=RUN, outcomes={"write": OUTCOME}, failures={"burst": "RuntimeError: a < b"})


def written(found: Results = RESULTS) -> str:
    """Write the page of a run."""
    return page(found, judge(read(), found.outcomes.values(), found.run.rows))


def test_the_page_shows_each_figure_bound_spread_and_verdict() -> None:
    """A number in is the number on the page, in the row of its budget, with reference and spread beside it."""
    tree = html.fromstring(written())
    rows = {cells[1]: cells for row in tree.xpath("//table[@class='budget']/tbody/tr") if (cells := _cells(row))}
    assert list(rows) == ["path", "disk", "age-p50", "burst-lost"]
    assert rows["path"][:5] == ["pass", "path", "0.26×", "≥ 0.25×", "0.25 to 0.31 of 3"]
    assert rows["path"][6:] == ["COPY of the finished rows", "write", "of COPY"]
    assert rows["disk"][:4] == ["pass", "disk", "841 B", "≤ 900 B"]
    assert rows["age-p50"][0] == "not measured"
    assert rows["burst-lost"][7:] == ["burst", "see the notes of the scenario"]


def _cells(row: html.HtmlElement) -> list[str]:
    return [cell.text_content() for cell in row]


def test_the_page_says_what_was_run_and_what_broke_off() -> None:
    """Command, commit, machine, notes and the words of a scenario that failed are there, as text and not as markup."""
    text = html.fromstring(written()).text_content()
    for words in ("run all <short>", "abcdef123456", "Pentium & Co", "Kafka was not at hand.", "RuntimeError: a < b"):
        assert words in text
    assert "Without a result: burst." in text


def test_the_page_asks_for_nothing() -> None:
    """No address, script, style sheet, picture or font from elsewhere: it can be kept and mailed."""
    text = written()
    assert not re.findall(r"https?://|<script|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|src=", text)


def test_every_chart_can_be_read_without_seeing_it() -> None:
    """Each picture has a title and a description that it names, and a table of its values behind it."""
    tree = html.fromstring(written())
    charts = tree.xpath("//figure")
    assert len(charts) == 2
    for chart in charts:
        (drawing,) = chart.xpath("./svg[@role='img']")
        title, description = (tree.get_element_by_id(name) for name in drawing.get("aria-labelledby").split())
        assert title.text
        assert description.text
        assert chart.xpath("./details/table/tbody/tr")
    values = [cell.text for cell in charts[1].xpath("./details/table/tbody/tr/td[3]")]
    assert values == ["30,000/s", "31,000/s"]
    times = [cell.text for cell in charts[0].xpath("./details/table/tbody/tr/td[4]")]
    assert times == ["12.5 ms", "90 ms"]
    assert len(tree.xpath("//*[@id]/@id")) == len(set(tree.xpath("//*[@id]/@id")))


def test_a_line_stays_inside_its_picture() -> None:
    """Points lie between the axes, the highest value highest, whatever the values are."""
    for values in ([0.0, 0.0], [3.0], [1e-4, 2e6, 17.0], [0.5, 97.3]):
        series = Series(name="x", unit="ms", points=tuple(enumerate(values)))
        drawing = html.fragment_fromstring(over_time("Times", "k", [series]))
        points = [
            tuple(map(float, pair.split(","))) for line in drawing.xpath("//polyline/@points") for pair in line.split()
        ]
        points += [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawing.xpath("//circle")]
        assert len(points) == len(values)
        assert all(50 <= x <= 392 and 8 <= y <= 186 for x, y in points), points
        assert min(points, key=lambda point: point[1])[1] == points[values.index(max(values))][1]


def test_percentiles_are_drawn_further_right_the_rarer_they_are() -> None:
    """Each nine takes the same room, and the worst stands at the end."""
    latency = Latency(
        name="x", count=9, percentiles=((50.0, 1.0), (90.0, 2.0), (99.0, 4.0), (99.9, 8.0), (100.0, 16.0))
    )
    drawing = html.fragment_fromstring(of_percentiles("Times", "k", [latency]))
    (line,) = drawing.xpath("//polyline/@points")
    across = [float(pair.split(",")[0]) for pair in line.split()]
    steps = [after - before for before, after in itertools.pairwise(across)]
    assert steps[1] == pytest.approx(steps[2], abs=0.2)
    assert across[-1] == 392


def test_many_points_keep_their_peaks() -> None:
    """Ten thousand points are drawn as a few hundred, the highest and the lowest among them, in their order."""
    points = [(float(at), float(at * 7919 % 10_007)) for at in range(10_000)]
    kept = thinned(points)
    assert len(kept) <= 240
    assert kept == sorted(kept)
    assert {max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])} <= set(kept)


@pytest.mark.parametrize(
    ("high", "expected"), [(1.0, (0, 0.5, 1.0)), (97.3, (0, 50, 100)), (31_000, (0, 10_000, 20_000, 30_000, 40_000))]
)
def test_axes_are_marked_at_round_values(high: float, expected: tuple[float, ...]) -> None:
    """Steps are 1, 2 or 5 and zeros, and reach the highest value."""
    assert marks(0.0, high) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.5, "0.5"),
        (12.345, "12.3"),
        (999.4, "999"),
        (12345.6, "12,346"),
        (float("nan"), "no number"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, words: str) -> None:
    """Neither more digits than were measured nor fewer than tell figures apart."""
    assert number(value) == words


def test_a_run_on_the_disk_comes_back(tmp_path: Path) -> None:
    """What was run, what was found and what failed are read as they were kept; beginning again forgets failures only."""
    results.begin(tmp_path, RUN)
    results.keep(tmp_path, OUTCOME)
    results.keep_failure(tmp_path, "burst", "RuntimeError: a < b")
    assert results.read(tmp_path) == RESULTS
    results.begin(tmp_path, RUN)
    assert results.read(tmp_path) == replace(RESULTS, failures={})


def test_damaged_files_of_a_run_are_all_named(tmp_path: Path) -> None:
    """An outcome that is cut off and a description that lacks a part are told together; so is a folder without a run."""
    with pytest.raises(ConfigError, match="this is no folder of a run"):
        results.read(tmp_path)
    results.begin(tmp_path, RUN)
    (tmp_path / "run.json").write_text('{"began": "2026-11-28T17:30:00+00:00", "rows": {}}', "utf-8")
    (tmp_path / "outcomes" / "write.json").write_text('{"scenario": "wri', "utf-8")
    with pytest.raises(ConfigError) as error:
        results.read(tmp_path)
    assert [problem.where for problem in error.value.problems] == ["run.json", "outcomes/write.json"]


def test_a_figure_without_a_row_is_shown_too() -> None:
    """What has no budget stands among the figures of its scenario."""
    extra = replace(OUTCOME, figures=(*OUTCOME.figures, Figure(row="collected", value=17, unit="count")))
    assert ">collected<" in written(Results(run=RUN, outcomes={"write": extra}))
