"""The pages of views with buckets: which there are, what they link and when they are final; pure.

A bucket is a list of members like the chronological view, so its pages follow from how many it holds by the same
arithmetic (log_view.py). Its node links those pages and the buckets below it; more than 64 of these in groups, by their
dense rank, and groups of groups beyond 64 times 64. Once a bucket has closed nothing is added at or below it: then its
last page, its node and its groups are final, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from ldes_server.log_view import FINAL_VERSION, LogView, time_bound
from ldes_server.model import ROOT_GROUPS, Bound, Page, PageId, Published, Relation, RelationType

# Children that a node lists itself, and that a group holds.
GROUP = 64
# No stream has more buckets than groups of this level hold.
DEEPEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A bucket as its parent lists it: its key, the bounds on the way to it, and the members at and below it."""

    key: str
    bounds: tuple[Bound, ...]
    total: int
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Children of neighbouring ranks: group `index` of its level, how many there are, and the members below them."""

    index: int
    count: int
    total: int
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketView:
    """The pages of one bucket of one build: it holds `count` members of its own and has `children` buckets below.

    `node` names its own node, or the view's root; `build` is the build the bucket is in. `size` and `fan` are the
    stream's; `version` is that of all its pages that may still change.
    """

    node: PageId
    build: int
    size: int
    fan: int
    count: int
    children: int
    closed: bool
    version: int

    @property
    def _log(self) -> LogView:
        return LogView(size=self.size, fan=self.fan, count=self.count)

    def is_final(self, page_id: PageId) -> bool:
        """Whether nothing will be added to a page of members that exists, or to a node."""
        return self.closed or (page_id.level >= 0 and self._log.is_final(_plain(page_id)))

    def has_members(self, page_id: PageId) -> bool:
        """Whether this page of members, or node above such pages, exists."""
        return self._log.exists(_plain(page_id))

    def places(self, page_id: PageId) -> range:
        """Return the places of the members at and below a page of members, as far as they are taken."""
        span = self._log.span(_plain(page_id))
        return range(span.start, min(span.stop, self.count))

    def listed(self, page_id: PageId) -> tuple[PageId, ...]:
        """Return the pages of members that the node, or a node above pages of members, links: oldest first."""
        return tuple(self._named(child) for child in self._log.children(_plain(page_id)))

    def edges(self, page_id: PageId) -> tuple[int, ...]:
        """Return the places whose publication times `pages` needs."""
        return tuple(edge for child in self.listed(page_id) for edge in self._edges(child))

    def pages(self, page_id: PageId, times: Mapping[int, datetime]) -> tuple[Relation, ...]:
        """Link what is `listed`, with bounds on the publication time (TREE-16); an open page has no upper one."""
        return tuple(self._relation(child, times) for child in self.listed(page_id))

    def leaf(self, page_id: PageId, members: Sequence[Published]) -> Page | None:
        """Build a page of members; None when not all of them are kept any more."""
        if len(members) != len(self.places(page_id)):
            return None
        return self._page(page_id, final=self.is_final(page_id), members=tuple(members))

    def inner(self, page_id: PageId, times: Mapping[int, datetime]) -> Page:
        """Build a node above pages of members; there are only final ones."""
        return self._page(page_id, final=True, relations=self.pages(page_id, times))

    def group_level(self) -> int:
        """Return the level of the groups that the node links; 0 when it links its children themselves."""
        level = 0
        while self.children > GROUP ** (level + 1):
            level += 1
        return level

    def ranks(self, page_id: PageId) -> range:
        """Return the ranks of the children at and below a group, as far as they are taken; empty if there is none."""
        level = -1 - page_id.level
        if not 1 <= level <= self.group_level() or self.children <= GROUP:
            return range(0)
        width = GROUP**level
        return range(min(page_id.index * width, self.children), min((page_id.index + 1) * width, self.children))

    def root_page(self, own: Sequence[Relation], below: Sequence[Child] | Sequence[Group]) -> Page:
        """Build the node: its own pages, then what is below. The root is never final: a new build may take its place."""
        final = self.closed and not self.node.is_root
        return self._page(self.node, final=final, relations=(*own, *self._below(below, self.group_level())))

    def group_page(self, page_id: PageId, below: Sequence[Child] | Sequence[Group]) -> Page:
        """Build a group: final when it is full of closed buckets, or the bucket has closed itself."""
        level = -1 - page_id.level
        full = len(self.ranks(page_id)) == GROUP**level
        final = self.closed or (full and all(each.closed for each in below))
        return self._page(page_id, final=final, relations=self._below(below, level - 1))

    def _below(self, below: Sequence[Child] | Sequence[Group], level: int) -> tuple[Relation, ...]:
        bucket = self.node.bucket or ROOT_GROUPS
        base = PageId(view=self.node.view, build=self.build)
        return tuple(
            Relation(target=replace(base, bucket=each.key), bounds=each.bounds, remaining=each.total)
            if isinstance(each, Child)
            # What will be in a group that is not full nobody knows, so anything may be.
            else Relation(
                target=replace(base, bucket=bucket, level=-1 - level, index=each.index), bounds=(), remaining=each.total
            )
            for each in below
        )

    def _page(
        self,
        page_id: PageId,
        *,
        final: bool,
        relations: tuple[Relation, ...] = (),
        members: tuple[Published, ...] = (),
    ) -> Page:
        version = FINAL_VERSION if final else self.version
        return Page(id=page_id, final=final, version=version, relations=relations, members=members)

    def _named(self, page_id: PageId) -> PageId:
        return replace(self.node, build=self.build, level=page_id.level, index=page_id.index)

    def _edges(self, child: PageId) -> tuple[int, ...]:
        places = self.places(child)
        return (places[0], places[-1]) if self.is_final(child) else (places[0],)

    def _relation(self, child: PageId, times: Mapping[int, datetime]) -> Relation:
        kinds = (RelationType.GREATER_OR_EQUAL, RelationType.LESS_OR_EQUAL)
        bounds = tuple(time_bound(kind, times[edge]) for kind, edge in zip(kinds, self._edges(child), strict=False))
        return Relation(target=child, bounds=bounds, remaining=len(self.places(child)))


def _plain(page_id: PageId) -> PageId:
    """Name the same page in the chronological view, whose arithmetic it follows."""
    return PageId(level=max(page_id.level, -1), index=page_id.index)


def write_bounds(bounds: Sequence[Bound]) -> str:
    """Return bounds as the text they are stored as."""
    return orjson.dumps([[each.type.value, each.path, each.value, each.datatype] for each in bounds]).decode()


def read_bounds(text: str) -> tuple[Bound, ...]:
    """Read what `write_bounds` wrote."""
    return tuple(
        Bound(type=RelationType(kind), path=tuple(path), value=value, datatype=datatype)
        for kind, path, value, datatype in orjson.loads(text)
    )
