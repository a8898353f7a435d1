"""A run of scenarios: which are run, what is kept, what is told, and what the command answers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtests import results, running
from loadtests.__main__ import main
from loadtests.budget import read
from loadtests.finding import chosen, found
from loadtests.outcome import Figure, Outcome
from loadtests.results import Run
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.scenarios.burst import Watch
from loadtests.telling import Telling
from smartflanders.load_commands import command
from streams.errors import ConfigError


class Finding:
    """A scenario that finds the same figure every time, or breaks off."""

    summary = "finds a figure"

    def __init__(self, name: str, *figures: Figure, breaks: str = "") -> None:
        self.name = name
        self.rows: tuple[str, ...] = tuple(figure.row for figure in figures)
        self.folders: list[Path] = []
        self._figures = figures
        self._breaks = breaks

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Say what it does, and find it."""
        assert list(plan.folder.iterdir()) == []
        self.folders.append(plan.folder)
        tell("finding")
        if self._breaks:
            raise RuntimeError(self._breaks)
        began = datetime.now(UTC)
        return Outcome(scenario=self.name, began=began, seconds=1, others=0, figures=self._figures)


def asked(*scenarios: Scenario, smoke: bool = False) -> Run:
    """Say what is run."""
    return Run(
        began=datetime.now(UTC),
        command="test",
        form="short",
        smoke=smoke,
        log="postgres",
        commit="unknown",
        machine={},
        rows={each.name: each.rows for each in scenarios},
    )


def figure(row: str, value: float, unit: str = "ratio") -> Figure:
    """Make a figure."""
    return Figure(row=row, value=value, unit=unit)


async def ran(folder: Path, *scenarios: Scenario, smoke: bool = False) -> None:
    """Run scenarios into a folder."""
    results.begin(folder, asked(*scenarios, smoke=smoke))
    await running.run_all(scenarios, running.plan_for(long=False, log="postgres", seconds=None), folder, read())


async def test_one_that_breaks_off_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    """What it said is kept, the next one runs, and the report shows both."""
    good, bad = Finding("good", figure("path", 0.3)), Finding("bad", figure("turtle", 1), breaks="the broker died")
    await ran(tmp_path, bad, good)
    kept = results.read(tmp_path)
    assert list(kept.outcomes) == ["good"]
    assert kept.failures["bad"].endswith("RuntimeError: the broker died\n")
    assert not kept.complete
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "the broker died" in report
    assert "0.3×" in report


async def test_each_has_an_empty_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    """A scenario that leaves files behind leaves none on the machine."""
    one, two = Finding("one"), Finding("two", breaks="x")
    await ran(tmp_path, one, two)
    assert one.folders != two.folders
    assert not any(folder.exists() for folder in (*one.folders, *two.folders))


async def test_a_figure_in_another_unit_than_its_row_breaks_off(tmp_path: Path) -> None:
    """It is the scenario's fault, told with its name, and no report is lost by it."""
    await ran(tmp_path, Finding("wrong", figure("path", 3, "ms")), Finding("right", figure("turtle", 0.9)))
    kept = results.read(tmp_path)
    assert "path is in ms, its budget in ratio" in kept.failures["wrong"]
    assert list(kept.outcomes) == ["right"]


