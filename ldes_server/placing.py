"""Places members in the buckets of a view: decides what a batch adds, before and after the buckets are known; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ldes_server.model import Fragmentation, Published, Step, Trail

ROOT_KEY = ""
ROOT_NUMBER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a batch does to a view: `steps` are the buckets at which and above which it places members.

    `steps` has key → (the parent's key, the last step of the trail), in order of first appearance, parents first;
    `runs` key → the sequence numbers placed in the bucket itself; `totals` key → how many members are placed at or
    below it, each once, the root included.
    """

    steps: Mapping[str, tuple[str, Step]]
    runs: Mapping[str, Sequence[int]]
    totals: Mapping[str, int]


# Of these two there may be one for every member of a batch, and a tuple is made in half the time of a dataclass.
class Held(NamedTuple):
    """What the store has of a bucket: its number, how many members it held before the batch, and how many children."""

    number: int
    start: int
    children: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBucket:
    """A bucket that the batch brings into being; `parent` is its parent's number."""

    number: int
    parent: int
    rank: int
    count: int
    total: int
    children: int
    key: str
    step: Step


class Run(NamedTuple):
    """Members of one bucket, by number: those at the places from `start` on have these sequence numbers."""

    bucket: int
    start: int
    sequences: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What to store: new buckets, runs, `adopted` (key of a bucket there was → new children), and the next number."""

    created: tuple[NewBucket, ...]
    runs: tuple[Run, ...]
    adopted: Mapping[str, int]
    buckets: int


def touch(fragmentation: Fragmentation, members: Iterable[tuple[Published, Mapping[str, Any]]]) -> Touched:
    """Ask a fragmentation where members (each with its parsed body, in order of publication) belong.

    Raises:
        ValueError: the fragmentation left a member out, or sent it to a bucket that had closed before: a defect.

    """
    work = _Touching()
    for member, body in members:
        trails = fragmentation.trails(member, body)
        if len(trails) == 1:
            work.one(member, trails[0])
        else:
            work.several(member, trails)
    return work.result()


class _Touching:
    """The sums while a batch is read."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[str, Step]] = {}
        self._runs: dict[str, list[int]] = {}
        self._several: Counter[str] = Counter()
        self._last: dict[str, tuple[Trail, Published]] = {}
        # Fragmentations hand out the same trail for the same bucket again and again: its identity is its fastest name.
        # The trail is kept beside it, so no other one gets that identity meanwhile.
        self._known: dict[int, tuple[Trail, str, list[int]]] = {}

    def one(self, member: Published, trail: Trail) -> None:
        known = self._known.get(id(trail)) or self._open(trail)
        known[2].append(member.sequence)
        self._last[known[1]] = (trail, member)

    def several(self, member: Published, trails: Sequence[Trail]) -> None:
        if not trails:
            raise ValueError(f"the view leaves member {member.id} out")
        counted: set[str] = set()
        for trail in trails:
            _, key, run = self._known.get(id(trail)) or self._open(trail)
            if not run or run[-1] != member.sequence:
                run.append(member.sequence)
                self._last[key] = (trail, member)
                # What the bucket's run adds to the totals below is taken back here: each bucket counts a member once.
                self._several.subtract(_with_parents(self._steps, key))
            counted.update(_with_parents(self._steps, key))
        self._several.update(counted)

    def _open(self, trail: Trail) -> tuple[Trail, str, list[int]]:
        if not trail:
            raise ValueError("the view has a trail that leads nowhere")
        key = ROOT_KEY
        for step in trail:
            parent, key = key, f"{key}.{step.key}" if key else step.key
            self._steps.setdefault(key, (parent, step))
        known = self._known[id(trail)] = (trail, key, self._runs.setdefault(key, []))
        return known

    def result(self) -> Touched:
        for trail, member in self._last.values():
            # Publication times never decrease, so the last one of a bucket speaks for all.
            if any(step.closes_at is not None and step.closes_at <= member.published_at for step in trail):
                raise ValueError(f"the view places {member.id} where it had closed by {member.published_at}")
        totals = dict.fromkeys((ROOT_KEY, *self._steps), 0)
        for key, run in self._runs.items():
            above, count = key, len(run)
            while above:
                totals[above] += count
                above = self._steps[above][0]
            totals[ROOT_KEY] += count
        for key, count in self._several.items():
            totals[key] += count
        return Touched(steps=self._steps, runs=self._runs, totals=totals)


def _with_parents(steps: Mapping[str, tuple[str, Step]], key: str) -> list[str]:
    found = [key]
    while key:
        key = steps[key][0]
        found.append(key)
    return found


def settle(touched: Touched, held: Mapping[str, Held], buckets: int) -> Placement:
    """Decide what a batch adds to a view of which the buckets `held` are there; the next one gets number `buckets`.

    The same members in the same order make the same buckets with the same numbers and ranks, however they are cut into
    batches: a bucket comes into being with the first member at or below it.
    """
    numbers = {key: each.number for key, each in held.items()}
    children = {key: each.children for key, each in held.items()}
    fresh: list[tuple[str, str, Step, int]] = []
    for key, (parent, step) in touched.steps.items():
        if key not in held:
            numbers[key] = buckets
            buckets += 1
            fresh.append((key, parent, step, children[parent]))
            children[parent] += 1
            children[key] = 0
    runs = touched.runs
    return Placement(
        created=tuple(
            NewBucket(
                number=numbers[key],
                parent=numbers[parent],
                rank=rank,
                count=len(runs.get(key, ())),
                total=touched.totals[key],
                children=children[key],
                key=key,
                step=step,
            )
            for key, parent, step, rank in fresh
        ),
        runs=tuple(Run(numbers[key], held[key].start if key in held else 0, run) for key, run in runs.items()),
        adopted={key: children[key] - each.children for key, each in held.items() if children[key] > each.children},
        buckets=buckets,
    )
