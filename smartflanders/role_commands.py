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

from smartflanders.health import health_door
from smartflanders.logs_of import kept_for, require_log
from smartflanders.options import add_pilots
from smartflanders.pilots import Plan
from smartflanders.platform import effective_plan, shipped_pilots
from smartflanders.processes import die_with_parent
from smartflanders.roles import ROLES, run_roles
from streams.errors import ConfigError, LogError, Problem
from streams.migrate import check
from streams.settings import Settings, load_settings

Verbs = Any  # argparse names the type of its sub-parsers only privately

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
    for name in ROLES:
        role = verbs.add_parser(name, help=_HELP[name], description=f"{_HELP[name].capitalize()}. {_TWICE}")
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


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Read the settings; options of the command win over the environment."""
    environ: dict[str, str] = dict(os.environ)
    for option in ("port", "host", "data"):
        value = getattr(arguments, option, None)
        if value is not None:
            environ[f"SF_{option.upper()}"] = str(value)
    return load_settings(environ)


def database(settings: Settings) -> str:
    """Return the address of the database.

    Raises:
        ConfigError: it is not set.

    """
    if settings.database_url is None:
        fix = "set SF_DATABASE_URL, or let `smartflanders up` bring its own PostgreSQL"
        raise ConfigError([Problem(where="SF_DATABASE_URL", what="missing", fix=fix)], where="the environment")
    return settings.database_url


async def require_database(settings: Settings) -> str:
    """Return the address of the database once it has answered and its schema is this code's.

    Raises:
        ConfigError: it is not set, does not answer, or has another schema.

    """
    dsn = database(settings)
    await _require("SF_DATABASE_URL", dsn)
    return dsn


async def _require(setting: str, dsn: str) -> None:
    try:
        await check(dsn)
    except LogError as error:
        fix = f"start that PostgreSQL, or mend {setting}" if error.retriable else error.fix
        raise ConfigError([Problem(where=setting, what=error.what, fix=fix)], where="the environment") from error


async def _role(name: str, arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    settings = settings_of(arguments)
    plan = _plan(arguments)
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
    plan = _plan(arguments)
    await require_database(settings)
    if settings.database_read_url is not None:
        await _require("SF_DATABASE_READ_URL", settings.database_read_url)
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


def _plan(arguments: argparse.Namespace) -> Plan:
    folders = tuple(arguments.pilot) or shipped_pilots()
    return effective_plan(folders, origin=arguments.origin, speed=arguments.speed, replay=arguments.replay)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's result
