"""The chronological view: a B-tree whose pages all follow from sequence numbers by arithmetic.

Leaf `i` holds the sequence numbers `[i*size, (i+1)*size)`; node `(level, i)` covers the leaves
`[i*fan**level, (i+1)*fan**level)`. A page is final when its last member is published, and inner nodes come into being
only then, so two pages at most are mutable: the root and the open leaf, which the root links itself. The root links
the smallest set of aligned final nodes that covers what is live, then the open leaf. Nothing is stored for any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ldes_server.model import GENERATED_AT, Bound, Page, PageId, Published, Relation, RelationType
from streams.record import format_time

VIEW = "log"
ROOT = PageId(view=VIEW)
DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
# What is final says the same for ever, so one constant names its only version.
FINAL_VERSION = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """The tree over `count` members, of which those from `first` on are live; `size` and `fan` never change.

    `path` is the property that the publication time is written as, and that bounds speak of.
    Retention works on whole leaves: a leaf that holds one live member is live with all its members.
    """

    size: int
    fan: int
    count: int
    first: int = 0
    path: str = GENERATED_AT

    def __post_init__(self) -> None:
        """Refuse a tree that cannot grow, and a left edge outside the log."""
        if self.size < 1 or self.fan < 2:
            raise ValueError(f"a page needs room for a member and a node for two: size {self.size}, fan {self.fan}")
        if not 0 <= self.first <= self.count:
            raise ValueError(f"the oldest live member {self.first} must lie within the {self.count} published")

    def span(self, page_id: PageId) -> range:
        """Return the sequence numbers a page below the root covers once it is full; the root's are all that live."""
        if page_id.is_root:
            return range(self.first - self.first % self.size, self.count)
        width = self.size * self.fan**page_id.level
        return range(page_id.index * width, (page_id.index + 1) * width)

    def is_final(self, page_id: PageId) -> bool:
        """Whether nothing will ever be added to the page: its last member is published. Never true of the root."""
        return not page_id.is_root and self._grown(page_id) and self.span(page_id).stop <= self.count

    def exists(self, page_id: PageId) -> bool:
        """Whether the page is part of the tree: the root, a leaf that holds something, or a final inner node.

        Stays true of what retention unlinked: those pages answer for as long as their members are kept.
        """
        if page_id.view != VIEW or page_id.index < 0:
            return False
        if page_id.is_root:
            return page_id == ROOT
        return self.is_final(page_id) or (page_id.level == 0 and page_id.index * self.size < self.count)

    def begins_before(self, page_id: PageId, gone: int) -> bool:
        """Whether a page below the root holds or links anything before a number: then it is no longer handed out."""
        return not page_id.is_root and self.span(page_id).start < gone

    def leaf_of(self, sequence: int) -> PageId:
        """Name the leaf that holds, or will hold, this sequence number."""
        return PageId(view=VIEW, level=0, index=sequence // self.size)

    def around(self, places: range) -> PageId:
        """Name the smallest page that covers all of these sequence numbers; the root where no page below it does."""
        level, first, last = 0, places.start // self.size, (places.stop - 1) // self.size
        while first != last:
            level, first, last = level + 1, first // self.fan, last // self.fan
        page_id = PageId(view=VIEW, level=level, index=first)
        return page_id if self.exists(page_id) else ROOT

    def root_children(self) -> tuple[PageId, ...]:
        """Return what the root links, oldest first: final subtrees of shrinking size, then the open leaf if any.

        Where retention cut into a subtree, the root links its live children instead, so the sizes grow first.
        At most `fan - 1` links per level and side, and one for the open leaf.
        """
        full = self.count // self.size
        opened = (self.leaf_of(self.count),) if self.count % self.size else ()
        return (*self._cover(self.first // self.size, full), *opened)

    def children(self, page_id: PageId) -> tuple[PageId, ...]:
        """Return the pages that an existing page links, oldest first; none for a leaf.

        A final node names all its children for ever, live or not: it was written when they were (LDES-58).
        """
        if page_id.is_root:
            return self.root_children()
        if page_id.level == 0:
            return ()
        start = page_id.index * self.fan
        return tuple(
            PageId(view=VIEW, level=page_id.level - 1, index=index) for index in range(start, start + self.fan)
        )

    def edges(self, page_id: PageId) -> tuple[int, ...]:
        """Return the sequence numbers whose publication times `relation` needs for all children of the page."""
        return self.edges_of(self.children(page_id))

    def edges_of(self, children: Iterable[PageId]) -> tuple[int, ...]:
        """Return those that `relation` needs for these pages."""
        edges: list[int] = []
        for child in children:
            span = self.span(child)
            edges.append(span.start)
            if span.stop <= self.count:
                edges.append(span.stop - 1)
        return tuple(edges)

    def relation(self, target: PageId, times: Mapping[int, datetime]) -> Relation:
        """Link a page: true bounds on the publication time (TREE-16, LDES-34) and the number of members behind it.

        `times` has the publication times at `edges`. The open leaf has no upper bound: it still grows (LDES-35).
        """
        span = self.span(target)
        bounds = [time_bound(RelationType.GREATER_OR_EQUAL, times[span.start], path=self.path)]
        if span.stop <= self.count:
            bounds.append(time_bound(RelationType.LESS_OR_EQUAL, times[span.stop - 1], path=self.path))
        return Relation(target=target, bounds=tuple(bounds), remaining=min(span.stop, self.count) - span.start)

    @property
    def version(self) -> int:
        """The version of the root."""
        return self.count + self.first

    def node(self, page_id: PageId, times: Mapping[int, datetime]) -> Page:
        """Build the root or an inner node; `times` has the publication times at `edges`.

        The root's version moves with the head and with the left edge; both only ever grow.
        """
        final = self.is_final(page_id)
        return Page(
            id=page_id,
            final=final,
            version=FINAL_VERSION if final else self.version,
            relations=tuple(self.relation(child, times) for child in self.children(page_id)),
        )

    def _grown(self, page_id: PageId) -> bool:
        # Levels come from addresses: a level no tree of this size can have must not become a huge power.
        return page_id.level < max(1, self.count).bit_length()

    def _cover(self, start: int, stop: int) -> Iterator[PageId]:
        while start < stop:
            level, width = 0, 1
            while start % (width * self.fan) == 0 and start + width * self.fan <= stop:
                level, width = level + 1, width * self.fan
            yield PageId(view=VIEW, level=level, index=start // width)
            start += width


def leaf(page_id: PageId, members: Sequence[Published], *, size: int) -> Page | None:
    """Build a leaf from its members as they are published so far; None when it has none, or no longer all of them.

    Sequence numbers are dense, so the members alone say whether the leaf is final and which version of it this is.
    """
    start = page_id.index * size
    if not members or members[0].sequence != start or members[-1].sequence != start + len(members) - 1:
        return None
    final = len(members) == size
    return Page(
        id=page_id,
        final=final,
        version=FINAL_VERSION if final else start + len(members),
        members=tuple(members),
    )


def time_bound(kind: RelationType, moment: datetime, *, path: str = GENERATED_AT) -> Bound:
    """Bound the publication time."""
    return Bound(type=kind, path=(path,), value=format_time(moment), datatype=DATE_TIME)
