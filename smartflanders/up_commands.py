"""The verbs about a whole platform on this machine: up, simulate, migrate."""

from __future__ import annotations

import argparse
import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartflanders.environment import database, settings_of
from smartflanders.pilots import load_plan, recorded
from smartflanders.platform import Up, up
from smartflanders.processes import die_with_parent
from streams.migrate import migrate
from streams.record import parse_time
from streams.settings import load_settings

if TYPE_CHECKING:
    from testbed.simulator.faults import Active

Verbs = Any  # argparse names the type of its sub-parsers only privately


def add(verbs: Verbs) -> None:
    """Add these verbs to the command line."""
    _add_up(verbs)
    _add_simulate(verbs)
    migrating = verbs.add_parser(
        "migrate",
        help="bring the database of SF_DATABASE_URL to this version's schema",
        description="Apply the migrations that the database of SF_DATABASE_URL lacks, each in its own transaction, and "
        "print them. `up` does this by itself. Safe to run again. Before a new release, read in the CHANGELOG whether its "
        "processes must be stopped first; those of an older one that run on fail at their next call, and lose nothing.",
    )
    migrating.add_argument("--dry-run", action="store_true", help="only print what would be applied")
    migrating.set_defaults(run=_migrate)


def _add_up(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "up",
        help="run everything on this machine: a demo city, a pilot, or recorded documents",
        description="Start the database, the pipeline and the web server on this machine and print the feeds. Without "
        "--pilot and --replay a simulated city plays the publishers. Ctrl-C stops everything in order.",
    )
    parser.add_argument("--port", type=int, help="port to listen on (SF_PORT, default 8080)")
    parser.add_argument("--host", help="address to listen on (SF_HOST, default 127.0.0.1)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="data folder (SF_DATA, default .data)")
    parser.add_argument(
        "--pilot", type=Path, action="append", default=[], metavar="FOLDER", help="source files to run; repeatable"
    )
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="publish the recorded documents found in FOLDER")
    parser.add_argument(
        "--speed", type=_positive, default=1.0, help="simulated time per real time, e.g. 60 (default 1)"
    )
    parser.add_argument("--lanes", type=int, default=200, help="lanes of the simulated city (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated city (default 1)")
    parser.set_defaults(run=_up)


def _add_simulate(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "simulate",
        help="play the publishers: a simulated city, or recorded documents",
        description="Serve MIV traffic and Gent parking in the publishers' real formats on 127.0.0.1, at "
        "/<their host>/<their path>. GET /-/ledger tells the truth; POST /-/faults changes the faults.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--lanes", type=int, default=200, help="lanes of the city (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same city (default 1)")
    parser.add_argument("--speed", type=_positive, default=1.0, help="simulated time per real time (default 1)")
    parser.add_argument("--start", type=_time, help="the city's time at the epoch (RFC 3339)")
    parser.add_argument("--epoch", type=_time, help="the real time that --start belongs to (default: now)")
    parser.add_argument("--patient", action="store_true", help="let time stand at --start until somebody asks")
    parser.add_argument(
        "--fault", type=_fault, action="append", default=[], metavar="NAME[:SHARE]", help="misbehave; repeatable"
    )
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="write the truth to FILE as it is published")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="serve the recorded documents in FOLDER instead")
    parser.add_argument("--pilot", type=Path, action="append", default=[], help="whose sources the recordings are of")
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_simulate)


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write for example 2026-11-23T08:00:00Z") from error


def _fault(text: str) -> Active:
    from testbed.simulator.faults import parse_fault  # noqa: PLC0415 - as in _simulate

    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's result


async def _up(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    wish = Up(
        pilots=tuple(arguments.pilot),
        replay=arguments.replay,
        speed=arguments.speed,
        lanes=arguments.lanes,
        seed=arguments.seed,
    )
    await up(wish, settings_of(arguments), stop=stop, say=_say)
    return 0


async def _simulate(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    # Imported here: the other verbs play no publishers.
    from testbed.simulator.options import SimulatorOptions  # noqa: PLC0415
    from testbed.simulator.replay import serve_replay  # noqa: PLC0415
    from testbed.simulator.server import serve as serve_city  # noqa: PLC0415

    if arguments.with_parent:
        die_with_parent()

    def ready(origin: str) -> None:
        _say(f"ready {origin}/")

    if arguments.replay is not None:
        documents = recorded(load_plan(arguments.pilot, keyless=True), arguments.replay)
        await serve_replay(documents, port=arguments.port, ready=ready, stop=stop)
        return 0
    options = SimulatorOptions(
        host=arguments.host,
        port=arguments.port,
        lanes=arguments.lanes,
        seed=arguments.seed,
        speed=arguments.speed,
        start=arguments.start,
        epoch=arguments.epoch,
        patient=arguments.patient,
        faults=tuple(arguments.fault),
        ledger=arguments.ledger,
    )
    await serve_city(options, ready=ready, stop=stop)
    return 0


async def _migrate(arguments: argparse.Namespace, stop: asyncio.Event) -> int:
    del stop  # a migration is one transaction per file: an interrupted one leaves nothing half done
    for applied in await migrate(database(load_settings(os.environ)), dry_run=arguments.dry_run):
        _say(str(applied))
    return 0
