"""A trial: load before, a fault, and afterwards the account of what was lost, doubled or changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.account import Verdict, judge
from tests.support.cluster import BROKEN, EVERYBODY, WORKERS, Cluster, Started, until
from tests.support.reader import Reader

# A process may hold so much more (MB) while what it writes to does not answer: one payload or one batch in hand.
FLAT = 48.0
# What was told before the end is published within this many seconds, or it is lost.
_CATCH_UP = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How hard a row tries: the short form runs with all tests, the long one by `make failures`, bounded in minutes."""

    long: bool
    minutes: float

    def of(self, short: float, long: float) -> float:
        """Choose a number."""
        return long if self.long else short

    def rounds(self, short: int, long: int) -> Iterator[int]:
        """Count so many rounds, fewer where the time ends before."""
        end = time.monotonic() + 60 * self.minutes
        for number in range(long if self.long else short):
            if time.monotonic() > end:
                return
            yield number


@dataclass(slots=True)
class Trial:
    """One row over a running cluster; entering waits for load, leaving without an error judges and prints the figures.

    `within` bounds, in seconds, the time from the end of a fault until something told after it is published.
    """

    row: str
    cluster: Cluster
    reader: Reader
    within: float
    kills: int = 0
    waits: list[float] = field(default_factory=list)
    grown: float | None = None
    _pages: int = 0
    _began: float = 0.0

    def __enter__(self) -> Self:
        until(self._is_whole, within=60, what="every loop of every role")
        self.cluster.grows(within=60)
        until(lambda: len(self.reader.kept) >= 3, within=60, what="a final page")
        self._pages = len(self.reader.kept)
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._judge()

    def steady(self) -> None:
        """Wait until something is published that was told after now, and note how long that took."""
        self.waits.append(self.cluster.grows(within=self.within))

    def hold(self, seconds: float, roles: Sequence[str] = WORKERS) -> None:
        """Let a fault last, and note how much the processes of these roles grow meanwhile."""
        watched = [process for role in roles for process in self.cluster.roles[role]]
        before = {process.pid: process.memory() for process in watched}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            most = max(process.memory() - before[process.pid] for process in watched)
            self.grown = max(self.grown or 0.0, most)

    def kill(self, name: str, victim: Started) -> Started:
        """Kill a process of a role; another one starts in its place."""
        self.kills += 1
        return self.cluster.kill(name, victim)

    def _is_whole(self) -> bool:
        try:
            return self.cluster.is_whole()
        except BROKEN:
            return False

    def _judge(self) -> None:
        lasted = time.monotonic() - self._began
        verdict = judge(self.cluster.account, self.cluster.members, patience=_CATCH_UP)
        pages = self.reader.compare()
        self._print(verdict, pages=pages, lasted=lasted)
        assert verdict.faultless, verdict
        assert self.reader.changed == [], "a final page has changed"
        assert self.cluster.doors.denied == [], "a page that was linked was denied (TREE-22)"
        assert self.cluster.ended() == [], "a process ended by itself"
        assert self.grown is None or self.grown < FLAT, "memory grew while it was blocked"
        points = self.cluster.members("miv-meetpunten")
        assert len({point["@id"] for point in points}) == len(points) == self.cluster.lanes

    def _print(self, verdict: Verdict, *, pages: int, lasted: float) -> None:
        memory = max(process.memory() for name in EVERYBODY for process in self.cluster.roles[name])
        grown = (
            "" if self.grown is None else f", at most {self.grown:+.1f} MB per process while blocked (bound {FLAT:g})"
        )
        steady = f"steady again after {max(self.waits, default=0):.1f} s at most (bound {self.within:g})"
        print(
            f"\n{self.row}: {self.kills} kills in {lasted:.0f} s; {verdict.members} members, {verdict.told} due, "
            f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, invented {len(verdict.invented)}; "
            f"{pages} final bodies unchanged ({self._pages} from before), {self.reader.broken} reads broken off; "
            f"{steady}; largest process {memory:.0f} MB{grown}"
        )
