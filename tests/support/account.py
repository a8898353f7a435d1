"""What the simulated city told, as its ledger says, held against what the feeds show: nothing lost, doubled or made up."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Self

from tests.support import ledger

# Which sources feed a stream. The measuring points are told once, at the start, and never change.
FEEDS: Mapping[str, Sequence[str]] = {
    "miv-verkeer": ("miv-verkeersdata",),
    "gent-parking": ("gent-garages", "gent-park-and-ride"),
}
Replicate = Callable[[str], Sequence[Mapping[str, Any]]]
# What was observed of which entity at what time (UTC).
Fact = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One feed against the ledger: `told` certainly arrived and had to be published; the rest are the faults found."""

    members: int
    told: int
    lost: Sequence[Fact]
    doubled: Sequence[Fact]
    invented: Sequence[Fact]
    disordered: bool

    def __add__(self, other: Verdict) -> Verdict:
        """Count two feeds together."""
        return Verdict(
            members=self.members + other.members,
            told=self.told + other.told,
            lost=[*self.lost, *other.lost],
            doubled=[*self.doubled, *other.doubled],
            invented=[*self.invented, *other.invented],
            disordered=self.disordered or other.disordered,
        )

    @property
    def faultless(self) -> bool:
        """Whether the feed is what was told: everything, once, in order, and nothing else."""
        return not (self.lost or self.doubled or self.invented or self.disordered)


@dataclass(slots=True)
class Account:
    """The ledger of a simulator that still writes it, read as far as it goes."""

    file: Path
    _at: int = 0
    _facts: dict[str, dict[Fact, object]] = field(default_factory=lambda: defaultdict(dict))
    _first: dict[str, dict[Fact, int]] = field(default_factory=lambda: defaultdict(dict))
    _bodies: dict[int, tuple[str, str]] = field(default_factory=dict)
    _confirmed: set[tuple[str, str]] = field(default_factory=set)

    def read(self) -> Self:
        """Read what was written since."""
        with self.file.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                self._note(json.loads(line))
        return self

    def _note(self, line: Mapping[str, Any]) -> None:
        source = line["source"]
        if line["kind"] == "body":
            self._bodies[line["n"]] = (source, line["etag"])
        elif line["kind"] == "confirmed":
            # Whoever shows its ETag has this very content, whichever of the bodies with it arrived.
            self._confirmed.add((source, line["etag"]))
        else:
            values = line["values"]
            fact = (line["entity"], line["observed_at"].replace("+00:00", "Z"))
            self._facts[source][fact] = sum(values["counts"]) if "counts" in values else values.get("free")
            self._first[source].setdefault(fact, line["body"])

    def newest(self, source: str) -> str:
        """Return the newest observed time that a source told."""
        return max((time for _, time in self._facts[source]), default="")

    def count(self, source: str) -> int:
        """Return how many facts a source told."""
        return len(self._facts[source])

    def documents(self, source: str) -> int:
        """Return how many different documents a source handed over."""
        return len({etag for told_by, etag in self._bodies.values() if told_by == source})

    def due(self, stream: str) -> set[Fact]:
        """Return what must be published: what certainly arrived and, of car parks, is news."""
        due: set[Fact] = set()
        for source in FEEDS[stream]:
            arrived = {fact for fact, body in self._first[source].items() if self._bodies[body] in self._confirmed}
            due |= arrived if stream == "miv-verkeer" else _changes(self._facts[source], self._first[source], arrived)
        return due

    def judge(self, stream: str, due: AbstractSet[Fact], replicate: Replicate) -> Verdict:
        """Replicate a feed: it must show all that is due, and nothing that was not told until now."""
        members = replicate(stream)
        self.read()
        told = {fact: value for source in FEEDS[stream] for fact, value in self._facts[source].items()}
        shown = ledger.shown(members)
        unique = dict(shown)
        return Verdict(
            members=len(members),
            told=len(due),
            lost=sorted(due - unique.keys()),
            doubled=_twice([fact for fact, _ in shown]) + _twice([(str(member["@id"]), "") for member in members]),
            invented=[fact for fact, value in shown if fact not in told or told[fact] != value],
            disordered=_disordered(members),
        )


def _disordered(members: Sequence[Mapping[str, Any]]) -> bool:
    times = [member["generatedAtTime"] for member in members]
    return [member["sequence"] for member in members] != list(range(len(members))) or times != sorted(times)


def _twice(facts: Iterable[Fact]) -> list[Fact]:
    seen: set[Fact] = set()
    return [fact for fact in facts if fact in seen or seen.add(fact)]  # type: ignore[func-returns-value]


def _changes(told: Mapping[Fact, object], first: Mapping[Fact, int], arrived: AbstractSet[Fact]) -> set[Fact]:
    """Return what arrived and says something else than anything that may have been the newest of its entity then.

    The facts of an entity are taken in the order in which they were told: one that comes late, after a newer one, is
    compared with that one and does not become the newest.
    """
    newest: dict[str, str] = {}
    possible: dict[str, dict[str, object]] = defaultdict(dict)
    found: set[Fact] = set()
    for fact in sorted(told, key=lambda each: (first[each], each[1])):
        (entity, time), value = fact, told[fact]
        before = possible[entity]
        if fact in arrived and value not in before.values():
            found.add(fact)
        if time < newest.get(entity, ""):
            continue
        if fact in arrived:
            newest[entity] = time
            for earlier in [each for each in before if each < time]:
                del before[earlier]
        before[time] = value
    return found


def judge(account: Account, replicate: Replicate, *, patience: float = 0.0) -> Verdict:
    """Replicate every feed of the city and compare it with what was told before now.

    Of a city that goes on telling, the newest may be on its way: it has `patience` seconds to be published.
    """
    account.read()
    due = {stream: account.due(stream) for stream in FEEDS}
    deadline = time.monotonic() + patience
    while True:
        verdict = reduce(add, (account.judge(stream, facts, replicate) for stream, facts in due.items()))
        if not verdict.lost or time.monotonic() > deadline:
            return verdict
