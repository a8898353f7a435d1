"""How the doctor's report reads: a table for people, JSON for programs; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from smartflanders.diagnosis import Facts, Finding, Forecast, StreamFacts, duration, size
from streams.record import format_time

_STREAMS = ("stream", "members", "last hour", "last day", "oldest", "newest", "age", "on disk", "a member", "log")
_LOOPS = ("loop", "held by", "behind", "waits")


def as_text(facts: Facts, findings: Sequence[Finding], outlook: Forecast, *, database: str) -> Iterator[str]:
    """Write the report for people, line by line; what needs attention is last, where it is read first."""
    yield f"database  {database}"
    yield f"schema    {'another release; see below' if not facts.loops else 'that of this release'}"
    yield f"disk      {_disk(facts)}"
    yield f"growth    {size(outlook.daily)} a day; {_full(facts, outlook)}"
    if facts.streams:
        yield ""
        yield from _table(_STREAMS, [_stream(each, facts.at) for each in facts.streams])
    if facts.loops:
        yield ""
        yield from _table(
            _LOOPS,
            [
                (
                    loop.loop,
                    loop.holder or "nobody",
                    "" if loop.behind is None else f"{loop.behind}",
                    duration(loop.waiting) if loop.waiting else "",
                )
                for loop in facts.loops
            ],
        )
    yield ""
    if not findings:
        yield "healthy: nothing needs attention"
    for finding in findings:
        yield f"{finding.where}: {finding.what}"
        yield f"  fix: {finding.fix}"


def as_json(facts: Facts, findings: Sequence[Finding], outlook: Forecast, *, database: str) -> dict[str, Any]:
    """Write the report for programs: times as in members, durations in seconds, sizes in bytes."""
    streams = [
        {
            **asdict(each),
            "age": None if each.newest is None else facts.at - each.newest,
            "daily": each.daily(facts.at),
            "bytes_per_member": each.bytes_per_member,
        }
        for each in facts.streams
    ]
    report: dict[str, Any] = _plain({**asdict(facts), "streams": streams})
    return {
        "database": database,
        "healthy": not findings,
        **report,
        **_plain(asdict(outlook)),
        "findings": _plain(findings),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Finding):
        return asdict(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Path) else value


def _stream(stream: StreamFacts, at: datetime) -> tuple[str, ...]:
    log = stream.sizes.log
    return (
        stream.name if stream.planned else f"{stream.name} (no pilot)",
        f"{stream.members}",
        f"{stream.hour}",
        f"{stream.day}",
        "" if stream.oldest is None else f"{stream.oldest:%Y-%m-%d %H:%M}",
        "" if stream.newest is None else f"{stream.newest:%Y-%m-%d %H:%M}",
        "" if stream.newest is None else duration(at - stream.newest),
        size(stream.sizes.stored),
        size(stream.bytes_per_member) if stream.members else "",
        "on Kafka" if log is None else size(log),
    )


def _disk(facts: Facts) -> str:
    if facts.disk is None:
        return "that of the database server, which is not seen from here"
    kept = f", {size(facts.disk.reserve)} of it for PostgreSQL's write-ahead log" if facts.disk.reserve else ""
    return f"{size(facts.disk.free)} of {size(facts.disk.total)} free{kept} ({facts.disk.folder})"


def _full(facts: Facts, outlook: Forecast) -> str:
    if outlook.young:
        left_out = f"{', '.join(outlook.young)} not counted, too young"
        return f"{left_out}; {_full(facts, replace(outlook, young=()))}" if outlook.daily else left_out
    if facts.disk is None:
        return "see how much room the server has"
    if outlook.full == outlook.full_without_retention:
        return _day(outlook.full)
    return f"{_day(outlook.full)}, without the streams' retention {_day(outlook.full_without_retention)}"


def _day(moment: datetime | None) -> str:
    return "never full at this rate" if moment is None else f"full on {moment:%Y-%m-%d} at this rate"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Line up columns: names to the left, what has figures to the right."""
    widths = [max(len(line[place]) for line in (head, *rows)) for place in range(len(head))]
    for line in (head, *rows):
        cells = [
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
