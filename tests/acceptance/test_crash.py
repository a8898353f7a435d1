"""Fifty processes killed at random moments, and nothing missing, doubled or changed afterwards."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.conftest import environ_of, part_of
from tests.support import crawl, ledger
from tests.support.broker import Kafka
from tests.support.running import Running, free_port

pytestmark = pytest.mark.slow

SEED = 20261123
# The log of each round; Kafka's own brokers are killed elsewhere (tests/integration/test_kafka_log.py).
ROUNDS = ("postgres", "kafka", "postgres", "postgres")
# Fifty kills, each kind several times; the backends are whatever works below the postmaster.
KILLS = {"supervisor": 8, "pipeline": 10, "web": 8, "simulate": 8, "postmaster": 8, "backend": 8}
FORMS = ("application/ld+json", "text/turtle", "application/n-triples")
STREAMS = ("gent-parking", "miv-verkeer", "miv-meetpunten")
# What a server that dies in the middle of an answer looks like.
BROKEN = (OSError, http.client.HTTPException, ValueError)


def processes(running: Running) -> dict[str, list[psutil.Process]]:
    """Sort the living processes of a platform by kind."""
    found: dict[str, list[psutil.Process]] = {kind: [] for kind in KILLS}
    with suppress(psutil.NoSuchProcess):
        supervisor = running.process
        found["supervisor"].append(supervisor)
        for child in supervisor.children():
            with suppress(psutil.NoSuchProcess):
                argv = child.cmdline()
                if argv[:1] and argv[0].endswith("/postgres"):
                    found["postmaster"].append(child)
                    found["backend"].extend(child.children())
                elif len(argv) > 3 and argv[3] in found:
                    found[argv[3]].append(child)
    return found


@dataclass(slots=True)
class Reader:
    """Fetches final pages all the while in every form, keeps their bytes, and compares when it meets them again."""

    base: str
    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    changed: list[tuple[str, str]] = field(default_factory=list)
    broken: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read on until told to end, whatever the server does."""
        while not self.ended.wait(0.2):
            for stream in STREAMS:
                try:
                    self.look(f"{self.base}/{stream}/log")
                except BROKEN:
                    self.broken += 1

    def look(self, root: str) -> None:
        """Fetch what is final below a root and not kept yet, and one page that is."""
        waiting = [root]
        while waiting and not self.ended.is_set():
            url = waiting.pop()
            document = json.loads(self.fetch(url, FORMS[0]))
            if url != root and document["view"].get("immutable"):
                for form in FORMS[1:]:
                    self.fetch(url, form)
            nodes = [relation["node"] for relation in document["view"].get("relation", [])]
            waiting += [node for node in nodes if (node, FORMS[-1]) not in self.kept or "/log/0/" not in node]

    def fetch(self, url: str, form: str) -> bytes:
        """Fetch a page; a final one is kept, and must never be another again."""
        body, headers = crawl.fetch(url, form)
        if "immutable" in headers["cache-control"] and self.kept.setdefault((url, form), body) != body:
            self.changed.append((url, form))
        return body

    def wait_for_more(self) -> None:
        """Wait, not for long, until another final page was fetched: the next kill shall meet a reader at work."""
        have, deadline = len(self.kept), time.monotonic() + 6
        while len(self.kept) <= have and time.monotonic() < deadline:
            time.sleep(0.05)

    def compare(self) -> None:
        """Fetch every page again that was ever final."""
        for url, form in list(self.kept):
            self.fetch(url, form)


@contextlib.contextmanager
def reading(base: str) -> Iterator[Reader]:
    """Read in the background."""
    reader = Reader(base=base)
    thread = threading.Thread(target=reader.run)
    thread.start()
    try:
        yield reader
    finally:
        reader.ended.set()
        thread.join()


