"""Fifty processes killed at random moments, and nothing missing, doubled or changed afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.conftest import environ_of, part_of
from tests.support import crawl, ledger
from tests.support.broker import Kafka
from tests.support.reader import Reader, reading
from tests.support.running import Running, free_port

pytestmark = pytest.mark.slow

SEED = 20261123
# The log of each round; Kafka's own brokers are killed elsewhere (tests/integration/test_kafka_log.py).
ROUNDS = ("postgres", "kafka", "postgres", "postgres")
# Fifty kills, each kind several times; the backends are whatever works below the postmaster.
KILLS = {"supervisor": 8, "pipeline": 10, "web": 8, "simulate": 8, "postmaster": 8, "backend": 8}
STREAMS = ("gent-parking", "miv-verkeer", "miv-meetpunten")


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
            with reading(Reader(base=running.base, streams=STREAMS)) as reader:
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
