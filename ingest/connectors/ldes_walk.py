"""The state of a walk through an LDES: what is read for good, what may change, and what is still to be read; pure."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import Self

from ingest.connectors.bookmark import fingerprint

# Bytes of a hash that are kept: among ten thousand pages two share one in one of five million feeds.
_WIDTH = 6
# Members of pages that may change, remembered to give each once; a cursor of 120 kB is as much as a record should carry.
_MOST_MEMBERS = 20_000


class Walk:
    """Where a walk stands. Its text form is the cursor of a payload: everything that makes the rest of the walk.

    Pages that will not change are kept as hashes, those that may with a digest and the hashes of their members. The
    pages to read are a stack, so that a feed is read in the order of its links and the stack stays as deep as the tree;
    links of pages that may change are not written down, because those pages are read again anyway.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._done: set[bytes] = set()
        self._live: dict[str, tuple[str, frozenset[bytes]]] = {}
        self._stack: list[str] = [url]
        self._links: dict[str, frozenset[str]] = {}  # of pages that may change

    @classmethod
    def read(cls, cursor: bytes, url: str) -> Self:
        """Read a cursor; one of another address or another transport begins at the start."""
        walk = cls(url)
        try:
            said = json.loads(cursor)
            if said["ldes"] != fingerprint(url):
                return walk
            done, live = (
                said["done"],
                {str(page): (str(it[0]), frozenset(_cut(it[1]))) for page, it in said["live"].items()},
            )
            walk._done, walk._live = set(_cut(done)), live
            walk._stack = [*reversed(live), *map(str, said["stack"])]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return cls(url)
        return walk

    def pack(self) -> bytes:
        """Write a cursor."""
        known = sum(len(members) for _, members in self._live.values()) <= _MOST_MEMBERS
        live = {page: [digest, _join(it if known else ())] for page, (digest, it) in sorted(self._live.items())}
        again = frozenset().union(*self._links.values(), self._live)
        stack = [page for page in self._stack if page not in again]
        fields = {"ldes": fingerprint(self._url), "done": _join(self._done), "live": live, "stack": stack}
        return json.dumps(fields, separators=(",", ":")).encode()

    @property
    def next(self) -> str | None:
        """The page to read now; None when a round is over."""
        return self._stack[-1] if self._stack else None

    @property
    def size(self) -> int:
        """How many pages the walk remembers."""
        return len(self._done) + len(self._live) + len(self._stack)

    def begin_round(self) -> bool:
        """Put the pages that may change on the stack; say whether there are any."""
        self._stack = list(reversed(self._live))
        return bool(self._stack)

    def postpone(self, page: str) -> None:
        """Read a page after all others."""
        self._stack.remove(page)
        self._stack.insert(0, page)

    def repeat(self, page: str) -> None:
        """Take a page as it was: the publisher said that it has not changed."""
        self._stack.remove(page)

    def forget(self, page: str) -> None:
        """Leave a page that is gone: its members were taken away by retention."""
        self._stack.remove(page)
        self._finish(page)

    def news(self, page: str, digest: str, members: Iterable[str]) -> list[str] | None:
        """Return the members of a page that were not given before; None when the whole page is as it was."""
        before = self._live.get(page)
        if before is None:
            return list(members)
        if before[0] == digest:
            return None
        return [member for member in members if _hash(member) not in before[1]]

    def turn(self, page: str, digest: str, members: Sequence[str], *, links: Sequence[str], final: bool) -> None:
        """Take a page as read, and put on the stack what it leads to that is not known."""
        self._stack.remove(page)
        if final:
            self._finish(page)
        else:
            self._live[page] = (digest, frozenset(map(_hash, members)))
            self._links[page] = frozenset(links)
        waiting = set(self._stack)
        new = [
            link for link in links if link not in waiting and link not in self._live and _hash(link) not in self._done
        ]
        self._stack += reversed(new)

    def _finish(self, page: str) -> None:
        self._live.pop(page, None)
        self._links.pop(page, None)
        self._done.add(_hash(page))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:_WIDTH]


def _join(hashes: Iterable[bytes]) -> str:
    return b64encode(b"".join(sorted(hashes))).decode()


def _cut(text: str) -> list[bytes]:
    packed = b64decode(text, validate=True)
    return [packed[at : at + _WIDTH] for at in range(0, len(packed), _WIDTH)]
