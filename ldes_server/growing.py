"""Growing: the two pages of a stream's history that change, of which only what is new is read, rendered and compressed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from ldes_server.model import Page, PageId, Published
from ldes_server.negotiate import PAGE_FORMS
from ldes_server.render import END, Frame, render_more, render_page
from ldes_server.responses import Ready, Variant, is_squeezed, make_ready, make_squeezed, squeezer

# Streams whose newest members are remembered, and open leaves in some representation: about 0.3 MB each. The one unused
# longest leaves first; it is read and made from its beginning when it is asked for again.
_LEAVES = 32

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Growth:
    """One open leaf in one representation: what was made of its first `count` members, without the end of a page."""

    __slots__ = ("_end", "_frame", "_made", "_squeeze", "_variant", "count", "is_small", "last", "page_id")

    def __init__(self, page: Page, variant: Variant, frame: Frame) -> None:
        form = PAGE_FORMS[variant.media]
        self.page_id = page.id
        self.count, self.last = len(page.members), page.members[-1]
        self._variant, self._frame, self._end = variant, frame, END[form]
        body = render_page(page, form, frame=frame)
        self._squeeze = squeezer() if is_squeezed(len(body), variant) else None
        # Too small to be compressed, until it has some members more.
        self.is_small = variant.gzip and self._squeeze is None
        self._made = bytearray()
        self._add(body[: len(body) - len(self._end)])

    def takes(self, page: Page) -> bool:
        """Whether the page is the same leaf with at least the same members."""
        return page.id == self.page_id and len(page.members) >= self.count and page.members[self.count - 1] == self.last

    def grow(self, page: Page) -> None:
        """Add the members of a page that it `takes`."""
        new = page.members[self.count :]
        if new:
            self.count, self.last = len(page.members), new[-1]
            self._add(render_more(new, PAGE_FORMS[self._variant.media], frame=self._frame))

    def ready(self, cache_control: str) -> Ready:
        """Make the answer with all members there are."""
        if self._squeeze is None:
            return make_ready(bytes(self._made + self._end), self._variant, cache_control=cache_control)
        # What a page ends with goes into a copy, so that more members can follow what was compressed.
        rest = self._squeeze.copy()
        payload = b"".join((self._made, rest.compress(self._end), rest.flush()))
        return make_squeezed(payload, self._variant, cache_control=cache_control)

    def _add(self, text: bytes) -> None:
        self._made += text if self._squeeze is None else self._squeeze.compress(text)


class _Beginning:
    """The versions of a body that mostly begin alike: what two in a row have in common is compressed once."""

    __slots__ = ("_last", "_made", "_same", "_squeeze")

    def __init__(self) -> None:
        self._last = self._made = b""
        self._same = 0
        self._squeeze = squeezer()

    def squeezed(self, body: bytes) -> bytes:
        """Return the next version compressed."""
        same = _common(self._last, body)
        if same < self._same:
            self._made, self._same, self._squeeze = b"", 0, squeezer()
        self._made += self._squeeze.compress(body[self._same : same])
        self._last, self._same = body, same
        rest = self._squeeze.copy()
        return b"".join((self._made, rest.compress(body[same:]), rest.flush()))


class OpenPages:
    """Root and open leaf of streams: the members that were read of each leaf, and what was made of both.

    The bytes are those of rendering and compressing a page at once, so that all processes answer the same.
    """

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._growths: OrderedDict[tuple[str, Variant], _Growth] = OrderedDict()
        self._roots: OrderedDict[tuple[str, Variant], _Beginning] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages) + len(self._growths) + len(self._roots)

    def known(self, stream: str, page_id: PageId) -> Sequence[Published]:
        """Return the members of a leaf that were read before."""
        page = self._pages.get(stream)
        return page.members if page is not None and page.id == page_id else ()

    def keep(self, stream: str, page: Page) -> None:
        """Remember what was read of a leaf, in place of the one before; older leaves than that are not remembered."""
        before = self._pages.get(stream)
        if before is not None and before.id.index > page.id.index:
            return
        self._pages[stream] = page
        _trim(self._pages, stream)

    def root(self, stream: str, body: bytes, variant: Variant, *, cache_control: str) -> Ready:
        """Make the answer for a root with this body."""
        if not is_squeezed(len(body), variant):
            return make_ready(body, variant, cache_control=cache_control)
        root = self._roots.setdefault((stream, variant), _Beginning())
        _trim(self._roots, (stream, variant))
        return make_squeezed(root.squeezed(body), variant, cache_control=cache_control)

    def leaf(self, stream: str, page: Page, variant: Variant, *, frame: Frame, cache_control: str) -> Ready:
        """Make the answer for a leaf that is open."""
        key = (stream, variant)
        growth = self._growths.get(key)
        if growth is not None and growth.takes(page):
            growth.grow(page)
        else:
            growth = _Growth(page, variant, frame)
            if growth.is_small:
                return growth.ready(cache_control)
            self._growths[key] = growth
        _trim(self._growths, key)
        return growth.ready(cache_control)


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one.startswith(other[:middle]) else (low, middle - 1)
    return low


def _trim(kept: OrderedDict[_Key, _Value], used: _Key) -> None:
    kept.move_to_end(used)
    if len(kept) > _LEAVES:
        kept.popitem(last=False)
