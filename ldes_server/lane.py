"""What the fast lane answers: complete answers in bytes for requests that name what is ready in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ldes_server.negotiate import PAGE_TYPES, QUERIED, accepts_gzip, choose, is_current
from ldes_server.responses import ReadyCache
from ldes_server.shown import Shown

Pairs = Sequence[tuple[bytes, bytes]]

# Distinct header values, and distinct blocks of headers, remembered; clients send a handful, and whoever sends
# thousands gains nothing by it.
_MEMO = 512
# Requests longer than this are never remembered: what honest clients send is a third of it.
_LONGEST = 2048
# Requests with any of these take the usual way: a body, an upgrade, conditions or promises that we do not weigh here.
_FOREIGN = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"range"})
_VERSION = b" HTTP/1.1"
_END = b"\r\n\r\n"

_T = TypeVar("_T")


class Wish(NamedTuple):
    """What the headers of a request ask for: a media type (None: none of ours), gzip, and what the client has."""

    media: str | None
    gzip: bool
    condition: str


class Tally:
    """What the lane answered, as plain integers: cheap to count, collected into the metrics now and then."""

    __slots__ = ("hits", "unchanged")

    def __init__(self) -> None:
        self.hits = 0
        self.unchanged = 0


class Lane:
    """What all connections of a server share: what is ready, the tally, and memories of what clients send.

    `cache` has what never changes, `shown` what is current. `defaults`, where asked for, are uvicorn's header lines
    with the Date, a new list every second. What is returned is counted.
    """

    def __init__(
        self, cache: ReadyCache, shown: Shown | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.cache = cache
        self.shown = Shown() if shown is None else shown
        self.tally = Tally()
        self._clock = clock
        self._media: dict[bytes, str | None] = {}
        self._gzip: dict[bytes, bool] = {}
        self._wishes: dict[bytes, Wish] = {}
        self._dated: object = None
        self._ok = self._not_modified = b""

    def at_once(self, data: bytes, defaults: Pairs) -> bytes | None:
        """Return the whole answer to a request whose block of headers was learnt, or None.

        For what came in one piece while the parser stood between two messages, and nothing else.
        """
        if len(data) > _LONGEST:
            return None
        end = data.find(b"\r\n")
        wish = self._wishes.get(data[end:])
        if wish is None or data[:4] != b"GET " or data[end - 9 : end] != _VERSION:
            return None
        return self.answer(data[4 : end - 9], wish, defaults)

    def learn(self, data: bytes, url: bytes, wish: Wish) -> None:
        """Remember what a block of headers asks for, by its exact bytes.

        For what came in one piece while the parser stood between two messages, was one GET of `url` without a body on a
        connection that stays, and nothing behind it: so says the parser, to whom the same bytes are always the same.
        """
        line = b"GET %s%s\r\n" % (url, _VERSION)
        if len(data) <= _LONGEST and data.find(_END) == len(data) - len(_END) and data.startswith(line):
            _remember(self._wishes, data[len(line) - 2 :], wish)

    def weigh(self, headers: Pairs) -> Wish | None:
        """Return what the headers of a request ask for; None where it has to take the usual way."""
        accept = encoding = condition = b""
        for name, value in headers:
            if name == b"accept":
                # Repeated fields are one list (RFC 9110, section 5.3).
                accept = accept + b"," + value if accept else value
            elif name == b"accept-encoding":
                encoding = encoding + b"," + value if encoding else value
            elif name == b"if-none-match":
                condition = condition + b"," + value if condition else value
            elif name in _FOREIGN or (name == b"connection" and value.lower() != b"keep-alive"):
                return None
        return Wish(self._choose(accept), self._squeeze(encoding), condition.decode("latin-1"))

    def answer(self, url: bytes, wish: Wish, defaults: Pairs, *, bare: bool = False) -> bytes | None:
        """Return the whole answer to what is wished, or None where it is not ready; `bare` leaves the body out."""
        media, gzip, condition = wish
        if b"?" in url:
            media = QUERIED.get(url.partition(b"?")[2])
        if media is None:
            return None
        ready = self.cache.get(url, media, gzip)
        if ready is None:
            ready = self.shown.get(url, media, gzip, self._clock())
            if ready is None:
                return None
        if defaults is not self._dated:
            self._date(defaults)
        tally = self.tally
        tally.hits += 1
        if condition and (condition == ready.etag or is_current(condition, ready.etag)):
            tally.unchanged += 1
            return self._not_modified + ready.unchanged
        return self._ok + (ready.wire[: ready.head_size] if bare else ready.wire)

    def _date(self, defaults: Pairs) -> None:
        self._dated = defaults
        lines = b"".join(b"%s: %s\r\n" % pair for pair in defaults)
        self._ok = b"HTTP/1.1 200 OK\r\n" + lines
        self._not_modified = b"HTTP/1.1 304 Not Modified\r\n" + lines

    def _choose(self, accept: bytes) -> str | None:
        try:
            return self._media[accept]
        except KeyError:
            return _remember(self._media, accept, choose(accept.decode("latin-1"), PAGE_TYPES))

    def _squeeze(self, encoding: bytes) -> bool:
        try:
            return self._gzip[encoding]
        except KeyError:
            return _remember(self._gzip, encoding, accepts_gzip(encoding.decode("latin-1")))


def _remember(memo: dict[bytes, _T], key: bytes, value: _T) -> _T:
    if len(memo) >= _MEMO:
        memo.clear()
    memo[key] = value
    return value
