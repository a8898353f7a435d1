"""The verbs of the roles: collect, normalise, write, serve; and the two processes that up starts."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from smartflanders.environment import database, require, require_database, settings_of
from smartflanders.options import add_pilots
from smartflanders.pilots import Plan
from smartflanders.platform import effective_plan, shipped_pilots
from smartflanders.processes import die_with_parent
from streams.logs import logger
from streams.settings import Settings, load_settings

Verbs = Any  # argparse names the type of its sub-parsers only privately

_log = logger(__name__)

# A batch makes thousands of values that die together; the default of 700 looks for circles among them all the time.
_COLLECT = (50_000, 20, 100)
_HELP = {
    "collect": "poll the publishers and keep what they say, as received",
    "normalise": "make members of what was collected",
    "write": "publish members on pages, and drop what is kept long enough",
}
_TWICE = (
    "The database is SF_DATABASE_URL. Start as many as you like, on any machine: each loop runs in one of them, and in "
    "another within 15 seconds when that one dies. All processes of a platform need the same pilots and SF_BASE_URL. "
    "Prints `ready` when it has begun; SIGTERM ends it in order."
)
_SERVE = (
    "The database is SF_DATABASE_URL; with SF_DATABASE_READ_URL pages are read from that replica, and the primary is "
    "asked only for what the replica does not have yet. Start as many as you like behind any load balancer. Prints "
    "`ready` and its address when it answers; SIGTERM ends it in order."
)


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    for name, what in _HELP.items():
        role = verbs.add_parser(name, help=what, description=f"{what.capitalize()}. {_TWICE}")
        _add_options(role)
        role.add_argument(
            "--port", type=int, help="answer /healthz and /metrics here (SF_PORT; without either: nowhere)"
        )
        role.add_argument("--host", help="address to listen on (SF_HOST, default 127.0.0.1)")
        role.set_defaults(run=partial(_role, name), loop=uvloop.new_event_loop)
    serving = verbs.add_parser(
        "serve", help="answer readers", description=f"Answer readers: pages, feeds, models. {_SERVE}"
    )
    _add_options(serving)
    serving.add_argument("--port", type=int, help="port to listen on (SF_PORT, default 8080)")
    serving.add_argument("--host", help="address to listen on (SF_HOST, default 127.0.0.1)")
    serving.set_defaults(run=_serve, loop=uvloop.new_event_loop)
    for name, run in (("pipeline", _pipeline), ("web", _web)):
        # Processes that `up` starts; no verbs for people, so they have no help line.
        inner = verbs.add_parser(name)
        _add_options(inner)
        inner.add_argument("--replay", type=Path)
        inner.set_defaults(run=run, loop=uvloop.new_event_loop)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_pilots(parser, "source files to run")
    # Where the simulator or the replay server stands in for the publishers.
    parser.add_argument("--origin", help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.set_defaults(replay=None)


async def _role(name: str, arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    # Imported where they are used, here and below: who answers readers needs no pipeline, and the other way round.
    from smartflanders.health import health_door  # noqa: PLC0415
    from smartflanders.logs_of import kept_for, require_log  # noqa: PLC0415
    from smartflanders.roles import run_roles  # noqa: PLC0415

    settings = settings_of(arguments)
    plan = _told(_plan(arguments))
    dsn = await require_database(settings)
    await require_log(settings, kept=kept_for(plan, settings))
    _look_for_garbage_less()
    async with AsyncExitStack() as stack:
        # Several workers share a machine, so none takes a port that nobody gave it.
        if arguments.port is not None or os.environ.get("SF_PORT"):
            await stack.enter_async_context(health_door(settings.host, settings.port))
        _say(f"ready {name}")
        await run_roles([name], plan, settings, dsn, stop=stop)
    return 0


async def _pipeline(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    from smartflanders.roles import ROLES, run_roles  # noqa: PLC0415

    die_with_parent()
    _look_for_garbage_less()
    settings = load_settings(os.environ)
    await run_roles(tuple(ROLES), _plan(arguments), settings, database(settings), stop=stop)
    return 0


def _look_for_garbage_less() -> None:
    """Leave what is loaded by now out of every search: that cost 4 % of a minute's work (docs/decisions.md)."""
    gc.freeze()
    gc.set_threshold(*_COLLECT)


async def _serve(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    settings = settings_of(arguments)
    plan = _told(_plan(arguments))
    await require_database(settings)
    if settings.database_read_url is not None:
        await require("SF_DATABASE_READ_URL", settings.database_read_url)
    await _answer(plan, settings, stop=stop, ready=f"ready {settings.base_url}/")
    return 0


async def _web(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    die_with_parent()
    await _answer(_plan(arguments), load_settings(os.environ), stop=stop, ready="listening")
    return 0


async def _answer(plan: Plan, settings: Settings, *, stop: asyncio.Event, ready: str) -> None:
    # The web framework is a third of what a process of ours loads; only those that answer readers need it.
    from smartflanders.answering import answer_readers  # noqa: PLC0415

    await answer_readers(plan, settings, database(settings), stop=stop, ready=lambda: _say(ready))


def _told(plan: Plan) -> Plan:
    """Log which sources stay off: every process of a platform needs the same keys."""
    for each in plan.off:
        _log.warning("source stays off", source=each.source.name, why=each.reason)
    return plan


def _plan(arguments: argparse.Namespace) -> Plan:
    folders = tuple(arguments.pilot) or shipped_pilots()
    return effective_plan(folders, origin=arguments.origin, speed=arguments.speed, replay=arguments.replay)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's result
