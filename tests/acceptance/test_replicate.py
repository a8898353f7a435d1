"""`smartflanders replicate` as people run it: whole cities, killed and resumed, followed through a restart, proven."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from smartflanders.cli import main
from tests.acceptance.test_stay_live import City, until
from tests.support import crawl, ledger
from tests.support.running import ROOT, Running

pytestmark = pytest.mark.slow

# Times that a copy is killed before it may end.
KILLS = 6


@pytest.fixture(scope="module")
def told(part: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Any]]:
    """Publish a part of the recordings, and give what their documents tell."""
    data = tmp_path_factory.mktemp("told") / "data"
    with Running(data, "--replay", str(part)) as running:
        running.wait_for("replay complete", within=90)
        yield running, ledger.told(part)


def members(out: Path) -> list[dict[str, Any]]:
    """Read a copy, its whole lines."""
    return [json.loads(line) for line in out.read_bytes().split(b"\n")[:-1]]


def test_every_view_of_every_stream_gives_what_was_told(told: tuple[Running, Any], tmp_path: Path) -> None:
    """From the root of any view, in any order, the copy is what the publishers' documents tell, each once."""
    running, facts = told
    views = 0
    for stream, wanted in facts.items():
        roots = json.loads(crawl.fetch(f"{running.base}/{stream}/log")[0])["views"]
        for number, root in enumerate([f"{running.base}/{stream}", *roots]):
            out = tmp_path / f"{stream}-{number}"
            assert main(["replicate", root, "--out", str(out), *(["--ordered"] if number % 2 else [])]) == 0
            shown = ledger.shown(members(out))
            assert Counter(key for key, _ in shown) == Counter(wanted.keys())
            assert dict(shown) == wanted
            views += 1
    assert views > len(facts)


def test_a_region_of_the_city(told: tuple[Running, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--bbox on the view by tile gives the members whose place is in the box, and reads fewer pages than there are."""
    running, _ = told
    root = f"{running.base}/gent-parking/by-tile"
    everything, some = tmp_path / "all", tmp_path / "some"
    assert main(["replicate", root, "--out", str(everything)]) == 0
    pages = int(capsys.readouterr().err.rsplit("; ", 1)[1].split()[0])
    points = {it["@id"]: place_of(it) for it in members(everything)}
    placed = sorted(point for point in points.values() if point is not None)
    west = placed[len(placed) // 2][0]
    assert main(["replicate", root, "--out", str(some), "--bbox", f"{west},50,5,52"]) == 0
    assert int(capsys.readouterr().err.rsplit("; ", 1)[1].split()[0]) <= pages
    wanted = {iri for iri, point in points.items() if point is not None and point[0] >= west}
    assert {it["@id"] for it in members(some)} == wanted
    assert 0 < len(wanted) < len(points)


def place_of(member: dict[str, Any]) -> tuple[float, float] | None:
    """Read the point of a car park."""
    text = json.dumps(member)
    if "POINT (" not in text:
        return None
    longitude, latitude = text.split("POINT (", 1)[1].split(")", 1)[0].split()
    return float(longitude), float(latitude)


@contextmanager
def copying(url: str, out: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "smartflanders.cli", "replicate", url, "--out", str(out), *arguments]
    with (out.parent / f"{out.name}.err").open("ab") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=errors, stderr=errors)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def kill_beyond(url: str, out: Path, order: list[str], size: int) -> None:
    """Kill a copy once it is so long, if it has not ended by then."""
    with copying(url, out, *order) as process:
        until(lambda: process.poll() is not None or size_of(out) > size)
        process.kill()


def size_of(file: Path) -> int:
    """Return how long a file is; 0 while there is none."""
    return file.stat().st_size if file.exists() else 0


def test_a_copy_that_is_killed_goes_on(recordings: Path, tmp_path: Path) -> None:
    """Killed with SIGKILL again and again, ordered or not, the copy ends as whole as one that was left alone; and is proven."""
    with Running(tmp_path / "data", "--replay", str(recordings)) as running:
        running.wait_for("replay complete", within=240)
        url = f"{running.base}/miv-verkeer"
        wanted = sorted(member["sequence"] for member in crawl.members(f"{url}/log", keep=ledger.slim))
        for name, order in (("unordered", []), ("ordered", ["--ordered"])):
            out = tmp_path / name
            for kill in range(KILLS):
                kill_beyond(url, out, order, 100_000 + kill * 400_000)
            assert main(["replicate", url, "--out", str(out), *order, "--verify"]) == 0
            found = [member["sequence"] for member in members(out)]
            assert (found if order else sorted(found)) == wanted


def test_a_copy_follows_through_a_restart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--follow outlives the restart of the server, ends with status 0 when it is asked to, and has every member once."""
    city = City(tmp_path / "data")
    try:
        city.now.start()
        until(lambda: b'"member":[{' in city.now.get("/gent-parking/latest"))
        out, url = tmp_path / "copy", f"{city.base}/gent-parking"
        with copying(url, out, "--follow", "--every", "1s", "--ordered") as process:
            until(lambda: size_of(out) > 0)
            city.restart()
            before = len(members(out))
            until(lambda: len(members(out)) >= before + 5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        copied = members(out)
        assert [member["sequence"] for member in copied] == list(range(len(copied)))
        log = {member["sequence"]: member for member in crawl.members(f"{url}/log")}
        assert copied == [log[number] for number in range(len(copied))]
        assert "Traceback" not in (tmp_path / "copy.err").read_text("utf-8")
    finally:
        city.now.stop()


def test_ctrl_c_ends_a_copy_that_can_go_on(told: tuple[Running, Any], tmp_path: Path) -> None:
    """SIGINT in the middle is status 130; run again, the copy is whole."""
    running, facts = told
    out, url = tmp_path / "copy", f"{running.base}/miv-verkeer"
    with copying(url, out) as process:
        time.sleep(0.2)
        until(lambda: process.poll() is not None or (tmp_path / "copy.state").exists())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (130, 0)
    assert main(["replicate", url, "--out", str(out)]) == 0
    assert len(members(out)) == len(facts["miv-verkeer"])
