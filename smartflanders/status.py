"""What flows and what is refused, read from the platform's own metrics and told in lines."""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError

from ldes_server.model import Stream
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan
from streams.errors import LogError, StoreError
from streams.log import Log
from streams.record import Payload, members_topic, raw_topic, state_topic
from streams.settings import Settings

# Progress that is not a terminal's is a line every ten seconds.
_EVERY = timedelta(seconds=10)
_LOOK_EVERY = timedelta(milliseconds=250)
_SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The counters of one source since the platform started: items = members + unchanged + refused."""

    items: int = 0
    members: int = 0
    unchanged: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    failed_polls: int = 0
    # Answered polls, with or without news; they go on when nothing flows any more.
    polls: int = field(default=0, compare=False)

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        refused = f"{self.refused} refused" + (f" ({reasons})" if reasons else "")
        failed = f"; {self.failed_polls} polls failed" if self.failed_polls else ""
        return f"{self.items} items: {self.members} members, {self.unchanged} unchanged, {refused}{failed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What tells that a replay is over: log and database, and the recorded documents of each source."""

    settings: Settings
    dsn: str
    documents: Mapping[str, Sequence[Path]]


def read_flows(metrics: str, plan: Plan) -> dict[str, Flow]:
    """Read the flow of each source from the text of /metrics."""
    values: dict[tuple[str, ...], int] = {}
    for found in _SAMPLE.finditer(metrics):
        labels = (value for _, value in sorted(_LABEL.findall(found["labels"])))
        values[(found["name"], *labels)] = int(float(found["value"]))

    def of(name: str, source: str) -> dict[str, int]:
        # Labels come sorted by name: outcome or reason before source.
        return {key[1]: value for key, value in values.items() if key[0] == name and key[-1] == source}

    flows = {}
    for source in plan.sources:
        items = of("sf_items_total", source.name)
        polls = of("sf_polls_total", source.name)
        flows[source.name] = Flow(
            items=values.get(("sf_items_in_total", source.name), 0),
            members=items.get("member", 0),
            unchanged=items.get("unchanged", 0),
            refused=items.get("rejected", 0),
            reasons={name: count for name, count in of("sf_rejections_total", source.name).items() if count},
            failed_polls=polls.get("failed", 0),
            polls=polls.get("news", 0) + polls.get("empty", 0),
        )
    return flows


async def wait_for_members(streams: Sequence[Stream], port_url: str, *, within: timedelta, stop: asyncio.Event) -> None:
    """Return when every stream's root links something, or after `within`, or when told to stop."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within.total_seconds()
    waiting = [stream.name for stream in streams]
    while waiting and clock() < deadline and not stop.is_set():
        waiting = [name for name in waiting if b'"relation":[{' not in await fetch(f"{port_url}/{name}/log")]
        if waiting:
            await _pause(stop, _LOOK_EVERY)


async def report_progress(plan: Plan, port_url: str, *, replay: Replay | None, stop: asyncio.Event) -> None:
    """Tell every ten seconds what flowed, on standard error; tell a finished `replay` once, on standard output."""
    told: dict[str, Flow] = {}
    replaying = replay
    while not stop.is_set():
        await _pause(stop, timedelta(seconds=1) if replaying else _EVERY)
        metrics = await fetch(f"{port_url}/metrics")
        if not metrics:
            continue
        flows = read_flows(metrics.decode(), plan)
        # The log may be further than the figures that were read before it was asked: they must still stand after it.
        if replaying and flows == told and await is_complete(replaying, plan, flows):
            if read_flows((await fetch(f"{port_url}/metrics")).decode(), plan) != flows:
                continue
            for name, flow in flows.items():
                print(f"replayed {name}: {flow}", flush=True)  # noqa: T201 - a result of `up --replay`
            print("replay complete", flush=True)  # noqa: T201
            replaying = None
        for name, flow in flows.items():
            if flow != told.get(name):
                print(f"{name}: {flow}", file=sys.stderr, flush=True)  # noqa: T201 - progress
        told = flows


async def is_complete(replay: Replay, plan: Plan, flows: Mapping[str, Flow]) -> bool:
    """Whether every source was asked for all of its documents, its last one is in the log, and all of it is published.

    Asks the log and the store, too: metrics do not know what a killed process had in hand.
    """
    if any(flows[name].polls < len(documents) for name, documents in replay.documents.items()):
        return False
    # Imported here: only a replay asks the store, and the supervisor of a platform shall stay small.
    from ldes_server.postgres_store import PostgresStore  # noqa: PLC0415

    with suppress(LogError, StoreError):
        kept = kept_for(plan, replay.settings)
        async with (
            open_log(replay.settings, replay.dsn, kept=kept) as log,
            PostgresStore(replay.dsn, base_url="") as store,
        ):
            for source in plan.sources:
                if not await _normalised(source.name, replay.documents[source.name][-1], log):
                    return False
            for stream in plan.streams:
                newest = await log.last(members_topic(stream.name))
                if newest is not None and (await store.head(stream.name)).position < newest.offset:
                    return False
        return True
    return False


async def _normalised(source: str, last: Path, log: Log) -> bool:
    """Whether the normaliser is done with the newest payload, and that is the last document."""
    raw, state = await log.last(raw_topic(source)), await log.last(state_topic(source))
    if raw is None or state is None or state.record.headers.get("offset") != str(raw.offset).encode():
        return False
    return Payload.from_record(raw.record).body == await asyncio.to_thread(_document, last)


def _document(file: Path) -> bytes:
    body = file.read_bytes()
    return gzip.decompress(body) if file.suffix == ".gz" else body


async def fetch(url: str) -> bytes:
    """Fetch one of our own addresses; empty when it does not answer."""
    return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http addresses of our own
            body: bytes = answer.read()
            return body
    except (URLError, OSError):
        return b""


async def _pause(stop: asyncio.Event, duration: timedelta) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), duration.total_seconds())