@pytest.mark.parametrize(
    ("figures", "smoke", "status"),
    [([figure("path", 0.3)], False, 0), ([figure("path", 0.2)], False, 1), ([figure("path", 0.2)], True, 0)],
)
async def test_the_exit_status_is_the_budget(
    figures: Sequence[Figure], smoke: bool, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when every row is met and 1 when one is missed; loosened bounds are those of the run."""
    await ran(tmp_path, Finding("one", *figures), smoke=smoke)
    assert main(["report", str(tmp_path)]) == status
    assert capsys.readouterr().out.splitlines()[1].startswith("FAIL" if status else "PASS")
    await ran(tmp_path, Finding("two", breaks="x"))
    (tmp_path / "outcomes" / "one.json").unlink()
    assert main(["report", str(tmp_path)]) == 1


async def test_two_runs_are_compared_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table shows both values; comparing is no judgement, so the status is 0."""
    for name, value in (("a", 0.2), ("b", 0.4)):
        await ran(tmp_path / name, Finding("one", figure("path", value)))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["unclear", "one", "path", "0.2×", "0.4×", "2.00"]


def test_every_scenario_names_rows_that_the_budget_has() -> None:
    """All scenarios are found by their modules, and each row that they name is in budget.toml."""
    there = found()
    assert {"write", "burst", "fan-in"} <= set(there)
    assert chosen(["all"], there, read()) == list(there.values())
    assert [scenario.name for scenario in chosen(["burst", "write", "burst"], there, read())] == ["burst", "write"]


def test_wrong_words_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown scenarios and rows, folders that hold no run or a run already: status 2 and the fix, and nothing is run."""
    assert main(["run", "wirte", "brust"]) == 2
    told = capsys.readouterr().err
    assert "wirte: is no scenario" in told
    assert "brust: is no scenario" in told
    assert main(["report", str(tmp_path)]) == 2
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert main(["run", "--seconds", "0"]) == 2
    assert main([]) == 2
    with pytest.raises(ConfigError, match="answers `huge`, which the budget does not have"):
        chosen(["odd"], {"odd": Finding("odd", figure("huge", 1))}, read())


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --resume it is refused; with it, too, when what is there was run in another form."""
    results.begin(tmp_path, asked(Finding("write")))
    assert main(["run", "write", "--out", str(tmp_path)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(["run", "write", "--out", str(tmp_path), "--resume", "--long", "--smoke"]) == 2
    assert "another kind (form short, smoke False)" in capsys.readouterr().err


def test_a_run_that_is_complete_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--resume leaves out what the folder has; with all of it there, only the table and the report are made."""
    burst = found()["burst"]
    results.begin(tmp_path, asked(burst))
    figures = (figure("burst-lost", 0, "count"), figure("burst-steady", 1.5))
    results.keep(tmp_path, Outcome(scenario="burst", began=datetime.now(UTC), seconds=1, others=0, figures=figures))
    assert main(["run", "burst", "--out", str(tmp_path), "--resume"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 pass"


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its rows."""
    assert main(["list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("burst ")]
    assert line.endswith("burst-lost, burst-steady")


def test_without_a_terminal_a_line_comes_every_ten_seconds() -> None:
    """Begin and end of a scenario are told at once, what lies between when nothing was said for ten seconds."""
    now, stream = [0.0], io.StringIO()
    telling = Telling(2, stream=stream, clock=lambda: now[0])
    telling.begin("write")
    for second in range(1, 26):
        now[0] = second
        telling("measuring")
    telling.end("done")
    assert stream.getvalue().splitlines() == [
        "[1/2] write 0 s: begins",
        "[1/2] write 10 s: measuring",
        "[1/2] write 20 s: measuring",
        "[1/2] write 25 s: done",
    ]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_terminal_shows_one_line_that_is_kept_current() -> None:
    """A new phase is drawn at once, the same one five times a second at most, each over the line before."""
    now, stream = [0.0], Terminal()
    telling = Telling(1, stream=stream, clock=lambda: now[0])
    telling.begin("burst")
    for words in ("before: 1", "before: 2", "after: 3"):
        now[0] += 0.1
        telling(words)
    now[0] += 0.3
    telling("after: 4")
    telling.end("done")
    drawn = [part.removesuffix("\x1b[K") for part in stream.getvalue().rstrip("\n").split("\r")[1:]]
    assert [part.partition(" s: ")[2] for part in drawn] == ["begins", "before: 1", "after: 3", "after: 4", "done"]
    assert stream.getvalue().count("\n") == 1


def test_the_lag_is_back_when_it_stays() -> None:
    """It dips below the limit, rises, and falls for good at 3 s: the time is 3 s, known two seconds later."""
    watch = Watch(100, stays=2)
    looks = [(0.0, 900), (1.0, 90), (2.0, 500), (3.0, 100), (4.0, 60)]
    assert not any(watch(seconds, lag) for seconds, lag in looks)
    assert watch.back is None
    assert watch(5.0, 70)
    assert watch.back == 3.0


def test_the_verb_becomes_the_other_command() -> None:
    """`smartflanders load` hands its words over as they are."""
    assert command(["run", "all", "--short"]) == [sys.executable, "-m", "loadtests", "run", "all", "--short"]


def test_a_plan_knows_its_forms() -> None:
    """A phase and a number are those of the form, unless a mere check is asked for."""
    short, long = Plan(folder=Path()), Plan(folder=Path(), long=True)
    check = Plan(folder=Path(), long=True, seconds=2)
    assert [plan.phase(5, 20) for plan in (short, long, check)] == [5, 20, 2]
    assert [plan.count(3, 9, least=1) for plan in (short, long, check)] == [3, 9, 1]


def test_what_was_run_is_kept_in_words(tmp_path: Path) -> None:
    """The file of a run is JSON that other programs can read."""
    results.begin(tmp_path, asked(Finding("one", figure("path", 1))))
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["rows"] == {"one": ["path"]}


def test_without_its_library_the_verb_says_how_to_get_it() -> None:
    """Where the extra is not installed the verb ends with status 2 and names the command that installs it."""
    script = (
        "import sys; sys.modules['hdrh'] = None; from smartflanders.cli import main; sys.exit(main(['load', 'list']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "`hdrh` is not installed here" in done.stderr
    assert "pip install 'smartflanders[load]'" in done.stderr
