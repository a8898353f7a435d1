"""Members as Server-Sent Events, encoded once, and the ring of the newest ones that all listeners share; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ldes_server.model import Published
from ldes_server.render import full_body

# Every listener hears something at least this often (live.py); a comment, which no script sees.
HEARTBEAT = b": heartbeat\n\n"


def hello(*, after: int, retry: int) -> bytes:
    """Return what opens a stream of events: the wait before a reconnect in milliseconds, and the id to resume from.

    An event without data changes the id that a browser sends when it comes back, and nothing else: whoever is cut off
    before the first member still misses none.
    """
    return b"retry: %d\nid: %d\n\n" % (retry, after)


def event(member: Published, context: bytes) -> bytes:
    """Return a member as an event: its number as id, one line of JSON-LD that links its model's `context`."""
    body = full_body(member)
    if b"\n" in body or b"\r" in body:
        # Between the tokens only, where JSON has them for looks: inside its strings they are escaped.
        body = body.replace(b"\n", b" ").replace(b"\r", b" ")
    return b'id: %d\nevent: member\ndata: {"@context":"%s",%s\n\n' % (member.sequence, context, body[1:])


def gap(start: int, stop: int) -> bytes:
    """Return the event that says which members, from `start` to before `stop`, cannot be given any more."""
    return b'id: %d\nevent: gap\ndata: {"from":%d,"to":%d,"reason":"no longer kept"}\n\n' % (stop - 1, start, stop - 1)


def rewound(asked: int, count: int) -> bytes:
    """Return the event that says that the member `asked` for is not published yet: the stream goes on at `count`."""
    return b'id: %d\nevent: gap\ndata: {"from":%d,"to":%d,"reason":"not published yet"}\n\n' % (
        count - 1,
        count,
        asked - 1,
    )


def end(reason: str) -> bytes:
    """Return the last event; what came before it is whole, and the client's own reconnect resumes behind it."""
    return b'event: end\ndata: {"reason":"%s"}\n\n' % reason.encode()


def events(members: Sequence[Published], context: bytes, *, start: int) -> bytes:
    """Return members in order as events for whoever waits for `start`, with the gap before them if there is one."""
    before = gap(start, members[0].sequence) if members[0].sequence > start else b""
    return before + b"".join(event(member, context) for member in members)


class Ring:
    """The newest events of a stream, `low` to before `high` without gaps, in at most `capacity` bytes (one at least)."""

    def __init__(self, start: int, *, capacity: int) -> None:
        self.low = self.high = start
        self._capacity = capacity
        self._size = 0
        self._events: deque[bytes] = deque()

    def extend(self, encoded: Sequence[bytes]) -> None:
        """Add the events from `high` on; the oldest leave when there is no room."""
        self._events.extend(encoded)
        self.high += len(encoded)
        self._size += sum(map(len, encoded))
        while self._size > self._capacity and len(self._events) > 1:
            self._size -= len(self._events.popleft())
            self.low += 1

    def restart(self, start: int) -> None:
        """Begin anew at another number."""
        self._events.clear()
        self.low = self.high = start
        self._size = 0

    def take(self, start: int, *, most: int) -> tuple[bytes, int]:
        """Return events from `start` on, about `most` bytes of them and at least one, and the number behind them."""
        found: list[bytes] = []
        for index in range(start - self.low, len(self._events)):
            found.append(self._events[index])
            most -= len(found[-1])
            if most <= 0:
                break
        return b"".join(found), start + len(found)
