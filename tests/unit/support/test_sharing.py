"""How a run is shared among worker processes, and the ports each of them takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_ports, own_range
from tests.support.running import ROOT
from tests.support.sharing import long_first, part_of_run

NAMES = (
    "tests/unit/test_a.py::test_1",
    "tests/acceptance/test_b.py::test_2[x::y]",
    "tests/failures/test_c.py::test_3",
    "tests/unit/test_d.py::test_4",
    "tests/acceptance/test_b.py::test_5",
    "tests/failures/test_e.py::test_6",
)

SAMPLE = """
import os
import pytest

@pytest.mark.parametrize("number", range(3))
def test_{name}(number):
    print("worker", os.environ["PYTEST_XDIST_WORKER"])
    assert {holds}
"""


def test_a_part_is_a_module_except_where_platforms_are_broken() -> None:
    """Tests of a module stay together, and everything in tests/failures does, since it shares a small machine badly."""
    parts = [part_of_run(name) for name in NAMES]
    assert parts[1] == parts[4] == "tests/acceptance/test_b.py"
    assert parts[2] == parts[5] == "tests/failures"
    assert len(set(parts)) == 4


def test_what_takes_long_begins_first() -> None:
    """The failures come first, then modules with a slow test, whole; the rest keeps its random order, and all is there."""
    order = long_first(NAMES, lambda place: place == 4)
    assert order == [2, 5, 1, 4, 0, 3]


@pytest.mark.parametrize(("first", "second"), [("gw0", "gw1"), ("gw1", "gw7")])
def test_workers_take_ports_of_their_own(monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    """The ranges of two workers do not meet, and lie below the ports that Linux gives to connections."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", first)
    one = own_range()
    monkeypatch.setenv("PYTEST_XDIST_WORKER", second)
    other = own_range()
    assert not set(one) & set(other)
    assert max(*one, *other) < 32768


def test_ports_differ_and_are_free() -> None:
    """Each port found can be listened on, and one that somebody listens on is not found."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(1)[0]))
        found = free_ports(len(own_range()) // 2)
        assert taken.getsockname()[1] not in found
    assert len(set(found)) == len(found)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", found[0]))


def test_a_shared_run_names_a_failure_at_once_and_ends_as_ever(tmp_path: Path) -> None:
    """With two workers each module runs in one of them, a failure is named when it comes, and pytest has the last line."""
    for name, holds in (("whole", "True"), ("broken", "number != 1")):
        (tmp_path / f"test_{name}.py").write_text(SAMPLE.format(name=name, holds=holds), "utf-8")
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import (\n"
        "    pytest_collection_modifyitems, pytest_sessionstart, pytest_xdist_make_scheduler\n"
        ")\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-n", "2", "-rA", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 1, done.stdout + done.stderr
    assert lines[-1].startswith("=")
    assert "1 failed, 5 passed" in lines[-1]
    named = lines.index("FAILED in call: test_broken.py::test_broken[1]")
    assert named < next(place for place, line in enumerate(lines) if "short test summary" in line)
    workers = [line for line in lines if line.startswith("worker gw")]
    assert len(workers) == 6
    assert {name: sum(line.endswith(name) for line in workers) for name in ("gw0", "gw1")} == {"gw0": 3, "gw1": 3}
