"""A city whose car parks tell some things late, published with four views by one process of each role."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from smartflanders.roles import ROLES
from streams.record import format_time
from tests.support import crawl
from tests.support.account import Account, Verdict
from tests.support.clients import AcceptProxy
from tests.support.cluster import Started, until
from tests.support.running import ROOT, free_port

STREAM = "gent-parking"
PARKING = ROOT / "deploy" / "pilots" / "gent" / "parking"
# A window closes a minute after its end: what is told late has pages of its own, and windows close while a test runs.
VIEWS = """views:
  by-minute: { by_time: observed_at, levels: [hour, minute], lateness: 1m }
  by-tile: { by_tile: point, zooms: [8, 11, 14] }
  by-garage: { by_property: entity, then: { by_time: observed_at, levels: [hour], lateness: 1m } }
  by-name: { by_prefix: name, length: 2 }
"""
NAMES = ("log", "by-minute", "by-tile", "by-garage", "by-name")
# Two hours of the city pass in twenty seconds; then its time is ours.
_BACK, _SPEED = timedelta(hours=2), 360
# The sources are asked twice a second, every third minute of the city: some of what a car park says every other minute is
# not seen in its turn. In every answer a tenth of the car parks say what they said ten minutes before.
_ASKED = 120


class Latecomers:
    """The city with its ledger, the platform on the database at `dsn`, and a collector that can rest.

    Readers come through `proxy`, which notes what they are refused. What nothing links any more answers for `grace`.
    """

    def __init__(self, folder: Path, dsn: str, *, grace: timedelta) -> None:
        self.folder = folder
        self.grace = grace
        self._port = free_port()
        self.proxy = AcceptProxy(free_port(), f"http://127.0.0.1:{self._port}")
        self.base = self.proxy.base
        self.account = Account(file=folder / "ledger.ndjson")
        self._pilot = folder / "pilot"
        self._running: dict[str, Started] = {}
        self._environ = {
            "SF_DATABASE_URL": dsn,
            "SF_BASE_URL": self.base,
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "SF_VIEW_GRACE": f"{grace.total_seconds():.0f}s",
        }

    @property
    def roots(self) -> dict[str, str]:
        """The root of the history and of each view, by name."""
        return {name: f"{self.base}/{STREAM}/{name}" for name in NAMES}

    def __enter__(self) -> Self:
        (self.folder / "metrics").mkdir()
        self._pilot.mkdir()
        for name in ("garages.yaml", "park-and-ride.yaml"):
            shutil.copyfile(PARKING / name, self._pilot / name)
        self._declare("")
        self.proxy.__enter__()
        try:
            start = format_time(datetime.now(UTC) - _BACK)
            clock = [f"--start={start}", "--patient", f"--speed={_SPEED}"]
            told = f"--ledger={self.account.file}"
            self._running["simulate"] = Started(
                self.folder, "simulate", "--lanes=0", *clock, told, "--fault=late", environ={}
            )
            self._origin = self._running["simulate"].ready()
            self._publish()
            self.collect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            stack.callback(self.proxy.__exit__, None, None, None)
            for process in self._running.values():
                stack.callback(process.stop)

    def keep(self, since: str) -> None:
        """From now on keep what was published since then, and nothing else."""
        self._declare(f"retention: {{ starting_from: {since} }}\n")
        self.look()

    def look(self) -> None:
        """Start the writer again: what its policy wants is done at once then, and later each minute."""
        self._running.pop("write").stop()
        self._running["write"] = self._start("write")
        self._running["write"].ready()

    def _declare(self, more: str) -> None:
        (self._pilot / f"{STREAM}.stream.yaml").write_text(f"stream: {STREAM}\n{more}{VIEWS}", "utf-8")

    def _publish(self) -> None:
        starting = {name: self._start(name) for name in ROLES if name != "collect"}
        starting["serve"] = self._start("serve", f"--port={self._port}")
        self._running |= starting
        for process in starting.values():
            process.ready()

    def collect(self) -> None:
        """Collect, until there is a rest."""
        self._running["collect"] = self._start("collect")
        self._running["collect"].ready()

    def _start(self, name: str, *arguments: str) -> Started:
        where = (f"--origin={self._origin}", f"--speed={_ASKED}", f"--pilot={self._pilot}")
        return Started(self.folder, name, *where, *arguments, environ=self._environ)

    def rest(self) -> Verdict:
        """Collect nothing more, and return what the ledger says of the history once all that was collected is in it."""
        self._running.pop("collect").stop()
        due = self.account.read().due(STREAM)
        verdicts: list[Verdict] = []

        def settled() -> bool:
            time.sleep(1)
            verdicts.append(self.account.judge(STREAM, due, lambda _: self.members("log")))
            return not verdicts[-1].lost and [each.members for each in verdicts[-3:-1]] == [verdicts[-1].members] * 2

        until(settled, within=30, what=f"what was collected: {verdicts[-1:]}")
        return verdicts[-1]

    def members(self, name: str) -> list[dict[str, Any]]:
        """Read the history or a view by its JSON pages."""
        return crawl.members(self.roots[name])

    def newest(self) -> tuple[int, str]:
        """Return how many members there are, and the newest observed time (UTC) that they tell."""
        latest = json.loads(crawl.fetch(f"{self.base}/{STREAM}/latest")[0])["member"]
        return max((it["sequence"] + 1 for it in latest), default=0), max(
            (it["observedAt"] for it in latest), default=""
        )
