"""The ledger of the truth: which bodies were handed over completely, and which distinct items they told."""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.simulator.formats import Expected, Fragment

# An item is told again within this many tellings of its entity or not at all: a document changes each minute and
# no fault reaches back further than ten. Keeps the memory flat however long the simulator runs.
_REMEMBERED = 24
# A ledger nobody asked for must not fill the disk of a demo that runs for weeks: three hours of two hundred lanes at
# sixty times real time. One with a path keeps everything.
_KEPT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One body that a publisher was asked for; `payload` says what should become of the whole of it.

    `fragments` are the items it tells; none when the body is no document (a fault of the body).
    """

    source: str
    etag: str = ""
    status: int = 200
    size: int = 0
    faults: tuple[str, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    payload: Expected = Expected.MEMBER


class Ledger:
    """Writes one JSON line per body and per distinct item, as they are handed over; reads them back for the judge.

    Four kinds of lines, told apart by `kind`:

    - `body`: `n` (counted from 1), `source`, `etag`, `status`, `bytes`, `complete`, `faults`, `payload` (what should
      become of it), and `items`, the number of items in it, doubles counted;
    - `item`: `body` (the first body that told it), `source`, `entity`, `observed_at` (UTC), `values`, `expected`
      (`member`, `rejection` or `either`); each distinct one once, and only from bodies that were handed over whole;
    - `confirmed`: `body`; a client came back with its ETag, so it has certainly kept it;
    - `cut`: `body`; a ledger without a path has grown too large and begins anew after this body.

    Handed over whole means: given to the network without an error. A client that is killed while it reads may have
    lost the last body of each source that is not `confirmed`.
    """

    def __init__(self, path: Path | None = None, *, kept_bytes: int = _KEPT_BYTES) -> None:
        # Without a path the lines live in a file that has no name and vanishes with the process.
        self._file = path.open("w+b") if path else tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._limit = None if path else kept_bytes
        self._bodies = 0
        self._told: dict[tuple[str, str], deque[int]] = {}
        self._unconfirmed: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the file; a ledger that was given a path stays there."""
        self._file.close()

    def add(self, told: Told, *, complete: bool) -> None:
        """Write down a body, and the items that were not told before if it was handed over whole."""
        if self._limit is not None and self._file.tell() > self._limit:
            self._cut()
        self._bodies += 1
        items = [part for part in told.fragments if part.item is not None]
        self._write(
            {
                "kind": "body",
                "n": self._bodies,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "source": told.source,
                "etag": told.etag,
                "status": told.status,
                "bytes": told.size,
                "complete": complete,
                "faults": list(told.faults),
                "payload": told.payload.value,
                "items": len(items),
            }
        )
        if complete:
            for part in items:
                self._add_item(told.source, part)
            if told.etag:
                self._unconfirmed[told.source, told.etag] = self._bodies
        self._file.flush()

    def confirm(self, source: str, etag: str) -> None:
        """Write down that a client showed the ETag of a body, the first time it does."""
        body = self._unconfirmed.pop((source, etag), None)
        if body is not None:
            self._write({"kind": "confirmed", "body": body, "source": source, "etag": etag})
            self._file.flush()

    def lines(self) -> Iterator[bytes]:
        """Yield everything written so far, in pieces of whole lines."""
        end = self._file.seek(0, 2)
        position = 0
        while position < end:
            self._file.seek(position)
            piece = self._file.readlines(1 << 16)
            self._file.seek(0, 2)  # whoever writes in between appends
            if not piece:
                return  # cut while it was read
            position += sum(map(len, piece))
            yield b"".join(piece)

    def _cut(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._told.clear()
        self._write({"kind": "cut", "body": self._bodies})

    def _add_item(self, source: str, part: Fragment) -> None:
        assert part.item is not None
        fields = {
            "kind": "item",
            "source": source,
            "entity": part.item.entity,
            "observed_at": part.item.observed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "values": part.item.values,
            "expected": part.expected.value,
        }
        # Spoiled bytes are another item than the good ones, though they tell of the same moment.
        identity = hash(
            (json.dumps(fields, sort_keys=True), part.body if part.expected is not Expected.MEMBER else b"")
        )
        known = self._told.setdefault((source, part.item.entity), deque(maxlen=_REMEMBERED))
        if identity not in known:
            known.append(identity)
            self._write({"kind": "item", "body": self._bodies} | fields)

    def _write(self, fields: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(fields, ensure_ascii=False).encode() + b"\n")
