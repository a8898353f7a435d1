"""Coverage: the time, place and lag of a stream's live members, read without reading the stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from ldes_server.box import Box
from ldes_server.database import Database

# Members in a block: ten million members are 1,220 rows, and what is in no full block is read in some milliseconds.
BLOCK = 8192
# Blocks written down by one statement: a quarter of a million members, a second or two of reading.
_BLOCKS_AT_ONCE = 32
# The newest members whose lag is measured: a few minutes of a busy stream, a day of a quiet one.
SAMPLE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """From observation to publication, over the newest `sample` members: the middle one, and the 95th of 100."""

    median: timedelta
    high: timedelta
    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the live members of a stream cover; times are UTC. `since` is when the stream was first published.

    `box` is None when no member has a point.
    """

    observed_from: datetime
    observed_to: datetime
    published_from: datetime
    published_to: datetime
    since: datetime
    box: Box | None
    lag: Lag


class CoverageStore(Protocol):
    """Who can tell what a stream covers. Raises `StoreError`."""

    async def coverage(self, stream: str) -> Coverage | None:
        """Return what the live members cover; None when there are none."""
        ...


async def read_coverage(database: Database, stream: str, *, block: int = BLOCK) -> Coverage | None:
    """Return what the live members of a stream cover, exactly; None when there are none.

    Writes down first what full blocks cover that nobody asked for yet, so the first call on a long stream reads all of
    it, once, in bounded statements, and may be cancelled at any time; later calls read fewer than two blocks of members.
    """
    frontier = await database.row("frontier", stream)
    if frontier is None:
        return None
    name, count, first = frontier["id"], frontier["count"], frontier["first"]
    # Whole live blocks are [lead, full); what is below the count never changes, so no common snapshot is needed.
    lead, full = -(-first // block), count // block
    done = max(frontier["block"], lead)
    while done < full:
        until = min(done + _BLOCKS_AT_ONCE, full)
        await database.rows("fill_extents", name, block, done * block, until * block)
        done = until
    extent = await database.row("coverage", name, lead, first, min(lead * block, count), done * block, count)
    lags = await database.row("lags", name, max(first, count - SAMPLE), count)
    return None if extent["observed_from"] is None or not lags["sample"] else _coverage(extent, lags)


def _coverage(extent: Any, lags: Any) -> Coverage:
    return Coverage(
        observed_from=extent["observed_from"],
        observed_to=extent["observed_to"],
        published_from=extent["published_from"],
        published_to=extent["published_to"],
        since=extent["since"],
        box=None
        if extent["west"] is None
        else Box(**{side: extent[side] for side in ("west", "south", "east", "north")}),
        lag=Lag(
            median=timedelta(seconds=float(lags["median"])),
            high=timedelta(seconds=float(lags["high"])),
            sample=lags["sample"],
        ),
    )
