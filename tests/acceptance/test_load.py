"""The load scenarios run: real roles from payload to page, every row of the budget answered, an end in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtests import results
from loadtests.budget import Judgement, judge, read
from loadtests.finding import found
from loadtests.wording import budget_table
from tests.support.cluster import until
from tests.support.running import ROOT

LOAD = [sys.executable, "-m", "loadtests"]


@pytest.mark.slow
@pytest.mark.parametrize("name", found())
def test_a_scenario_answers_every_row_that_it_names(name: str, tmp_path: Path) -> None:
    """Its short form ends well: each row has a figure, or a note that says why not, and stands in table and report.

    How fast this machine is just now is not judged; that no member is lost, no event missed, is.
    """
    command = [*LOAD, "run", name, "--short", "--smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1), done.stderr
    kept = results.read(tmp_path)
    assert kept.failures == {}, done.stderr
    verdicts = judge(read(), kept.outcomes.values(), kept.run.rows, smoke=True)
    assert [verdict.row.name for verdict in verdicts] == sorted(kept.run.rows[name], key=list(read()).index)
    notes = kept.outcomes[name].notes
    for verdict in verdicts:
        answered = verdict.judgement is not Judgement.NOT_MEASURED
        assert answered or any(verdict.row.name in note for note in notes), verdict
        assert verdict.row.smoke != 0 or verdict.judgement is not Judgement.FAIL, verdict.figure
    assert done.stdout == budget_table(verdicts) + "\n"
    report = (tmp_path / "report.html").read_text("utf-8")
    assert all(f">{verdict.row.name}<" in report for verdict in verdicts)


@pytest.mark.slow
def test_an_interrupted_run_stops_what_it_started_and_can_go_on(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a scenario: status 130, no process is left, and the folder says how to go on."""
    command = [*LOAD, "run", "fan-in", "--seconds", "60", "--out", str(tmp_path)]
    with (tmp_path / "told").open("w") as told:
        running = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told)
    try:
        top = psutil.Process(running.pid)
        until(lambda: len(top.children(recursive=True)) >= 5, within=90, what="the platform")
        family = top.children(recursive=True)
        running.send_signal(signal.SIGINT)
        # What is just being started is first waited for, which takes its time on a busy machine.
        assert running.wait(300) == 130
    finally:
        running.kill()
        running.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    assert f"go on with --resume --out {tmp_path}" in (tmp_path / "told").read_text("utf-8")
    assert list(results.read(tmp_path).run.rows) == ["fan-in"]


def test_the_verb_is_the_same_command() -> None:
    """`smartflanders load list` prints what `python -m loadtests list` prints."""
    verb = [sys.executable, "-m", "smartflanders.cli", "load"]
    told = [
        subprocess.run([*words, "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for words in (verb, LOAD)
    ]
    assert told[0] == told[1]
    assert "burst-steady" in told[0]


@pytest.mark.slow
def test_the_end_to_end_scenario_prints_its_figures() -> None:
    """A short run on the PostgreSQL log ends well and prints rate, reference, processor time and ages."""
    command = [sys.executable, "-m", "loadtests.end_to_end", "--log", "postgres", "--views", "4"]
    size = ["--sources", "1", "--items", "100", "--seconds", "3"]
    done = subprocess.run([*command, *size], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    beginnings = [line.split("  ")[0].split(" ")[0] for line in done.stdout.splitlines()]
    assert beginnings == ["log", "sustained", "bare", "processor", "", "machine", "age", "age"]


@pytest.mark.slow
def test_the_scenario_of_a_million_prints_its_figures() -> None:
    """With a few members it ends well: every copy that its client made was complete, and each figure has its reference."""
    command = [sys.executable, "-m", "loadtests.million", "--members", "5000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    beginnings = [line[:10].strip() for line in done.stdout.splitlines()]
    copies = ["SELECT", "replicated", ""]
    assert beginnings == [
        *("members", "to the log", "published", "on disk", "bare COPY", ""),
        *(*copies, *copies, "on disk", "fifth view", "", "replicated", "", "on disk"),
    ]
