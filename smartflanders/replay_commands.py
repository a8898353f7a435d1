"""The verb `source replay`: what was collected, mapped again and published where it differs."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ingest.mapping import Mapper, compile_mapping
from ingest.normalise import checkpoint_offset
from ingest.replay import Tally, Window, replay, replay_group, window_since
from ingest.source import Source
from ldes_server.postgres_store import PostgresStore
from smartflanders.embedded import running_database
from smartflanders.environment import require_database, settings_of
from smartflanders.logs_of import kept_topics, open_log, require_log
from smartflanders.options import add_data, add_pilots
from smartflanders.pilots import load_plan
from smartflanders.platform import shipped_pilots
from smartflanders.progress import Progress
from streams.errors import ConfigError, Problem
from streams.lease import Leases
from streams.log import Log
from streams.record import members_topic, parse_time, raw_topic
from streams.settings import parse_duration
from vocab.model import load_model

Verbs = Any  # argparse names the type of its sub-parsers only privately

# Seconds between looks at whether everything is written, and between words about waiting for it.
_LOOK = 0.2
_SAY = 10.0


def add(verbs: Verbs) -> None:
    """Add the verb to those about sources."""
    parser = verbs.add_parser(
        "replay",
        help="map what was collected again, with the source file as it is now",
        description="Read what SOURCE sent since TIME again with today's source file. Members that are right stay as "
        "they are, wrong ones get a revision, missing ones are published. Safe beside a running platform, whose "
        "SF_DATABASE_URL (or the data folder of `up`) and SF_BASE_URL it needs; restart `normalise` first, so that it uses the new file too. "
        "Interrupted, it goes on where it was; done twice, it adds nothing.",
    )
    parser.add_argument("source", metavar="SOURCE", help="the source's name")
    parser.add_argument(
        "--since", type=_moment, required=True, metavar="TIME", help="2026-11-23T08:00:00Z, or how long ago: 1d, 90m"
    )
    add_pilots(parser, "where the source file is")
    add_data(parser)
    parser.add_argument("--again", action="store_true", help="forget where an interrupted replay was")
    parser.set_defaults(run=_replay)


def _moment(text: str) -> datetime:
    with suppress(ValueError):
        return datetime.now(UTC) - parse_duration(text)
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write for example 2026-11-23T08:00:00Z or 1d") from error


async def _replay(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    settings = settings_of(arguments)
    if settings.database_url is None:
        # That of a platform which `up` runs here.
        settings = replace(settings, database_url=running_database(settings.data))
    source = _source(arguments)
    mapper = compile_mapping(source, load_model(source.model), base_url=settings.base_url)
    dsn = await require_database(settings)
    status = 130
    topics = kept_topics([source], settings)
    await require_log(settings, kept=topics)
    async with (
        open_log(settings, dsn, kept=topics) as log,
        PostgresStore(dsn) as store,
        Leases(dsn) as leases,
    ):

        async def work() -> None:
            nonlocal status
            if arguments.again:
                await log.commit(replay_group(source.name), raw_topic(source.name), -1)
            window = await _window(mapper, log, arguments.since)
            if await _written(source.stream, log, store, stop):
                status = await _run(mapper, log, store, window, stop=stop)

        # Two replays of one source at once would not know of each other's revisions.
        await leases.hold(f"replay {source.name}", work, stop=stop)
    return status


def _source(arguments: argparse.Namespace) -> Source:
    sources = {source.name: source for source in load_plan(tuple(arguments.pilot) or shipped_pilots()).sources}
    if arguments.source not in sources:
        close = difflib.get_close_matches(arguments.source, sources, n=1)
        fix = f"did you mean {close[0]}?" if close else f"the sources are {', '.join(sources)}; --pilot names others"
        raise ConfigError([Problem(where=arguments.source, what="is no source", fix=fix)], where="the command line")
    return sources[arguments.source]


async def _window(mapper: Mapper, log: Log, since: datetime) -> Window:
    source = mapper.source
    resume = await log.committed(replay_group(source.name), raw_topic(source.name))
    if resume >= 0:
        _tell(f"{source.name}: goes on after payload {resume}, where it was interrupted (--again starts over)")
    return await window_since(mapper, log, since, done=await checkpoint_offset(source, log), resume=resume)


async def _written(stream: str, log: Log, store: PostgresStore, stop: asyncio.Event) -> bool:
    """Wait until what the normaliser has made is published, so that it can be compared; False when stopped."""
    newest = await log.last(members_topic(stream))
    clock = asyncio.get_running_loop().time
    said = clock()
    while newest is not None and (position := (await store.head(stream)).position) < newest.offset:
        if stop.is_set():
            return False
        if clock() - said > _SAY:
            said = clock()
            _tell(f"waits for the writer of {stream}: {newest.offset - position} members to go")
        await asyncio.sleep(_LOOK)
    return True


async def _run(mapper: Mapper, log: Log, store: PostgresStore, window: Window, *, stop: asyncio.Event) -> int:
    """Replay, show how far it is, and tell what it did; the status is 130 when it was stopped before the end."""
    source, tally = mapper.source, Tally(offset=window.warm)
    progress = Progress(f"replay {source.name}, payloads", window.until - window.warm)
    async for tally in replay(mapper, log, partial(store.bodies, source.stream), window):
        progress(tally.offset - window.warm)
        if stop.is_set():
            break
    progress.close()
    ended = tally.offset >= window.until
    print(  # noqa: T201 - the result
        f"{source.name}: {max(tally.offset - window.after, 0)} payloads, {tally.items} items: {tally.members} new "
        f"members, {tally.revisions} revisions, {tally.unchanged} unchanged, {tally.rejected} rejected"
        + ("" if ended else "; interrupted, run it again to go on"),
        flush=True,
    )
    last = await log.last(raw_topic(source.name))
    if ended and last is not None and last.offset > window.until:
        _tell(f"{last.offset - window.until} newer payloads are left to the normaliser")
    return 0 if ended else 130


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress
