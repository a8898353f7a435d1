"""A publisher that is never the limit: prepared payloads of car parks over loopback HTTP, each stamped when asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

# Stands in a prepared payload where its time goes.
_STAMP = b"@@@@-@@-@@T@@:@@:@@.@@@Z"
_HOST = "publisher.example.org"

_SOURCE = """\
source: load-{number}
title: {{ nl: Parkings onder belasting, en: Car parks under load }}
description: {{ nl: "Alle parkings, telkens nieuw.", en: "All car parks, news at every poll." }}
publisher: {{ name: Load, iri: "https://data.example.org/id/organisation/load" }}
licence: https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0
http_poll: {{ url: "http://{host}/{number}", every: {every} }}
model: parking
stream: load
each: items[*]
bind:
  entity: id
  observed_at: at
  name: {{ from: name, language: nl }}
  free_spaces: free
  total_spaces: total
  occupancy: taken
  open_now: open
  point: {{ longitude: lon, latitude: lat }}
"""


# Views besides the chronological one, in the order in which they are added.
VIEWS = (
    "by-hour: { by_time: observed_at, levels: [month, day, hour] }",
    "by-tile: { by_tile: point, zooms: [8, 11, 14] }",
    "by-open: { by_property: open_now }",
)


def write_pilot(
    folder: Path, *, sources: int, views: int = 1, more: Sequence[str] = (), every: Sequence[str] = ("1s",)
) -> None:
    """Write the files of so many sources that feed the one stream `load`, and of its views, the chronological counted.

    `more` are views besides them, in the words of a stream file; the sources take the intervals `every` in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if views > 1 or more:
        lines = "".join(f"  {view}\n" for view in (*VIEWS[: views - 1], *more))
        (folder / "load.stream.yaml").write_text(f"stream: load\nviews:\n{lines}", "utf-8")
    for number in range(sources):
        source = _SOURCE.format(number=number, host=_HOST, every=every[number % len(every)])
        (folder / f"load-{number}.yaml").write_text(source, "utf-8")


def payload(source: int, items: int) -> bytes:
    """Prepare a payload of so many car parks, those of one source, with a place for the time."""
    return json.dumps(
        {
            "items": [
                {
                    "id": f"p{source}-{number}",
                    "at": _STAMP.decode(),
                    "name": f"Parking {number} van bron {source}",
                    "free": (free := number * 7919 % 800),
                    "total": 800,
                    "taken": round(100 - free / 8, 1),
                    "open": number % 9 != 0,
                    "lon": round(3.6 + number * 31 % 2000 / 10_000, 4),
                    "lat": round(51.0 + number * 17 % 1000 / 10_000, 4),
                }
                for number in range(items)
            ]
        }
    ).encode()


def stamped(prepared: bytes, moment: datetime) -> bytes:
    """Put a time, to the millisecond, where a payload was prepared to have one."""
    return prepared.replace(_STAMP, moment.isoformat(timespec="milliseconds")[:23].encode() + b"Z")


class Publisher:
    """Answers every poll of source N at `/<host>/<N>` with a payload that is news.

    `wanted` is asked per poll how many items to send; with none the answer is 304. `sent` lists what went out: the
    stamp, which is the moment of the answer, and the number of items sent until then. `ledger` has the items of each
    payload by source and stamp, which are enough to know every member that must come of it; `asked` are the sources that
    were asked for at all.
    """

    def __init__(self, wanted: Callable[[], int]) -> None:
        self.wanted = wanted
        self.sent: list[tuple[datetime, int]] = []
        self.ledger: dict[tuple[int, datetime], int] = {}
        self.asked: set[int] = set()
        self._prepared: dict[tuple[int, int], bytes] = {}

    @property
    def items(self) -> int:
        """How many items went out so far."""
        return self.sent[-1][1] if self.sent else 0

    def prepare(self, sources: int, items: int) -> None:
        """Make the payloads of this size before anybody asks for them."""
        for source in range(sources):
            self._prepared[source, items] = payload(source, items)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Answer while the block runs; gives the address to use as `--origin`."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled when the run ends, which asyncio's server would report as an error.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                writer.write(self._answer(int(path.rpartition(b"/")[2])))
                await writer.drain()
        writer.close()

    def _answer(self, source: int) -> bytes:
        self.asked.add(source)
        items = self.wanted()
        if not items:
            return b"HTTP/1.1 304 Not Modified\r\n\r\n"
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        body = stamped(self._prepared[source, items], now)
        self.sent.append((now, self.items + items))
        self.ledger[source, now] = self.ledger.get((source, now), 0) + items
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
