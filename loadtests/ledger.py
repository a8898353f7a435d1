"""What a publisher sent against what was published: members that are missing, doubled, or that nobody sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loadtests.end_to_end import QUERIES, STREAM, Run

# Car park 17 of source 3 is `p3-17`; its address ends so, before what makes it unlike any other.
_NAME = re.compile(r"p(\d+)-(\d+)(?:-[0-9a-f]+)?$")
_MISSING, _THERE, _DOUBLED = 0, 1, 2
_PREFETCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """`sent` = `published` once + `lost`; `doubled` are published more than once, `strange` were sent by nobody."""

    sent: int
    lost: int
    doubled: int
    strange: int

    @property
    def wrong(self) -> int:
        """How many members are not as they should be."""
        return self.lost + self.doubled + self.strange

    def told(self) -> str:
        """Say it in a phrase."""
        return f"{self.sent:,} sent, {self.lost:,} lost, {self.doubled:,} doubled, {self.strange:,} that nobody sent"


class Ledger:
    """One entry for each item that was sent, ticked off as members are seen: a byte each."""

    def __init__(self, sent: Mapping[tuple[int, datetime], int]) -> None:
        self._entries = {key: bytearray(items) for key, items in sent.items()}
        self._strange = 0

    def see(self, seen: Iterable[tuple[str, datetime]]) -> None:
        """Tick off members by their entity and the time of the observation."""
        for entity, observed_at in seen:
            named = _NAME.search(entity)
            entry = self._entries.get((int(named[1]), observed_at)) if named else None
            if named is None or entry is None or (number := int(named[2])) >= len(entry):
                self._strange += 1
            else:
                entry[number] = min(entry[number] + 1, _DOUBLED)

    def balance(self) -> Balance:
        """Count."""
        entries = self._entries.values()
        return Balance(
            sent=sum(map(len, entries)),
            lost=sum(entry.count(_MISSING) for entry in entries),
            doubled=sum(entry.count(_DOUBLED) for entry in entries),
            strange=self._strange,
        )


async def balance(run: Run) -> Balance:
    """Hold everything that was sent in a run against every member that its database has published."""
    ledger = Ledger(run.publisher.ledger)
    async with run.connection.transaction():
        rows: list[Any] = []
        async for row in run.connection.cursor(QUERIES["witnessed"], STREAM, prefetch=_PREFETCH):
            rows.append(tuple(row))
            if len(rows) >= _PREFETCH:
                ledger.see(rows)
                rows = []
        ledger.see(rows)
    return ledger.balance()
