"""The budget: the file that comes along, every fault of another, and verdicts on figures."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtests.budget import Judgement, Row, all_met, judge, read
from loadtests.outcome import Figure, Outcome
from loadtests.wording import budget_table
from streams.errors import ConfigError

FAST = Row(name="fast", what="speed", reference="COPY", unit="ratio", bound="least", aim=0.5, smoke=0.1)
SMALL = Row(name="small", what="size", reference="", unit="B", bound="most", aim=900, smoke=1500)
ROWS = {"fast": FAST, "small": SMALL}


def outcome(*figures: Figure) -> Outcome:
    """Make an outcome of the scenario `one`."""
    return Outcome(scenario="one", began=datetime(2026, 11, 28, tzinfo=UTC), seconds=1, others=0, figures=figures)


def judged(*figures: Figure, smoke: bool = False) -> list[tuple[str, str]]:
    """Judge figures against both rows; the rows and what became of them."""
    verdicts = judge(ROWS, [outcome(*figures)], {"one": ("fast", "small")}, smoke=smoke)
    return [(verdict.row.name, verdict.judgement.value) for verdict in verdicts]


def test_the_budget_that_comes_along_has_no_fault() -> None:
    """Every row of budget.toml is read, and its loosened bound asks for no more than its aim."""
    rows = read()
    assert len(rows) >= 30
    assert (rows["page-final"].aim, rows["page-final"].bound, rows["path-rate"].unit) == (0.75, "least", "1/s")


def test_every_fault_of_a_budget_is_named_at_once(tmp_path: Path) -> None:
    """Missing and unknown keys, wrong kinds, units and bounds, and a smoke bound that is stricter: all in one error."""
    path = tmp_path / "budget.toml"
    path.write_text(
        '[a]\nwhat = "x"\nreference = ""\nunit = "miles"\nbound = "exact"\naim = "much"\nsmoke = 1\nhue = "red"\n'
        '[b]\nwhat = 3\nunit = "ratio"\nbound = "least"\naim = 0.5\nsmoke = 0.1\n'
        '[c]\nwhat = "x"\nreference = ""\nunit = "ms"\nbound = "most"\naim = 100\nsmoke = 50\n',
        "utf-8",
    )
    with pytest.raises(ConfigError) as error:
        read(path)
    told = [(problem.where, problem.what) for problem in error.value.problems]
    assert told == [
        ("budget.toml [a]", "has an unknown key `hue`"),
        ("budget.toml [a]", "`aim` is not a number"),
        ("budget.toml [a]", "`unit` is 'miles'"),
        ("budget.toml [a]", "`bound` is 'exact'"),
        ("budget.toml [b]", "lacks `reference`"),
        ("budget.toml [b]", "`what` is not a text"),
        ("budget.toml [c]", "`smoke` (50) asks for more than `aim` (100)"),
    ]
    assert all(problem.fix for problem in error.value.problems)


def test_a_budget_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    """The message of the parser, which names the line, reaches the reader; so does a file that is not there."""
    path = tmp_path / "budget.toml"
    path.write_text("[a]\naim = = 1\n", "utf-8")
    with pytest.raises(ConfigError, match="line 2"):
        read(path)
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "none.toml")


def test_figures_pass_or_fail_at_the_bound() -> None:
    """`least` and `most` are met at the bound itself and missed beyond it."""
    exact = (Figure(row="fast", value=0.5, unit="ratio"), Figure(row="small", value=900, unit="B"))
    beyond = (Figure(row="fast", value=0.49, unit="ratio"), Figure(row="small", value=901, unit="B"))
    assert judged(*exact) == [("fast", "pass"), ("small", "pass")]
    assert judged(*beyond) == [("fast", "fail"), ("small", "fail")]


def test_a_smoke_check_has_looser_bounds() -> None:
    """What misses the aim but not the loosened bound passes with `smoke`, and only then."""
    slow = Figure(row="fast", value=0.2, unit="ratio")
    assert judged(slow)[0] == ("fast", "fail")
    assert judged(slow, smoke=True)[0] == ("fast", "pass")


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """A row without a figure is shown as such; a figure that is no number fails."""
    assert judged() == [("fast", "not measured"), ("small", "not measured")]
    assert judged(Figure(row="fast", value=math.nan, unit="ratio"))[0] == ("fast", "fail")
    verdicts = judge(ROWS, [], {"one": ("fast",)})
    assert all_met(verdicts)
    assert [verdict.judgement for verdict in verdicts] == [Judgement.NOT_MEASURED]


def test_names_and_units_must_fit() -> None:
    """A scenario that names no row of the budget, or measures in another unit, is refused."""
    with pytest.raises(ValueError, match="no such row of the budget: one: huge"):
        judge(ROWS, [], {"one": ("huge",)})
    with pytest.raises(ValueError, match="one: fast is in ms, its budget in ratio"):
        judged(Figure(row="fast", value=3, unit="ms"))


def test_the_table_says_figure_bound_spread_and_reference() -> None:
    """Each row of the table holds them, and the last line counts."""
    figure = Figure(row="fast", value=0.2134, unit="ratio", samples=(0.2, 0.2134, 0.3))
    lines = budget_table(judge(ROWS, [outcome(figure)], {"one": ("fast", "small")})).splitlines()
    assert " ".join(lines[1].split()) == "FAIL fast one 0.213× ≥ 0.5× 0.2 to 0.3 of 3 speed / COPY"
    assert " ".join(lines[2].split()) == "NOT MEASURED small one ≤ 900 B size"
    assert lines[3] == "1 fail, 1 not measured"
