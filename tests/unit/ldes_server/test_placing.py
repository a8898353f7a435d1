"""Placing, pure: the same buckets however the batches are cut, every member counted once, nothing where it closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.model import Published, Step, Trail
from ldes_server.placing import ROOT_KEY, ROOT_NUMBER, Held, Placement, Touched, settle, touch

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
WAYS = st.lists(KEYS, min_size=1, max_size=3)


class Given:
    """A fragmentation that sends members where a list says."""

    def __init__(self, ways: Sequence[Sequence[Sequence[str]]]) -> None:
        self._ways = ways

    def trails(self, member: Published, _body: Mapping[str, Any]) -> tuple[Trail, ...]:
        """Return the ways of the list."""
        return tuple(tuple(Step(key=key) for key in way) for way in self._ways[member.sequence])


class Memory:
    """A store of one view in memory: what the placements of all batches add up to."""

    def __init__(self) -> None:
        self.held = {ROOT_KEY: Held(number=ROOT_NUMBER, start=0, children=0)}
        self.totals = {ROOT_KEY: 0}
        self.runs: dict[int, list[int]] = {}
        self.ranks: dict[str, tuple[int, int, int]] = {}
        self.next = 1

    def add(self, touched: Touched) -> Placement:
        """Store a batch."""
        placement = settle(touched, {key: self.held[key] for key in touched.totals if key in self.held}, self.next)
        self.next = placement.buckets
        for new in placement.created:
            self.ranks[new.key] = (new.number, new.parent, new.rank)
            self.held[new.key] = Held(number=new.number, start=0, children=new.children)
            self.totals[new.key] = 0
        for key, count in placement.adopted.items():
            old = self.held[key]
            self.held[key] = Held(number=old.number, start=old.start, children=old.children + count)
        for run in placement.runs:
            assert run.start == len(self.runs.setdefault(run.bucket, []))
            self.runs[run.bucket] += run.sequences
        for key, count in touched.totals.items():
            self.totals[key] += count
            old = self.held[key]
            own = len(self.runs.get(old.number, []))
            self.held[key] = Held(number=old.number, start=own, children=old.children)
        return placement


def member(number: int) -> Published:
    """Make a member."""
    return Published(
        sequence=number,
        published_at=NOON + timedelta(seconds=number),
        id=f"m{number}",
        entity="e",
        observed_at=NOON,
        point=None,
        body=b"{}",
    )


def run(ways: Sequence[Sequence[Sequence[str]]], cuts: Sequence[int]) -> Memory:
    """Place a member for each item of `ways`, in batches that end at `cuts`."""
    memory = Memory()
    edges = [0, *sorted(cut % (len(ways) + 1) for cut in cuts), len(ways)]
    for start, stop in pairwise(edges):
        memory.add(touch(Given(ways), [(member(number), {}) for number in range(start, stop)]))
    return memory


@given(st.lists(WAYS, max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_batches_may_be_cut_anywhere(ways: list[list[list[str]]], cuts: list[int]) -> None:
    """However the same members are cut into batches, buckets, numbers, ranks, places and counts are the same."""
    whole, cut = run(ways, []), run(ways, cuts)
    for name in ("held", "totals", "runs", "ranks", "next"):
        assert getattr(cut, name) == getattr(whole, name)


@given(st.lists(WAYS, max_size=30))
def test_totals_count_each_member_once(ways: list[list[list[str]]]) -> None:
    """A bucket holds each of its members once, and its total counts the distinct members at and below it (TREE-23)."""
    memory = run(ways, [])
    below: dict[str, set[int]] = {key: set() for key in memory.held}
    own: dict[str, list[int]] = {}
    for number, each in enumerate(ways):
        for key in dict.fromkeys(".".join(way) for way in each):
            own.setdefault(key, []).append(number)
        for way in each:
            for depth in range(len(way) + 1):
                below[".".join(way[:depth])].add(number)
    assert memory.totals == {key: len(found) for key, found in below.items()}
    assert {key: memory.runs[memory.held[key].number] for key in own} == own


@given(st.lists(WAYS, min_size=1, max_size=30))
def test_numbers_and_ranks_are_dense(ways: list[list[list[str]]]) -> None:
    """Numbers are dense within the view and ranks within the parent, which is always the older of the two."""
    memory = run(ways, [3, 7])
    assert sorted(number for number, _, _ in memory.ranks.values()) == list(range(1, memory.next))
    children: dict[int, list[int]] = {}
    for number, parent, rank in memory.ranks.values():
        assert parent < number
        children.setdefault(parent, []).append(rank)
    for key, held in memory.held.items():
        assert sorted(children.get(held.number, [])) == list(range(held.children)), key


def test_a_closed_bucket_takes_nothing() -> None:
    """A fragmentation that sends a member to a bucket that has closed, on any level, is a defect (LDES-58)."""

    class Late:
        def trails(self, _member: Published, _body: Mapping[str, Any]) -> tuple[Trail, ...]:
            return ((Step(key="day", closes_at=NOON + timedelta(seconds=5)), Step(key="hour", closes_at=NOON)),)

    assert touch(Given([[["a"]]]), [(member(0), {})]).runs == {"a": [0]}
    with pytest.raises(ValueError, match="closed"):
        touch(Late(), [(member(0), {})])


@pytest.mark.parametrize("ways", [(), ((),)])
def test_every_member_has_a_place(ways: tuple[tuple[()], ...]) -> None:
    """A fragmentation that leaves a member out, or names no bucket, is a defect (TREE-20)."""
    with pytest.raises(ValueError, match=r"leaves|nowhere"):
        touch(Given([ways]), [(member(0), {})])
