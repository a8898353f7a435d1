"""Gathering: holds the members of a transaction back until the last one is there, so that it is published whole; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson

from streams.record import Entry
from vocab.versions import FINAL_KEY, TRANSACTION_KEY

# Whoever appends a transaction in several pieces, and is killed in between, appends it all again when it is back. What
# waits longer than that, counted in the log's time, or is too much to keep, is published as if it belonged to nothing
# (LDES-50): a transaction that nobody closes must not stop a stream.
PATIENCE = timedelta(minutes=10)
MOST_HELD = 20_000
TRANSACTION, CLOSES = "transaction", "closes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What may be published now, and the `position` to save with it: nothing up to there is held back."""

    ready: Sequence[Entry]
    position: int


class Gathering:
    """The entries of open transactions, in memory only: who begins anew reads them again, for they lie behind the
    position. What was published from behind it meanwhile is told by its identity.
    """

    def __init__(self, *, patience: timedelta = PATIENCE, most: int = MOST_HELD) -> None:
        self._patience = patience
        self._most = most
        self._held: dict[str, list[Entry]] = {}

    def add(self, entries: Sequence[Entry]) -> Gathered:
        """Take the next entries of the topic, at least one; return what is complete, each transaction in one piece."""
        ready: list[Entry] = []
        for entry in entries:
            name = _name(entry.record.headers)
            if not name:
                ready.append(entry)
                continue
            self._held.setdefault(name, []).append(entry)
            if CLOSES in entry.record.headers:
                ready += self._held.pop(name)
        while self._held and self._is_too_much(entries[-1]):
            # The oldest is the first: a dictionary keeps the order in which its keys came.
            ready += [_alone(each) for each in self._held.pop(next(iter(self._held)))]
        oldest = min((held[0].offset for held in self._held.values()), default=entries[-1].offset + 1)
        return Gathered(ready=ready, position=oldest - 1)

    def _is_too_much(self, newest: Entry) -> bool:
        oldest = next(iter(self._held.values()))[0]
        return newest.at - oldest.at > self._patience or sum(map(len, self._held.values())) > self._most


def _name(headers: Mapping[str, bytes]) -> str:
    return headers.get(TRANSACTION, b"").decode(errors="replace")


def _alone(entry: Entry) -> Entry:
    kept = {name: value for name, value in entry.record.headers.items() if name not in (TRANSACTION, CLOSES)}
    return entry._replace(record=entry.record._replace(headers=kept))


def tied(names: Sequence[str], void: frozenset[str]) -> list[bytes]:
    """Return what each of a batch's new members says of its transaction, as JSON to splice in; empty for nothing.

    `names` are the members' transactions in order ("" for none), each one complete in the batch. The last member closes
    it. `void` ones are no transactions any more: something of them was published before, when it may have been closed.
    """
    last = {name: place for place, name in enumerate(names)}
    return [
        _spelled(name, closes=last[name] == place) if name and name not in void else b""
        for place, name in enumerate(names)
    ]


def _spelled(name: str, *, closes: bool) -> bytes:
    said = {TRANSACTION_KEY: name, **({FINAL_KEY: True} if closes else {})}
    return b"," + orjson.dumps(said)[1:-1]
