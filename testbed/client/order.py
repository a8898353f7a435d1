"""The order of publication: keys of members, bounds of branches, and who can still come before whom (CLI-11, CLI-12)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from pyoxigraph import Literal, NamedNode

from streams.errors import FeedError
from testbed.client.comparison import Family, Verdict, compare, read_literal, read_value
from testbed.client.description import Description
from testbed.client.graph import Dataset, Term
from testbed.client.hypermedia import Relation
from testbed.client.moments import Moment
from testbed.client.paths import Path, values
from testbed.client.terms import XSD, Kind

# A sequence value that sorts: numbers before times before texts, which one stream does not mix (LDES-31).
Rank = tuple[int, Fraction | float | str]
_NONE: Rank = (-1, "")
_LOWER, _UPPER = (Kind.GREATER, Kind.AT_LEAST, Kind.EQUAL), (Kind.LESS, Kind.AT_MOST, Kind.EQUAL)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """A member's place: publication time, then sequence; what ends a transaction comes last among equals (LDES-51)."""

    time: Fraction
    rank: Rank
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What is known of the members of a branch: none before `time`, or none at it either if `beyond`; ranks alike."""

    time: Fraction | None = None
    beyond: bool = False
    rank: Rank | None = None

    @property
    def sorted_by(self) -> tuple[bool, Fraction, bool, Rank]:
        """Where a branch comes in the queue: unknown ones first."""
        return self.time is not None, self.time or Fraction(), self.beyond, self.rank or _NONE

    def dump(self) -> str:
        """Write it for the state."""
        rank = None if self.rank is None else [self.rank[0], str(self.rank[1])]
        return json.dumps([None if self.time is None else str(self.time), self.beyond, rank])


def load_bound(text: str) -> Bound:
    """Read what `dump` wrote; an empty text is no bound."""
    if not text:
        return Bound()
    time, beyond, rank = json.loads(text)
    read: Rank | None = None
    if rank is not None:
        read = (rank[0], rank[1] if rank[0] == 2 else Fraction(rank[1]))
    return Bound(time=None if time is None else Fraction(time), beyond=beyond, rank=read)


class Order:
    """The order that a description gives a stream."""

    def __init__(self, about: Description) -> None:
        self._about = about
        self._ends = about.paths.get("transactionFinalizedPath")

    @property
    def known(self) -> bool:
        """Whether the stream has an order."""
        return self._about.timestamp is not None or self._about.sequence is not None

    def time(self, member: str, data: Dataset) -> Fraction | None:
        """Return a member's publication time, the earliest it may be; None without one."""
        if self._about.timestamp is None:
            return None
        found = [read_value(it).content for it in values(self._about.timestamp, NamedNode(member), data)]
        return min((it.since for it in found if isinstance(it, Moment)), default=None)

    def key(self, member: str, data: Dataset, where: str) -> Key:
        """Return a member's key.

        Raises:
            FeedError: it has none, or more than one (LDES-30).

        """
        time, rank = Fraction(), _NONE
        if self._about.timestamp is not None:
            value = _only(self._about.timestamp, member, data, where)
            content = read_value(value).content
            if not isinstance(content, Moment):
                raise _unordered(f"{value} of {member} is no xsd:dateTime", where)
            time = content.since
        if self._about.sequence is not None:
            rank = rank_of(_only(self._about.sequence, member, data, where))
        return Key(time=time, rank=rank, final=self._ends is not None and self._ended(member, data))

    def _ended(self, member: str, data: Dataset) -> bool:
        assert self._ends is not None
        wanted = self._about.finaliser
        true = read_literal("true", XSD + "boolean") if wanted is None else read_value(wanted)
        found = values(self._ends, NamedNode(member), data)
        return any(it == wanted or compare(Kind.EQUAL, read_value(it), true) is Verdict.TRUE for it in found)

    def lower(self, relations: Iterable[Relation], above: Bound) -> Bound:
        """Return the lower bound of a branch: the strictest of its relations and of the branch it is in."""
        time, beyond, rank = above.time, above.beyond, above.rank
        for relation in relations:
            if relation.kind not in _LOWER or relation.value is None:
                continue
            if relation.path == self._about.timestamp and isinstance(
                content := read_value(relation.value).content, Moment
            ):
                stricter = relation.kind is Kind.GREATER
                if time is None or (content.since, stricter) > (time, beyond):
                    time, beyond = content.since, stricter
            elif relation.path == self._about.sequence:
                rank = max(rank or _NONE, rank_of(relation.value))
        return Bound(time=time, beyond=beyond, rank=rank)

    def upper(self, relations: Iterable[Relation], above: Fraction | None) -> Fraction | None:
        """Return the last publication time that a branch may have; None when it may grow for ever."""
        latest = above
        for relation in relations:
            if relation.kind in _UPPER and relation.path == self._about.timestamp and relation.value is not None:
                content = read_value(relation.value).content
                if isinstance(content, Moment):
                    latest = content.until if latest is None else min(latest, content.until)
        return latest

    def may_precede(self, branch: Bound, key: Key) -> bool:
        """Say whether a member of this branch could come before one with this key."""
        if self._about.timestamp is not None:
            if branch.time is None or branch.time < key.time:
                return True
            if branch.time > key.time or branch.beyond:
                return False
        if self._about.sequence is None:
            # Equals have no order, except that the end of a transaction is last.
            return key.final
        return branch.rank is None or branch.rank < key.rank or (key.final and branch.rank == key.rank)


def rank_of(term: Term) -> Rank:
    """Return how a sequence value sorts: by number, by time, else by code point (A8)."""
    value = read_value(term)
    if value.family is Family.NUMBER and isinstance(value.content, Fraction | float):
        return 0, value.content
    if isinstance(value.content, Moment):
        return 1, value.content.since
    return 2, term.value if isinstance(term, Literal | NamedNode) else str(term)


def _only(path: Path, member: str, data: Dataset, where: str) -> Term:
    found = values(path, NamedNode(member), data)
    if len(found) != 1:
        raise _unordered(f"{member} has {len(found)} values at {path}", where)
    return found[0]


def _unordered(what: str, where: str) -> FeedError:
    return FeedError(
        f"{what}, so it has no place in the order (LDES-30)",
        where=where,
        fix="copy without --ordered, and tell the feed's publisher",
    )
