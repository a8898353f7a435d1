"""The view of newest versions: entities in the order in which they appeared, each with its newest version; pure.

Entity number `n` is for ever on page `n // size`, so a page says whose newest versions it has, whatever is published. All
pages may change at any time, so none is ever final, and nothing holds for what is below them: the relations have no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ldes_server.model import ROOT_GROUPS, Page, PageId, Published, Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestView:
    """The tree over `count` entities of build `build` of the view `name`: pages of `size`, nodes of `fan` children.

    Its pages are named `~/<level>/<index>`; level 0 has the members. `version` is that of all of them.
    """

    name: str
    build: int
    size: int
    fan: int
    count: int
    version: int

    def exists(self, page_id: PageId) -> bool:
        """Whether this is the root or a page of the tree, as high as it is now."""
        if page_id.is_root:
            return True
        if page_id.bucket != ROOT_GROUPS or not 0 <= page_id.level <= self._top:
            return False
        return page_id.index * self._width(page_id.level) < self.count

    def first_leaf(self, page_id: PageId) -> PageId | None:
        """Return the first page of members at or below a page; itself while there are none, None where it is not there."""
        if not self.exists(page_id):
            return None
        if not self.count:
            return page_id
        return replace(self._named(0, 0), index=self.numbers(page_id).start // self.size)

    def leaf_behind(self, page_id: PageId) -> PageId | None:
        """Return the page of members behind one; None behind the last."""
        behind = replace(page_id, index=page_id.index + 1)
        return behind if self.exists(behind) else None

    def numbers(self, page_id: PageId) -> range:
        """Return the numbers of the entities on a page that exists, or below it."""
        if page_id.is_root:
            return range(self.count)
        width = self._width(page_id.level)
        return range(page_id.index * width, min((page_id.index + 1) * width, self.count))

    def node(self, page_id: PageId) -> Page:
        """Build the root or a node: what is below it, in order."""
        numbers, level = self.numbers(page_id), self._top if page_id.is_root else page_id.level - 1
        width = self._width(level)
        children = range(numbers.start // width, -(-numbers.stop // width))
        return self._page(page_id, relations=tuple(self._relation(level, index) for index in children))

    def leaf(self, page_id: PageId, members: Sequence[Published]) -> Page:
        """Build a page of members, the newest versions of its entities."""
        return self._page(page_id, members=tuple(members))

    @property
    def _top(self) -> int:
        """The level of the root's children: the lowest of which it lists at most `fan`."""
        level = 0
        while self.count > self._width(level) * self.fan:
            level += 1
        return level

    def _width(self, level: int) -> int:
        return self.size * int(self.fan**level)

    def _relation(self, level: int, index: int) -> Relation:
        target = self._named(level, index)
        return Relation(target=target, bounds=(), remaining=len(self.numbers(target)))

    def _named(self, level: int, index: int) -> PageId:
        return PageId(view=self.name, build=self.build, bucket=ROOT_GROUPS, level=level, index=index)

    def _page(
        self, page_id: PageId, *, relations: tuple[Relation, ...] = (), members: tuple[Published, ...] = ()
    ) -> Page:
        return Page(id=page_id, final=False, version=self.version, relations=relations, members=members)
