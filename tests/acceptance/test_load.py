"""The load scenario runs: real roles from payload to page, and the figures it prints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.running import ROOT


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
