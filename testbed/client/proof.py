"""Proving a copy: against what the feed signed off, page by page; and naming what is missing, doubled or altered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streams.errors import FeedError
from testbed.client.copies import Copy, Place
from testbed.client.fetching import ACCEPT_JSON, Fetcher
from testbed.client.kept import History, Kept, numbered
from testbed.client.parsing import JSON_LD
from testbed.client.signatures import Ledger, Signature, broken_links, ids_line, load_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of it: members proven, and everything that is wrong, the first page first.

    `unsigned` members of the copy stand on no closed page yet; the feed has signed `newer` ones that the copy lacks;
    members before number `begin` the feed itself does not keep any more, or only some: `loose` members of the copy are
    of pages of which it does not have all. `chain` is that of the last page proven: it stands
    for all the feed published until then.
    """

    proven: int
    unsigned: int
    newer: int
    loose: int
    begin: int
    chain: str
    faults: tuple[str, ...]


async def prove(copy: Copy, fetcher: Fetcher, stream: str) -> Proof:
    """Prove a copy of a stream. Raises FeedError when the feed signs nothing off or does not answer."""
    history = History(fetcher, stream)
    kept = await history.kept()
    # Roots of earlier releases do not say where.
    ledger = await load_ledger(fetcher, stream, kept.digests or f"{stream}/digests")
    faults = [*copy.strange, *broken_links(ledger)]
    if not len(copy) and ledger.members:
        faults.append(f"the copy is empty, the feed signed {ledger.members} members")
    faults += await _older(copy, history, kept)
    begin, signed = _begin(copy, kept, ledger), ledger.pages[-1].last if ledger.pages else -1
    proven, loose, chain = 0, 0, ledger.chain
    for page in ledger.pages:
        if digests(copy, page) == (page.ids, page.json):
            proven, chain = proven + page.count, page.chain
            continue
        # What was no longer kept when the copy began, and what was published after it ended, is not its fault.
        first, last = max(page.first, begin), min(page.last, copy.last)
        loose += len(copy.numbers(page.first, min(page.last, first - 1)))
        if first > last:
            continue
        wrong = gaps(copy, first, last)
        if not wrong and (first, last) == (page.first, page.last):
            wrong = ["a member says something else than was signed"]
        # A page that is there in part cannot be proven by its digests, but still compared.
        served = await _fetch(fetcher, ledger.stream, page)
        exactly = [] if served is None else compare_page(list(copy.between(first, last)), served, page)
        faults += [f"page {page.page}: {what}" for what in dict.fromkeys([*_unless(exactly, wrong), *exactly])]
    faults += [f"not signed yet: {what}" for what in gaps(copy, max(signed + 1, begin), copy.last)]
    return Proof(
        proven=proven,
        unsigned=len(copy.numbers(signed + 1, copy.last)),
        newer=max(signed - copy.last, 0),
        loose=loose,
        begin=begin,
        chain=chain,
        faults=tuple(faults),
    )


def _unless(exactly: list[str], wrong: list[str]) -> list[str]:
    """Return what is known to be wrong, without the digest's word when single members are named."""
    return [what for what in wrong if not (exactly and what.startswith("a member"))]


def gaps(copy: Copy, first: int, last: int) -> list[str]:
    """Say which numbers from `first` to `last` are missing, and which are there more than once."""
    numbers = copy.numbers(first, last)
    found = []
    for before, after in pairwise([first - 1, *numbers, last + 1]):
        if after - before > 1:
            found.append(_missing(before + 1, after - 1))
    if len(set(numbers)) < len(numbers):
        found += _doubled(copy.between(first, last))
    return found


def _missing(first: int, last: int) -> str:
    return f"member {first} is missing" if first == last else f"members {first} to {last} are missing"


def _doubled(places: Iterator[Place]) -> Iterator[str]:
    for before, after in pairwise(places):
        if before.sequence == after.sequence:
            same = "" if before.text == after.text else ", and they differ"
            yield f"member {before.sequence} is there twice: lines {before.line} and {after.line}{same}"


def digests(copy: Copy, page: Signature) -> tuple[str, str]:
    """Return the two digests of the members that the copy has of a page."""
    ids, json = hashlib.sha256(), hashlib.sha256()
    for place in copy.between(page.first, page.last):
        fields = place.fields()
        ids.update(ids_line(place.sequence, str(fields.get("generatedAtTime")), str(fields.get("@id"))))
        json.update(place.text + b"\n")
    return ids.hexdigest(), json.hexdigest()


def _begin(copy: Copy, kept: Kept, ledger: Ledger) -> int:
    """Return the number from which on the copy must have every member.

    A feed drops the oldest pages. A copy that began before that goes back further, but not without gaps where single
    members of those pages are kept.
    """
    begin = ledger.pages[-1].last + 1 if kept.begin is None and ledger.pages else kept.begin or 0
    if len(copy) and not kept.in_part:
        begin = min(begin, copy.first)
    return max(begin, ledger.pages[0].first) if ledger.pages else begin


async def _older(copy: Copy, history: History, kept: Kept) -> list[str]:
    """Say what is wrong with the members that the feed keeps of pages that have left."""
    found: list[str] = []
    async for number, text in history.members(kept.older):
        places = list(copy.between(number, number))
        if not places and number <= copy.last:
            found.append(f"older members: {_missing(number, number)}")
        found += [f"older members: {what}" for what in _doubled(iter(places))]
        found += [f"older members: {_other(place)}" for place in places if place.text != text]
    return found


def _other(place: Place) -> str:
    return f"member {place.sequence} says something else: line {place.line}"


async def _fetch(fetcher: Fetcher, stream: str, page: Signature) -> Mapping[int, bytes] | None:
    """Return the members of a page as the feed writes them now, by number; None when it does not have it any more."""
    try:
        answer = await fetcher.fetch(f"{stream}/log/0/{page.page}", accept=ACCEPT_JSON)
    except FeedError as error:
        if error.retriable:
            raise
        return None
    # Where it has left, the rest of it may stand elsewhere, with the rest of others.
    if answer.media != JSON_LD or not answer.names[0].endswith(f"/log/0/{page.page}"):
        return None
    return numbered(answer)


def compare_page(places: Sequence[Place], served: Mapping[int, bytes], page: Signature) -> list[str]:
    """Say which lines differ from a page as the feed has it now; first of all whether that is what it signed."""
    texts = b"".join(served[number] + b"\n" for number in sorted(served))
    if hashlib.sha256(texts).hexdigest() != page.json:
        return ["the feed serves this page with other content than it signed"]
    return [_other(place) for place in places if place.text != served.get(place.sequence)]
