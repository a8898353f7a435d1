"""A running platform and publishers that misbehave: every fault is told, and nothing else suffers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from smartflanders.logs_of import open_log
from smartflanders.platform import shipped_pilots
from streams.log import Log
from streams.record import Reason, Rejection, rejected_topic
from streams.settings import load_settings
from tests.acceptance.conftest import OwnLog
from tests.support import crawl
from tests.support.running import ROOT, Running

pytestmark = pytest.mark.slow

SOURCES = ("miv-verkeersdata", "miv-configuratie", "gent-garages", "gent-park-and-ride", "mean-garages")
TRAFFIC, GARAGES, RIDES = "miv/verkeersdata", "bezetting-parkeergarages", "real-time-bezetting-pr"
_SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Mean:
    """An HTTP server whose one document the test decides."""

    def __init__(self) -> None:
        self.body = b'{"results": []}'
        mean = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(mean.body)))
                self.end_headers()
                self.wfile.write(mean.body)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(slots=True)
class Stage:
    """The platform, the simulated city that can misbehave, and the mean server."""

    running: Running
    city: str
    mean: Mean
    environ: Mapping[str, str]
    peak: int = 0

    @property
    def pipeline(self) -> psutil.Process:
        """The pipeline process."""
        (found,) = (process for process in self.running.process.children() if "pipeline" in process.cmdline())
        return found

    @property
    def dsn(self) -> str:
        """The database's address, as the pipeline was told it."""
        return self.pipeline.environ()["SF_DATABASE_URL"]

    def _log(self) -> AbstractAsyncContextManager[Log]:
        """Open the log that the platform uses."""
        return open_log(load_settings(self.environ), self.dsn, kept={})

    def misbehave(self, *faults: str) -> None:
        """Replace the faults of the simulated city."""
        request = urllib.request.Request(f"{self.city}-/faults", data=json.dumps(faults).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)) == len(faults)

    def metric(self, name: str, **labels: str) -> int:
        """Read a counter, summed over the labels that are not named."""
        text = self.running.get("/metrics").decode()
        return sum(
            int(float(value))
            for found, pairs, value in _SAMPLE.findall(text)
            if found == name and labels.items() <= dict(_LABEL.findall(pairs)).items()
        )

    def until(self, wanted: Any, what: str, *, within: float = 40) -> None:
        """Wait for a condition, watching the pipeline's memory."""
        deadline = time.monotonic() + within
        while not wanted():
            self.peak = max(self.peak, self.pipeline.memory_info().rss)
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self.running.errors()}"
            time.sleep(0.1)

    def until_more(self, name: str, **labels: str) -> None:
        """Wait until a counter has grown."""
        before = self.metric(name, **labels)
        self.until(lambda: self.metric(name, **labels) > before, f"{name} {labels}")

    async def rejections(self, source: str, *, after: int = -1) -> list[tuple[int, Rejection]]:
        """Read the rejected topic of a source from the log."""
        topic = rejected_topic(source)
        found: list[tuple[int, Rejection]] = []
        async with self._log() as log:
            newest = await log.last(topic)
            if newest is None or newest.offset <= after:
                return []
            async for batch in log.read(topic, after=after):
                found += [(entry.offset, Rejection.from_record(entry.record)) for entry in batch]
                if batch[-1].offset >= newest.offset:
                    break
        return found

    async def end(self, source: str) -> int:
        """Return the offset of the newest rejection."""
        async with self._log() as log:
            newest = await log.last(rejected_topic(source))
        return -1 if newest is None else newest.offset


