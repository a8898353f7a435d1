"""Digests of closed pages, chained, so that whoever holds a copy can prove it: one number stands for all history.

The rule is written for readers in docs/reference/digests.md; a script of thirty lines there recomputes it. Digests are
made once, soon after a page has closed, and never again: they say what was published, whatever retention drops later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

import orjson

from ldes_server.documents import Document
from ldes_server.model import Head, Page, PageId, Published, Stream
from ldes_server.render import full_body, member_iri
from ldes_server.responses import FOR_EVER, mutable
from ldes_server.store import Ledger
from streams.record import format_time

JSON, LINES = "application/json", "application/x-ndjson"
# What the first page's chain is made from.
GENESIS = "0" * 64
# Lines in one answer: 300 kB, half of it after compression.
PER_PART = 1000
# Digests kept in one transaction: a page closes for every 250 members, and each commit waits for the disk.
_AT_ONCE = 20
# How often closed pages are looked for: what a reader waits for at most.
_EVERY = timedelta(seconds=5)


class Signer(Ledger, Protocol):
    """What signing needs of a store."""

    async def head(self, stream: str) -> Head:
        """Return how far the stream is."""
        ...

    async def page(self, stream: Stream, page_id: PageId) -> Page | None:
        """Return the page, or None."""
        ...


def sign(index: int, members: Sequence[Published], *, previous: str) -> bytes:
    """Return the line of a closed page (no line feed); `previous` is the chain of the page before, `GENESIS` if none.

    `ids` digests number, publication time and IRI of each member, which every form of the page has; `json` the members
    as the JSON forms have them, byte for byte; `chain` both, and all before.
    """
    ids, json = hashlib.sha256(), hashlib.sha256()
    for member in members:
        stamp = format_time(member.published_at).encode()
        ids.update(b"%d %s %s\n" % (member.sequence, stamp, member_iri(member)))
        json.update(full_body(member) + b"\n")
    pair = ids.hexdigest() + json.hexdigest()
    return orjson.dumps(
        {
            "page": index,
            "first": members[0].sequence,
            "last": members[-1].sequence,
            "count": len(members),
            "ids": ids.hexdigest(),
            "json": json.hexdigest(),
            "chain": hashlib.sha256((previous + pair).encode()).hexdigest(),
        }
    )


async def sign_closed(stream: Stream, store: Signer, *, stop: asyncio.Event) -> int:
    """Sign every page that has closed since the last one signed, or until `stop`; return how many.

    May be stopped anywhere: digests are kept a few at a time, and whoever comes next goes on behind them. Pages that
    retention dropped unsigned (a store older than digests) are left out, which their numbers show.
    """
    newest = await store.signed(stream.name)
    last: dict[str, Any] = orjson.loads(newest) if newest else {"page": -1, "chain": GENESIS}
    previous = last["chain"]
    head = await store.head(stream.name)
    first: int = max(last["page"] + 1, head.first // stream.page_size)
    done = first
    lines: list[bytes] = []
    for number in range(first, head.count // stream.page_size):
        page = await store.page(stream, PageId(level=0, index=number))
        if page is None or not page.final or stop.is_set():
            break
        lines.append(sign(number, page.members, previous=previous))
        previous = orjson.loads(lines[-1])["chain"]
        if len(lines) == _AT_ONCE:
            await store.sign(stream.name, done, *lines)
            done, lines = done + len(lines), []
    if lines:
        await store.sign(stream.name, done, *lines)
    return done + len(lines) - first


async def run_signing(stream: Stream, store: Signer, *, stop: asyncio.Event) -> None:
    """Sign closed pages until `stop`. Raises `StoreError`; calling again goes on where this call ended."""
    closed = -1
    while not stop.is_set():
        pages = (await store.head(stream.name)).count // stream.page_size
        if pages != closed:
            await sign_closed(stream, store, stop=stop)
            closed = pages
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY.total_seconds())


async def summary(stream: Stream, store: Ledger, *, base_url: str) -> Document:
    """Return what is signed: how many pages and members, the newest chain, and the addresses of the lines."""
    newest = await store.signed(stream.name)
    last: dict[str, Any] = orjson.loads(newest) if newest else {"page": -1, "last": -1, "chain": GENESIS}
    pages = last["page"] + 1
    content = {
        "stream": f"{base_url}/{stream.name}",
        "pageSize": stream.page_size,
        "pages": pages,
        "members": last["last"] + 1,
        "chain": last["chain"],
        "parts": [f"{base_url}/{stream.name}/digests/{part}" for part in range(-(-pages // PER_PART))],
    }
    return Document(bodies={JSON: orjson.dumps(content) + b"\n"}, cache_control=mutable(stream.max_age))


async def part(stream: Stream, store: Ledger, number: int) -> Document | None:
    """Return the lines of a thousand pages, for ever once all are signed; None when none of them is."""
    lines = await store.digests(stream.name, number * PER_PART, limit=PER_PART)
    if not lines:
        return None
    cache = FOR_EVER if len(lines) == PER_PART else mutable(stream.max_age)
    return Document(bodies={LINES: b"\n".join(lines) + b"\n"}, cache_control=cache)
