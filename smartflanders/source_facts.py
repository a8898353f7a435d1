"""What the doctor finds of sources: whether they deliver in time, and what was wrong with them last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.source import Source
from ingest.staleness import declared
from ingest.trouble import Told
from streams.log import Log
from streams.record import raw_topic, trouble_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A source as found: when it delivered last, within which interval it should, and what is wrong `since` when."""

    name: str
    newest: datetime | None
    every: timedelta | None
    trouble: Told | None = None
    since: datetime | None = None


async def source_facts(sources: Iterable[Source], log: Log, there: Collection[str]) -> list[SourceFacts]:
    """Ask the log about each source; topics that are not `there` hold nothing. Raises `LogError`."""
    found = []
    for source in sources:
        raw, wrong = [
            await log.last(topic) if topic in there else None
            for topic in (raw_topic(source.name), trouble_topic(source.name))
        ]
        told = None if wrong is None else Told.from_record(wrong.record)
        found.append(
            SourceFacts(
                name=source.name,
                newest=None if raw is None else raw.at,
                every=declared(source),
                trouble=told,
                since=None if wrong is None or told is None else wrong.at,
            )
        )
    return found


def troubled(sources: Iterable[SourceFacts], at: datetime) -> Iterator[tuple[str, str, str]]:
    """Yield where, what and fix of each source that fails, or delivers nothing within its declared interval."""
    for source in sources:
        where = f"source {source.name}"
        if source.trouble is not None and source.since is not None:
            told = f"{source.trouble.kind.value}, last told {source.since:%Y-%m-%d %H:%M:%S} UTC: {source.trouble.what}"
            yield where, told, source.trouble.fix
        if source.every is None:
            continue
        expected = f"something new is expected every {source.every}"
        fix = "see whether the publisher sends, and what `collect` (webhooks: `serve`) logs; sf_source_errors_total counts"
        if source.newest is None:
            yield where, f"has delivered nothing yet; {expected}", fix
        elif at - source.newest > source.every:
            late = timedelta(seconds=round((at - source.newest).total_seconds()))
            yield where, f"has delivered nothing for {late}; {expected}", fix