def write_pilots(folder: Path, city: str, mean: str) -> None:
    """Copy the pilots that the city plays, asked at the simulated city every second, and one source at the mean server."""
    folder.mkdir()
    for file in (file for pilot in shipped_pilots() for file in pilot.glob("*.yaml")):
        text = re.sub(r"url: https?://", f"url: {city}", file.read_text("utf-8"))
        (folder / file.name).write_text(re.sub(r"every: \S+", "every: 1s\n  timeout: 8s", text), "utf-8")
    text = (folder / "garages.yaml").read_text("utf-8")
    text = re.sub(r"url: \S+", f"url: {mean}/garages", text)
    text = text.replace("source: gent-garages", "source: mean-garages").replace("gent-parking", "mean-parking")
    # What it serves is no list of all there is.
    text = text.replace(", absent: delete, transaction: payload", "")
    (folder / "mean.yaml").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def stage(own_log: OwnLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start the city, the mean server and the platform once for all tests of this file on one log."""
    folder, environ = tmp_path_factory.mktemp("bad"), own_log()
    argv = [sys.executable, "-m", "smartflanders.cli", "simulate", "--lanes", "40", "--speed", "60"]
    with Mean() as mean, subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as city:
        assert city.stdout is not None
        address = city.stdout.readline().removeprefix("ready ").strip()
        write_pilots(folder / "pilots", address, mean.origin)
        try:
            with Running(folder / "data", "--pilot", str(folder / "pilots"), environ=environ) as running:
                found = Stage(running=running, city=address, mean=mean, environ=environ)
                for source in SOURCES[:4]:
                    found.until(lambda source=source: found.metric("sf_items_in_total", source=source), source)
                yield found
        finally:
            city.terminate()


# The fault, the source it meets, and the reason it is refused with.
REFUSED = [
    ("malformed", TRAFFIC, "miv-verkeersdata", Reason.MALFORMED),
    ("malformed", GARAGES, "gent-garages", Reason.MALFORMED),
    ("html", RIDES, "gent-park-and-ride", Reason.MALFORMED),
    ("bomb", TRAFFIC, "miv-verkeersdata", Reason.FORBIDDEN),
    ("bomb", RIDES, "gent-park-and-ride", Reason.MALFORMED),
    ("drift", TRAFFIC, "miv-verkeersdata", Reason.MISSING),
    ("drift", GARAGES, "gent-garages", Reason.MISSING),
    ("missing-field", TRAFFIC, "miv-verkeersdata", Reason.MISSING),
    ("bad-coordinates", GARAGES, "gent-garages", Reason.RANGE),
]


# One of each reason and of each form of a document is enough to see that rejections go through either log.
EITHER = (REFUSED[0], REFUSED[3], REFUSED[6], REFUSED[8])
# What a publisher sends is told apart before any log is asked.
ONE_LOG = pytest.mark.parametrize("own_log", ["postgres"], indirect=True)


@pytest.mark.parametrize(("fault", "where", "source", "reason"), EITHER)
async def test_what_is_wrong_is_refused(stage: Stage, fault: str, where: str, source: str, reason: Reason) -> None:
    """A document or an item that is wrong is refused with reason, path and excerpt; then all goes on."""
    await _refuse(stage, fault, where, source, reason)


@ONE_LOG
@pytest.mark.parametrize(("fault", "where", "source", "reason"), [case for case in REFUSED if case not in EITHER])
async def test_what_else_is_wrong_is_refused(stage: Stage, fault: str, where: str, source: str, reason: Reason) -> None:
    """And so is every other fault of a document, of each publisher."""
    await _refuse(stage, fault, where, source, reason)


async def _refuse(stage: Stage, fault: str, where: str, source: str, reason: Reason) -> None:
    after = await stage.end(source)
    before = stage.metric("sf_rejections_total", source=source, reason=reason.value)
    stage.misbehave(f"{fault}@{where}")
    try:
        stage.until(
            lambda: stage.metric("sf_rejections_total", source=source, reason=reason.value) > before, f"{fault} told"
        )
        for other in {"miv-verkeersdata", "gent-garages"} - {source}:
            stage.until_more("sf_items_in_total", source=other)
    finally:
        stage.misbehave()
    found = [rejection for _, rejection in await stage.rejections(source, after=after)]
    assert found
    assert {rejection.reason for rejection in found} == {reason}
    for rejection in found:
        assert rejection.source == source
        assert rejection.offset >= 0
        assert rejection.path
        assert rejection.detail
        assert 0 < len(rejection.excerpt) <= 500
    stage.until_more("sf_items_total", source=source, outcome="member")


@ONE_LOG
async def test_items_before_a_break_go_through(stage: Stage) -> None:
    """Of a document that breaks in the middle the whole items are published, and the break is one rejection."""
    stage.misbehave(f"malformed@{TRAFFIC}")
    try:
        stage.until_more("sf_rejections_total", source="miv-verkeersdata")
        stage.until_more("sf_items_total", source="miv-verkeersdata", outcome="member")
    finally:
        stage.misbehave()


@ONE_LOG
@pytest.mark.parametrize(
    ("fault", "where", "source"),
    [
        ("error", GARAGES, "gent-garages"),
        ("truncated", TRAFFIC, "miv-verkeersdata"),
        ("silent", RIDES, "gent-park-and-ride"),
        ("oversize", TRAFFIC, "miv-verkeersdata"),
    ],
)
async def test_what_fails_is_tried_again(stage: Stage, fault: str, where: str, source: str) -> None:
    """An outage is a failed poll, counted and retried; memory stays flat, and nothing is refused for it."""
    after, failed = await stage.end(source), stage.metric("sf_polls_total", source=source, outcome="failed")
    stage.peak = before = stage.pipeline.memory_info().rss
    stage.misbehave(f"{fault}@{where}")
    try:
        stage.until(lambda: stage.metric("sf_polls_total", source=source, outcome="failed") > failed, f"{fault} failed")
        for other in {"miv-verkeersdata", "gent-garages"} - {source}:
            stage.until_more("sf_items_in_total", source=other)
    finally:
        stage.misbehave()
    stage.until_more("sf_items_total", source=source, outcome="member")
    assert await stage.rejections(source, after=after) == []
    print(f"{fault}: pipeline {before / 2**20:.0f} MB before, at most {stage.peak / 2**20:.0f} MB meanwhile")
    # A body may grow to max_bytes, 64 MB, before it is given up; it is there in pieces and, for a moment, whole.
    assert stage.peak < before + 192 * 2**20
    assert stage.peak < 300 * 2**20


@ONE_LOG
@pytest.mark.parametrize("fault", ["doubled", "reordered", "late", "slow", "sentinel", "wrong-clock"])
async def test_what_is_odd_is_taken(stage: Stage, fault: str) -> None:
    """Repeats, old news and slow answers are taken as they come: published once, never doubled, never an alarm."""
    after = await stage.end("miv-verkeersdata")
    stage.misbehave(f"{fault}@{TRAFFIC}")
    try:
        for _ in range(2):
            stage.until_more("sf_items_in_total", source="miv-verkeersdata")
        stage.until_more("sf_items_total", source="miv-verkeersdata", outcome="member")
    finally:
        stage.misbehave()
    assert await stage.rejections("miv-verkeersdata", after=after) == []
    members = crawl.members(f"{stage.running.base}/miv-verkeer/log")
    assert [member["sequence"] for member in members] == list(range(len(members)))
    assert len({member["@id"] for member in members}) == len(members)


def _record(**changes: Any) -> dict[str, Any]:
    number = changes.pop("number")
    good = {
        "id": f"https://example.org/garage/{number}",
        "lastupdate": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": f"Garage {number}",
        "totalcapacity": 100,
        "availablecapacity": 40,
        "location": {"lon": 3.72, "lat": 51.05},
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


# What is changed in a record (... takes it away), and the reason and the field it is refused with; None goes through.
ITEMS: list[tuple[Mapping[str, Any], Reason | None, str]] = [
    ({}, None, ""),
    ({"new_field_of_today": {"a": [1, 2]}}, None, ""),
    ({"id": ...}, Reason.MISSING, "id"),
    ({"lastupdate": ...}, Reason.MISSING, "lastupdate"),
    ({"lastupdate": None}, Reason.MISSING, "lastupdate"),
    ({"lastupdate": "yesterday"}, Reason.TYPE, "lastupdate"),
    ({"lastupdate": "2026-02-30T10:00:00+01:00"}, Reason.TYPE, "lastupdate"),
    ({"lastupdate": "1980-01-01T00:00:00Z"}, Reason.RANGE, "lastupdate"),
    ({"lastupdate": "2999-01-01T00:00:00Z"}, Reason.RANGE, "lastupdate"),
    # A clock that runs an hour ahead is believed, one that is two days ahead is not.
    ({"lastupdate": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, None, ""),
    ({"lastupdate": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, Reason.RANGE, "lastupdate"),
    ({"availablecapacity": "many"}, Reason.TYPE, "availablecapacity"),
    ({"availablecapacity": {"now": 3}}, Reason.TYPE, "availablecapacity"),
    ({"availablecapacity": 1.5}, Reason.TYPE, "availablecapacity"),
    ({"totalcapacity": -7}, Reason.RANGE, "totalcapacity"),
    ({"location": {"lon": 3720.5, "lat": 951.0}}, Reason.RANGE, "location"),
    ({"location": {"lon": "east", "lat": "north"}}, Reason.TYPE, "location"),
    ({"name": "Dampoort"}, None, ""),
]


async def test_each_item_for_itself(stage: Stage) -> None:
    """Wrong types, impossible times and places are refused item by item with their path; the others go through."""
    after, before = await stage.end("mean-garages"), stage.metric("sf_items_in_total", source="mean-garages")
    records = [_record(number=number, **changes) for number, (changes, _, _) in enumerate(ITEMS)]
    stage.mean.body = json.dumps({"results": [*records, "a word", 7, None]}).encode()
    wanted = before + len(ITEMS) + 3
    stage.until(lambda: stage.metric("sf_items_in_total", source="mean-garages") >= wanted, "all items")
    refused = {rejection.path: rejection for _, rejection in await stage.rejections("mean-garages", after=after)}
    problems: list[object] = []
    for number, (changes, reason, name) in enumerate(ITEMS):
        found = [entry for path, entry in refused.items() if path.startswith(f"$.results[{number}]")]
        if [entry.reason for entry in found] != ([] if reason is None else [reason]):
            problems.append((changes, reason, found))
        elif found and name not in found[0].path:
            problems.append((changes, name, found))
    assert problems == []
    assert all(any(path.startswith(f"$.results[{len(ITEMS) + n}]") for path in refused) for n in range(3))
    good = {record["id"] for record, (_, reason, _) in zip(records, ITEMS, strict=True) if reason is None}
    bad = {record.get("id") for record in records} - good

    def published() -> set[str]:
        return {member["isVersionOf"] for member in crawl.members(f"{stage.running.base}/mean-parking/log")}

    stage.until(lambda: published() >= good, "members")
    assert published().isdisjoint(bad)


@ONE_LOG
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data": {"garages": [{"id": 1}]}}', Reason.STRUCTURE),
        (b'["a list", "of words"]', Reason.STRUCTURE),
        (b"", Reason.MALFORMED),
        (b"\xff\xfe\x00binary", Reason.MALFORMED),
        (b"%PDF-1.7 not at all", Reason.MALFORMED),
        (b"# yaml\nresults:\n  - id: [unclosed\n", Reason.MALFORMED),
    ],
    ids=["renamed", "list", "empty", "binary", "pdf", "yaml"],
)
async def test_document_of_another_kind(stage: Stage, body: bytes, reason: Reason) -> None:
    """A document that changed its structure overnight or is no JSON at all is one rejection."""
    after = await stage.end("mean-garages")
    before = stage.metric("sf_rejections_total", source="mean-garages", reason=reason.value)
    stage.mean.body = body
    stage.until(
        lambda: stage.metric("sf_rejections_total", source="mean-garages", reason=reason.value) > before, "a rejection"
    )
    ((_, rejection),) = await stage.rejections("mean-garages", after=after)
    assert rejection.reason is reason
    assert rejection.path
    assert rejection.detail


async def test_nothing_vanishes(stage: Stage) -> None:
    """After all of it: items = members + unchanged + rejected for every source, and as many rejections in the log."""
    stage.misbehave()
    stage.mean.body = json.dumps({"results": [_record(number=1000 + n) for n in range(3)]}).encode()
    stage.until_more("sf_items_in_total", source="mean-garages")
    lines = []
    for source in SOURCES:
        # The four counters of a batch are not written in one stroke: look again when one is ahead.
        counts: list[int] = []

        def adds_up(source: str = source, counts: list[int] = counts) -> bool:
            names = ("member", "unchanged", "rejected")
            counts[:] = [stage.metric("sf_items_in_total", source=source)]
            counts += [stage.metric("sf_items_total", source=source, outcome=name) for name in names]
            return counts[0] == sum(counts[1:])

        stage.until(adds_up, f"the counts of {source}: {counts}", within=10)
        lines.append(f"{source}: {counts[0]} items = {counts[1]} members + {counts[2]} unchanged + {counts[3]} refused")
        assert len(await stage.rejections(source)) >= counts[3]
        assert stage.metric("sf_rejections_total", source=source) >= counts[3]
    print(*lines, sep="\n")
    # Idle loops have nothing to do, whatever the log; a publisher that is asked every second is never long overdue.
    stage.until(lambda: stage.metric("sf_loop_lag_entries") == 0, "idle loops")
    assert stage.metric("sf_poll_due_timestamp_seconds", source="mean-garages") > time.time() - 60
    assert stage.running.status() is None
    assert "Traceback" not in stage.running.errors()


def test_three_faults_are_told_at_once(tmp_path: Path) -> None:
    """A source file with three faults reports three, each with its line and its fix, and ends with status 2."""
    text = (ROOT / "deploy" / "pilots" / "gent" / "parking" / "garages.yaml").read_text("utf-8")
    for old, new in (
        ("total_spaces:", "total_space:"),
        ("every: 60s", "every: x"),
    ):
        assert old in text
        text = text.replace(old, new)
    text = text.replace("heartbeat: 15m", "heartbeat: often")
    file = tmp_path / "garages.yaml"
    file.write_text(text, "utf-8")
    for arguments in (["source", "check", str(file)], ["up", "--pilot", str(tmp_path), "--data", str(tmp_path / "d")]):
        done = subprocess.run(
            [sys.executable, "-m", "smartflanders.cli", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "3 problems" in done.stderr
        assert done.stderr.count("fix: ") == 3
        assert len(re.findall(r"garages\.yaml\S* ?(?:line )?\d+|line \d+", done.stderr)) >= 3
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()
