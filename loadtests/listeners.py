"""Listeners to a live stream: `python -m loadtests.listeners URL --listeners 2000`; what they heard as one line of JSON.

Says `ready` when all of them are connected and greeted, listens until standard input ends, with `--until-quiet` also until
nothing more comes, and tells how late events were: from the publication time that each member carries to its receipt.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from loadtests.histogram import Histogram

_STAMP = b'"generatedAtTime":"'
# Connections begun at once: more than a server's backlog would be refused.
_AT_ONCE = 200


class Heard:
    """What all listeners of a process have heard: seconds from publication to receipt, and what did not follow."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.wrong: list[tuple[int, int]] = []
        self.lost = 0
        # Members that were published together share a stamp, and everybody hears the same ones.
        self.stamps: dict[bytes, float] = {}


class Ear(asyncio.Protocol):
    """One listener: notes how late each member was, and every number that does not follow the one before."""

    def __init__(self, request: bytes, heard: Heard) -> None:
        self._request = request
        self._heard = heard
        self._rest = b""
        self.greeted = asyncio.Event()
        self.last = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take whole events; they are short and mostly come one at a time."""
        now = time.time()
        self.greeted.set()
        data = self._rest + data if self._rest else data
        whole = data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
        self._rest = data[whole:]
        for part in data[:whole].split(b"\n\n"):
            if b"event: member" in part:
                self._hear(part, now)

    def _hear(self, event: bytes, now: float) -> None:
        start = event.index(b"id: ") + 4
        number = int(event[start : event.index(b"\n", start)])
        heard = self._heard
        if self.last >= 0 and number != self.last + 1:
            heard.wrong.append((self.last, number))
        self.last = number
        start = event.rindex(_STAMP) + len(_STAMP)
        text = event[start : event.index(b'"', start)]
        if text not in heard.stamps:
            heard.stamps[text] = datetime.fromisoformat(text.decode()).timestamp()
        heard.late.append(now - heard.stamps[text])

    def connection_lost(self, _exc: Exception | None) -> None:
        """Count."""
        self._heard.lost += 1


async def listen(url: str, count: int, *, until_quiet: bool) -> dict[str, Any]:
    """Open all listeners, say so, listen until standard input ends; return what was heard."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode()
    assert parts.hostname is not None
    assert parts.port is not None
    host, port = parts.hostname, parts.port
    loop, heard = asyncio.get_running_loop(), Heard()
    ears: list[Ear] = []
    for start in range(0, count, _AT_ONCE):
        fresh = [
            loop.create_connection(lambda: Ear(request, heard), host, port)
            for _ in range(start, min(count, start + _AT_ONCE))
        ]
        ears += [ear for _, ear in await asyncio.gather(*fresh)]
    async with asyncio.TaskGroup() as group:
        for ear in ears:
            group.create_task(ear.greeted.wait(), name="greeting")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    before = -1
    while until_quiet and before < len(heard.late):  # a busy machine gives the last ones late
        before = len(heard.late)
        await asyncio.sleep(1)
    return _told(heard, sorted({ear.last for ear in ears}))


def _told(heard: Heard, last: list[int]) -> dict[str, Any]:
    times = Histogram()
    for seconds in heard.late:
        times.add(seconds)
    return {
        "heard": len(heard.late),
        "wrong": len(heard.wrong),
        "lost": heard.lost,
        "last": last,
        "p50": round(times.at(50), 1),
        "p99": round(times.at(99), 1),
        "times": base64.b64encode(times.to_bytes()).decode(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Listen; 0 when everybody was connected, however little there was to hear."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.listeners", description=__doc__)
    parser.add_argument("url", help="the address of a live stream")
    parser.add_argument("--listeners", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--until-quiet", action="store_true", help="listen on until a second brings nothing")
    asked = parser.parse_args(argv)
    try:
        told = uvloop.run(listen(asked.url, asked.listeners, until_quiet=asked.until_quiet))
    except OSError as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
