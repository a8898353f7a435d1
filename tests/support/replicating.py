"""Copies a feed with our client, within the test's own process: what was written, noted and asked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from testbed.client.crawl import Tally, Wish
from testbed.client.fetching import Fetcher
from testbed.client.limits import Limits, Origins
from testbed.client.output import Output
from testbed.client.replica import Replica
from testbed.client.state import State

# Pauses that cost a test nothing.
QUICK = Limits(first_pause=timedelta(milliseconds=1), longest_pause=timedelta(milliseconds=4))
AGENT = "smartflanders-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy came to."""

    text: bytes
    notes: tuple[str, ...]
    tallies: tuple[Tally, ...]

    @property
    def members(self) -> list[dict[str, Any]]:
        """The lines of an NDJSON copy."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def ids(self) -> list[str]:
        """The IRIs of the members, in the order in which they were written."""
        return [member["@id"] for member in self.members]

    @property
    def numbers(self) -> list[int]:
        """The last part of each IRI, as a number."""
        return [int(iri.rsplit("/", 1)[1]) for iri in self.ids]


async def copy(
    url: str,
    folder: Path,
    *,
    wish: Wish | None = None,
    limits: Limits = QUICK,
    runs: int = 1,
    allow: tuple[str, ...] = (),
) -> Copied:
    """Copy a feed into `folder`, going on where the last copy there ended; `runs` times."""
    stop = asyncio.Event()
    tallies = []
    out = folder / "copy"
    fetcher = Fetcher(Origins([url, *allow]), limits, agent=AGENT, contact="test@example.org", stop=stop)
    async with fetcher:
        with State(folder / "copy.state") as state:
            position, cut = int(state.facts.get("position", "0")), state.facts.get("writing") != "0"
            with Output(out, position, cut=cut) as output:
                replica = Replica(url, fetcher=fetcher, state=state, output=output, wish=wish or Wish())
                async for tally in replica.runs(stop=stop, every=timedelta(milliseconds=1)):
                    tallies.append(tally)
                    if len(tallies) == runs:
                        stop.set()
                notes = replica.notes
    return Copied(text=out.read_bytes(), notes=tuple(notes), tallies=tuple(tallies))


def with_limits(**changes: Any) -> Limits:
    """Return quick limits with some of them changed."""
    return replace(QUICK, **changes)
