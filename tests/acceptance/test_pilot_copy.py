"""A pilot copied for a second city, asked for on a terminal and run: its own names on every page."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import ROOT, Running

_DATASETS = "data.stad.gent/api/explore/v2.1/catalog/datasets"
_COMMAND = [sys.executable, "-m", "smartflanders.cli"]


@pytest.fixture
def origin() -> Iterator[str]:
    """Give the address of a simulated city, whose portal is that of the second city here."""
    with subprocess.Popen([*_COMMAND, "simulate"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as city:
        assert city.stdout is not None
        yield city.stdout.readline().removeprefix("ready ").strip()
        city.terminate()


def on_a_terminal(words: list[str], typed: list[str]) -> tuple[int, str]:
    """Run a command whose standard input is a terminal at which these lines are typed; return its status and output."""
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [*_COMMAND, *words], cwd=ROOT, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in typed:
                os.write(master, f"{line}\n".encode())
            said, _ = process.communicate(timeout=60)
            return process.returncode, said
    finally:
        os.close(slave)
        os.close(master)


def newest(site: Running, stream: str, *, count: int) -> list[dict[str, Any]]:
    """Return the newest states of a stream once there are so many of them."""
    deadline = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = json.loads(site.get(f"/{stream}/latest"))["member"]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def test_a_copied_pilot_runs_for_a_second_city(origin: str, tmp_path: Path) -> None:
    """Gent's parkings, copied to Aalst on a terminal, run against the simulator: members, catalogue and views are Aalst's."""
    folder = tmp_path / "aalst" / "parking"
    garages = f"{origin}{_DATASETS}/bezetting-parkeergarages-real-time/records?limit=100"
    rides = f"{origin}{_DATASETS}/real-time-bezetting-pr-gent/records?limit=100"
    # Enter takes what is proposed of Aalst (seven answers) and of names (four); an address must be typed, until it is.
    typed = [*[""] * 11, garages, "", rides]
    status, said = on_a_terminal(["pilot", "copy", "gent/parking", "--to", "aalst", "--into", str(folder)], typed)
    assert status == 0, said
    assert "address of gent-garages (was: https://data.stad.gent/" in said
    with Running(tmp_path / "data", "--pilot", str(folder)) as site:
        members = newest(site, "aalst-parking", count=17)
        catalogue = site.get("/", Accept="text/turtle").decode()
        by_hour = json.loads(site.get("/aalst-parking/by-hour"))
    assert len(members) == 17
    assert {member["@id"].split("/")[3] for member in members} == {"aalst-parking"}
    assert "Stad Aalst" in catalogue
    assert "Free spaces in the car parks of Aalst" in catalogue
    assert "gent-parking" not in catalogue + json.dumps(members)
    assert by_hour["view"]["relation"]
