"""The verb `doctor`: how a platform is, what needs attention, and when its disk is full."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
from pathlib import Path
from typing import Any

from smartflanders.diagnosis import forecast, judge, size
from smartflanders.doctor_table import as_json, as_text
from smartflanders.embedded import running_database
from smartflanders.environment import settings_of
from smartflanders.examination import Patient, disk_of, examine
from smartflanders.options import add_data, add_pilots
from smartflanders.pilots import load_plan
from smartflanders.platform import shipped_pilots
from streams.errors import ConfigError, LogError, Problem, StoreError
from streams.settings import Settings, hide_password

Verbs = Any  # argparse names the type of its sub-parsers only privately


def add(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    doctor = verbs.add_parser(
        "doctor",
        help="say how a platform is and what needs attention",
        description="Look at a platform's database and log, change nothing, and print what flows, what lags, what is on "
        "the disk and when that is full, with and without the streams' retention; then each thing that needs attention, "
        "with its fix. The database is SF_DATABASE_URL, or that of the `up` that runs on the data folder. Exit status: 0 "
        "healthy, 1 something needs attention, 2 it cannot look.",
    )
    add_pilots(doctor, "where the stream and source files are")
    add_data(doctor)
    doctor.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    doctor.set_defaults(run=_doctor)


async def _doctor(arguments: argparse.Namespace, _stop: asyncio.Event) -> int:
    settings = settings_of(arguments)
    plan = load_plan(tuple(arguments.pilot) or shipped_pilots())
    own = settings.database_url is None
    dsn = settings.database_url or running_database(settings.data)
    if dsn is None:
        raise ConfigError([why_not(settings.data)], where="the data folder")
    patient = Patient(plan=plan, settings=settings, dsn=dsn, folder=settings.data if own else None)
    try:
        facts = await examine(patient)
    except (LogError, StoreError) as error:
        raise ConfigError([_unreachable(settings, error)], where="the database") from error
    findings, outlook = judge(facts), forecast(facts)
    shown = f"PostgreSQL of the data folder {settings.data}" if own else hide_password(dsn)
    if arguments.json:
        _say(json.dumps(as_json(facts, findings, outlook, database=shown), indent=2))
    else:
        for line in as_text(facts, findings, outlook, database=shown):
            _say(line)
    return 1 if findings else 0


def why_not(folder: Path) -> Problem:
    """Say why no database answers in a data folder, and what is known without one."""
    fix = f"start it with `smartflanders up --data {folder}`, or set SF_DATABASE_URL to the database there is"
    if not folder.is_dir():
        return Problem(where=str(folder), what="there is no such data folder", fix="name it with --data (SF_DATA)")
    disk = disk_of(folder)
    room = f"{size(disk.free)} of {size(disk.total)} are free there"
    if not (folder / "postgres" / "PG_VERSION").is_file():
        return Problem(where=str(folder), what=f"holds no database; {room}", fix=fix)
    holder = _holder(folder / "smartflanders.lock")
    if holder:
        what = f"its database does not answer: process {holder} starts it, or mends it after a crash; {room}"
        return Problem(where=str(folder), what=what, fix=f"wait, and read {folder / 'postgres.log'}")
    return Problem(where=str(folder), what=f"its database does not run: no platform is started on it; {room}", fix=fix)


def _holder(lock: Path) -> str:
    """Return the number of the process that holds the folder's lock; empty when nobody does."""
    try:
        with lock.open("rb") as file:
            try:
                # Shared and for an instant: processes that look do not disturb each other.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20).decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return ""
    return ""


def _unreachable(settings: Settings, error: LogError | StoreError) -> Problem:
    where = "the data folder" if settings.database_url is None else "SF_DATABASE_URL"
    fix = f"start that PostgreSQL, or mend {where}" if error.retriable else error.fix
    return Problem(where=where, what=error.what, fix=fix)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the result
