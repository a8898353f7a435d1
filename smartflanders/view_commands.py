"""The verbs `view list` and `view rebuild`: what views there are, and one of them built anew."""

from __future__ import annotations

import argparse
import asyncio
import difflib
from dataclasses import replace
from typing import Any

from ldes_server.building import fill
from ldes_server.log_view import VIEW
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from smartflanders.embedded import running_database
from smartflanders.environment import require_database, settings_of
from smartflanders.options import add_data, add_pilots
from smartflanders.pilots import load_plan
from smartflanders.platform import shipped_pilots
from smartflanders.progress import Progress
from streams.errors import ConfigError, Problem

Verbs = Any  # argparse names the type of its sub-parsers only privately


def add(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    view = verbs.add_parser("view", help="list views, build one anew", description="Work with the views of streams.")
    inner = view.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = inner.add_parser(
        "list",
        help="show every view with its state",
        description="Print a line for each build of a view that is filled or read: its stream and name, its build, its "
        "state, how many of the stream's members it holds, and in how many buckets.",
    )
    listing.set_defaults(run=_list)
    rebuild = inner.add_parser(
        "rebuild",
        help="build a view anew from history",
        description="Fill a new build of the view aside, with today's code, while readers keep the one there is and new "
        "members arrive; then switch. Pages of the old build stay readable for SF_VIEW_GRACE. Interrupted, it goes on "
        "where it was when called again, or at once in a running `write`.",
    )
    rebuild.add_argument("stream", metavar="STREAM", help="the stream's name")
    rebuild.add_argument("view", metavar="VIEW", help="the view's name, as in the stream file")
    rebuild.set_defaults(run=_rebuild)
    for parser in (listing, rebuild):
        add_pilots(parser, "where the stream and source files are")
        add_data(parser)


async def _list(arguments: argparse.Namespace, _stop: asyncio.Event) -> int:
    plan = load_plan(tuple(arguments.pilot) or shipped_pilots())
    async with PostgresStore(await _dsn(arguments)) as store:
        for stream in plan.streams:
            for each in await store.views(stream.name):
                if each.state != "gone":
                    held = f"{each.placed} of {each.count} members in {each.buckets} buckets"
                    _say(f"{stream.name}/{each.name}\tbuild {each.build}\t{each.state}\t{held}")
    return 0


async def _rebuild(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    stream = _stream(arguments)
    async with PostgresStore(await _dsn(arguments)) as store:
        # The builder compiles definitions for the stream's model.
        await store.ensure_stream(stream)
        build = None if arguments.view == VIEW else await store.builds.rebuild(stream.name, arguments.view)
        if build is None:
            names = [each.name for each in await store.views(stream.name) if each.state == "live" and each.name != VIEW]
            raise _unknown(f"view of {stream.name}", arguments.view, names)
        progress = Progress(f"rebuild {stream.name}/{build.name}, members", build.count)
        build = await fill(stream.name, build, store.builds, stop=stop, progress=progress)
        progress.close()
    if build.state == "building":
        _say(f"{stream.name}/{build.name}: {build.placed} of {build.count} members; interrupted, run it again to go on")
        return 130
    _say(f"{stream.name}/{build.name}: build {build.build} is {build.state}, {build.placed} members")
    return 0 if build.state == "live" else 1


async def _dsn(arguments: argparse.Namespace) -> str:
    settings = settings_of(arguments)
    if settings.database_url is None:
        # That of a platform which `up` runs here.
        settings = replace(settings, database_url=running_database(settings.data))
    return await require_database(settings)


def _stream(arguments: argparse.Namespace) -> Stream:
    plan = load_plan(tuple(arguments.pilot) or shipped_pilots())
    streams = {stream.name: stream for stream in plan.streams}
    if arguments.stream not in streams:
        raise _unknown("stream", arguments.stream, list(streams))
    return streams[arguments.stream]


def _unknown(kind: str, name: str, names: list[str]) -> ConfigError:
    close = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean {close[0]}?" if close else f"there are {', '.join(names) or 'none'}; --pilot names others"
    return ConfigError([Problem(where=name, what=f"is no {kind}", fix=fix)], where="the command line")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the result