@dataclass(slots=True)
class Round:
    """One data folder, its recordings, and the platform that is killed over it again and again."""

    data: Path
    recordings: Path
    chance: Random
    environ: Mapping[str, str]
    port: int = field(default_factory=free_port)
    running: Running | None = None

    def launch(self) -> Running:
        """Start the platform and do not wait for it."""
        self.running = Running(self.data, "--replay", str(self.recordings), port=self.port, environ=self.environ)
        with suppress(AssertionError):
            self.running.start(within=0)
        return self.running

    def kill(self, kind: str) -> None:
        """Kill one process of a kind at a random moment, as soon as there is one; start a dead platform again."""
        assert self.running is not None
        time.sleep(self.chance.uniform(0.05, 1.5))
        deadline = time.monotonic() + 30
        while not (found := processes(self.running)[kind]):
            assert self.running.status() is None, self.running.errors()
            assert time.monotonic() < deadline, f"no {kind} came up\n{self.running.errors()}"
            time.sleep(0.02)
        with suppress(psutil.NoSuchProcess):
            self.chance.choice(found).kill()
        if kind == "supervisor":
            self.running.wait(within=10)
            self.launch()

    def finish(self) -> None:
        """Let the replay come to its end."""
        assert self.running is not None
        self.running.wait_for("replay complete", within=120)


def verify(base: str, told: Mapping[str, ledger.Facts], reader: Reader) -> int:
    """Compare every feed with the independent count; return the number of members."""
    count = 0
    for stream in STREAMS:
        members = crawl.members(f"{base}/{stream}/log")
        assert [member["sequence"] for member in members] == list(range(len(members)))
        published = [member["generatedAtTime"] for member in members]
        assert published == sorted(published)
        assert len({member["@id"] for member in members}) == len(members)
        shown = ledger.shown(members)
        assert len({key for key, _ in shown}) == len(shown), "a member is there twice"
        assert dict(shown) == told[stream]
        count += len(members)
    reader.compare()
    assert reader.changed == [], "a final page has changed"
    return count


def plan(chance: Random) -> list[list[str]]:
    """Deal the kills over the rounds."""
    kills = [kind for kind, times in KILLS.items() for _ in range(times)]
    chance.shuffle(kills)
    return [kills[number :: len(ROUNDS)] for number in range(len(ROUNDS))]


def test_fifty_kills_lose_and_double_nothing(kafka: Kafka, tmp_path: Path) -> None:
    """After `kill -9` of any process at any moment every feed is complete, dense, ordered and byte-identical."""
    chance, began = Random(SEED), time.monotonic()
    recordings = tmp_path / "recordings"
    ledger.record(recordings, minutes=2)
    told = ledger.told(recordings)
    killed: Counter[str] = Counter()
    for number, (log, kills) in enumerate(zip(ROUNDS, plan(chance), strict=True)):
        environ = environ_of(part_of(kafka)) if log == "kafka" else {}
        playing = Round(data=tmp_path / f"data{number}", recordings=recordings, chance=chance, environ=environ)
        running = playing.launch()
        started = time.monotonic()
        try:
            with reading(running.base) as reader:
                for turn, kind in enumerate(kills):
                    if turn >= len(kills) // 2:
                        reader.wait_for_more()
                    before = len(reader.kept)
                    playing.kill(kind)
                    killed[kind] += 1
                ended = time.monotonic() - started
                playing.finish()
            members = verify(running.base, told, reader)
        finally:
            assert playing.running is not None
            playing.running.stop()
        print(
            f"round {number} on {log}: {len(kills)} kills in {ended:.0f} s, {time.monotonic() - started:.0f} s in all; "
            f"{members} members, {len(reader.kept)} final bodies kept ({before} before the last kill), "
            f"{reader.broken} reads broken off"
        )
        assert before > 0
    print(f"{killed.total()} kills ({dict(killed)}) in {len(ROUNDS)} rounds, {time.monotonic() - began:.0f} s")
    assert killed == KILLS
