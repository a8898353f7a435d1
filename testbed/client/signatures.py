"""What a feed signs off of its history: a count and digests per closed page, chained (docs/reference/digests.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from streams.errors import FeedError
from testbed.client.fetching import Fetcher

_ZERO = "0" * 64
# A part has a thousand lines of 300 bytes; what is ten times as large is something else.
_MOST = 4 * 1024 * 1024
_ACCEPT = "application/json, application/x-ndjson, */*;q=0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The line of one page: numbers of its first and last member, how many, and the digests."""

    page: int
    first: int
    last: int
    count: int
    ids: str
    json: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that is signed, and the number that stands for all of it."""

    stream: str
    members: int
    chain: str
    pages: tuple[Signature, ...]


def ids_line(sequence: int, generated_at: str, iri: str) -> bytes:
    """Return what `ids` digests of one member."""
    return f"{sequence} {generated_at} {iri}\n".encode()


def broken_links(ledger: Ledger) -> list[str]:
    """Return what is wrong with the chain itself: then nothing that is signed proves anything."""
    found, before = [], _ZERO
    for page in ledger.pages:
        if hashlib.sha256(f"{before}{page.ids}{page.json}".encode()).hexdigest() != page.chain:
            found.append(f"page {page.page}: the feed's own signature does not follow from those before it")
        if page.count != page.last - page.first + 1:
            found.append(
                f"page {page.page}: the feed signed {page.count} members, but numbers {page.first} to {page.last}"
            )
        before = page.chain
    if before != ledger.chain:
        found.append(f"the feed's number is {ledger.chain}, its newest page has {before}")
    return found


async def load_ledger(fetcher: Fetcher, stream: str, address: str) -> Ledger:
    """Fetch everything that is signed of a stream, told at an address.

    Raises:
        FeedError: the feed signs nothing, or not in this form.

    """
    try:
        answer = await fetcher.fetch(address, accept=_ACCEPT, most=_MOST)
    except FeedError as error:
        if error.retriable:
            raise
        fix = "a copy of this feed cannot be proven by digests; ask its publisher for them"
        raise FeedError(f"signs nothing off: {error.what}", where=address, fix=fix) from error
    try:
        summary = orjson.loads(answer.body)
        pages, members, chain, parts = (summary[name] for name in ("pages", "members", "chain", "parts"))
        lines = [line for part in parts for line in await _part(fetcher, str(part))]
        # Pages that were signed since the summary was made are left to the next proof.
        kept = tuple(line for line in lines if line.page < int(pages))
        return Ledger(stream=stream, members=int(members), chain=str(chain), pages=kept)
    except (ValueError, KeyError, TypeError) as error:
        fix = "docs/reference/digests.md says what they look like"
        raise FeedError(f"are no digests: {error!r}", where=address, fix=fix) from error


async def _part(fetcher: Fetcher, address: str) -> Sequence[Signature]:
    """Fetch the lines of one part; none, where its pages were no longer kept when digests came into use."""
    try:
        return _lines((await fetcher.fetch(address, accept=_ACCEPT, most=_MOST)).body)
    except FeedError as error:
        # The chain tells when this hides a page that was signed.
        if error.retriable or not error.what.startswith("answered 404"):
            raise
        return ()


def _lines(body: bytes) -> Sequence[Signature]:
    names = ("page", "first", "last", "count")
    found = []
    for line in body.splitlines():
        fields = orjson.loads(line)
        numbers = {name: int(fields[name]) for name in names}
        found.append(Signature(**numbers, ids=str(fields["ids"]), json=str(fields["json"]), chain=str(fields["chain"])))
    return found
