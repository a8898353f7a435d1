"""The doctor beside a running `up`: everything is in order, and it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import ROOT, Running

pytestmark = pytest.mark.slow


def doctor(data: Path) -> tuple[int, dict[str, Any]]:
    """Ask the doctor; return the exit status and the report."""
    argv = [sys.executable, "-m", "smartflanders.cli", "doctor", "--data", str(data), "--json"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SF_")}
    done = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_running_city_is_healthy(tmp_path: Path) -> None:
    """Every loop of every role is held, every stream has members, the disk's room is known, and the status is 0."""
    with Running(tmp_path / "data", "--lanes", "5", "--speed", "60") as running:
        end = time.monotonic() + 90
        while (found := doctor(running.data))[0] and time.monotonic() < end:
            time.sleep(1)
        status, report = found
        assert status == 0, report["findings"]
        holders = {loop["holder"] for loop in report["loops"]}
        pids = {process.pid for process in running.processes()}
    assert len(holders) == 1
    assert int(str(holders.pop()).rpartition(" ")[2]) in pids
    assert {loop["role"] for loop in report["loops"]} >= {"collect", "normalise", "write", "views", "expire"}
    assert all(loop["behind"] is not None for loop in report["loops"] if loop["role"] in ("normalise", "write"))
    assert {each["name"] for each in report["streams"]} >= {"gent-parking", "miv-meetpunten", "miv-verkeer"}
    assert all(each["members"] > 0 and each["sizes"]["members"] > 0 and each["planned"] for each in report["streams"])
    assert 0 < report["disk"]["free"] <= report["disk"]["total"]
    assert report["disk"]["reserve"] > 0
