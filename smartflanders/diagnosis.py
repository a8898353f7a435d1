"""What a platform's figures mean: findings, each with what to do about it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from smartflanders.forecast import Part, full_after, unlimited
from smartflanders.source_facts import SourceFacts, troubled
from streams.errors import Problem

# So long a history is needed to say how fast something grows.
SETTLED = timedelta(hours=2)
# A loop may have this much in hand.
_BEHIND = timedelta(minutes=1)
# A stream may be silent so many times as long as its sources let expect, and always so long.
_SILENT = 3
_SILENT_AT_LEAST = timedelta(minutes=5)
# So far ahead a full disk is something to act on.
_FULL_WITHIN = timedelta(days=30)
_LITTLE = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes on the disk: the rows of members, their indexes, kept bodies of pages, views, and entries of the log.

    `log` is None where the log is not in this database.
    """

    members: int = 0
    indexes: int = 0
    pages: int = 0
    views: int = 0
    log: int | None = 0

    @property
    def stored(self) -> int:
        """What the members take, without the log."""
        return self.members + self.indexes + self.pages + self.views

    @property
    def total(self) -> int:
        """All of it."""
        return self.stored + (self.log or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """A stream as found: `members` that are stored, those published in the last `hour` and `day`, and both ends in time.

    `every` is how often its sources let expect a member (None: only when something changes), `kept` how long its policy
    keeps members (None: for ever), and `planned` whether the pilots name it.
    """

    name: str
    members: int
    hour: int
    day: int
    oldest: datetime | None
    newest: datetime | None
    sizes: Sizes
    every: timedelta | None = None
    kept: timedelta | None = None
    planned: bool = True

    def daily(self, at: datetime) -> float | None:
        """Return how many members come a day: as in the last day, or as in the last hour of a stream younger than that.

        None for one younger than `SETTLED`: what is there when a stream begins comes all at once.
        """
        if self.oldest is None or at - self.oldest < SETTLED:
            return 0.0 if self.oldest is None else None
        return float(self.day if at - self.oldest >= timedelta(days=1) else 24 * self.hour)

    @property
    def bytes_per_member(self) -> float:
        """What a member takes on the disk, its share of everything but the log included."""
        return self.sizes.stored / self.members if self.members else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFacts:
    """A loop of a role: who holds its lease (None: nobody), how many entries it has not done, how old the first of them is.

    `behind` is None for a loop that reads no topic, or one whose topic is not there.
    """

    role: str
    name: str
    holder: str | None
    behind: int | None = None
    waiting: timedelta | None = None

    @property
    def loop(self) -> str:
        """The name of its lease."""
        return f"{self.role} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """A build of a view: its `state`, how many of the stream's members it holds, and how many rows it has."""

    stream: str
    view: str
    build: int
    state: str
    placed: int
    count: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """The disk that the data folder is on; `reserve` bytes of what is `free` PostgreSQL may take for its own log."""

    folder: Path
    free: int
    total: int
    reserve: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the doctor found, at one moment; `disk` is None where the database is on a machine we do not see."""

    at: datetime
    streams: Sequence[StreamFacts] = ()
    loops: Sequence[LoopFacts] = ()
    builds: Sequence[BuildFacts] = ()
    topics: Sequence[Part] = ()
    problems: Sequence[Problem] = ()
    sources: Sequence[SourceFacts] = ()
    disk: DiskFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that needs attention: where, what, and how to mend it."""

    where: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Bytes that come a day, and the days on which the disk is full: as things are, and if streams dropped nothing.

    A day is None when the disk is not seen, or lasts. `young` are the streams left out, whose history is too short.
    """

    daily: float
    young: Sequence[str]
    full: datetime | None
    full_without_retention: datetime | None


def parts_of(facts: Facts) -> list[Part]:
    """Return what grows: the stored members of each stream, and each topic of the log."""
    parts = []
    for stream in facts.streams:
        held = timedelta(0) if stream.oldest is None else max(timedelta(0), facts.at - stream.oldest)
        daily = (stream.daily(facts.at) or 0.0) * stream.bytes_per_member
        size = float(stream.sizes.stored)
        parts.append(Part(name=stream.name, size=size, daily=daily, held=held, kept=stream.kept))
    return [*parts, *facts.topics]


def forecast(facts: Facts) -> Forecast:
    """Say how fast the disk fills."""
    parts = parts_of(facts)
    daily = sum(part.daily for part in parts)
    young = [stream.name for stream in facts.streams if stream.daily(facts.at) is None]
    if facts.disk is None:
        return Forecast(daily=daily, young=young, full=None, full_without_retention=None)
    free = max(0, facts.disk.free - facts.disk.reserve)
    forever = unlimited(parts, (stream.name for stream in facts.streams))
    with_policy, without = (full_after(those, free) for those in (parts, forever))
    return Forecast(
        daily=daily,
        young=young,
        full=None if with_policy is None else facts.at + with_policy,
        full_without_retention=None if without is None else facts.at + without,
    )


def judge(facts: Facts) -> list[Finding]:
    """Return everything that needs attention, what stops the platform first."""
    found = [Finding(where=problem.where, what=problem.what, fix=problem.fix) for problem in facts.problems]
    found += [*_disk(facts), *_holders(facts), *_lags(facts)]
    found += [Finding(where=where, what=what, fix=fix) for where, what, fix in troubled(facts.sources, facts.at)]
    return [*found, *_silences(facts), *_builds(facts)]


def _disk(facts: Facts) -> Iterator[Finding]:
    disk = facts.disk
    if disk is None:
        return
    fix = "keep less (`retention` of the stream files, SF_RAW_RETENTION), or move the data folder to a larger disk"
    free = disk.free - disk.reserve
    if free < _LITTLE:
        what = f"{size(disk.free)} are free, of which PostgreSQL may take {size(disk.reserve)} for its write-ahead log"
        yield Finding(where=str(disk.folder), what=what, fix=fix)
        return
    full = forecast(facts).full
    if full is not None and full - facts.at < _FULL_WITHIN:
        yield Finding(where=str(disk.folder), what=f"the disk is full on {full:%Y-%m-%d} at this rate", fix=fix)


def _holders(facts: Facts) -> Iterator[Finding]:
    idle = [loop for loop in facts.loops if loop.holder is None]
    if idle and len(idle) == len(facts.loops):
        fix = "start `smartflanders up`, or the roles; if they run, see whether they use this database"
        yield Finding(where="platform", what="no process holds a lease: nothing is collected or published", fix=fix)
        return
    for role in dict.fromkeys(loop.role for loop in idle):
        names = ", ".join(loop.name for loop in idle if loop.role == role)
        verb = role if role in ("collect", "normalise") else "write"
        fix = f"start `smartflanders {verb}` with the same pilots; if it runs, its log says why it does not begin"
        yield Finding(where=role, what=f"no process does this for {names}", fix=fix)


def _lags(facts: Facts) -> Iterator[Finding]:
    for loop in facts.loops:
        if loop.waiting is not None and loop.waiting > _BEHIND:
            what = f"{loop.behind} entries wait, the first of them for {duration(loop.waiting)}"
            fix = "see what its process logs; a backlog after a pause goes by itself: look again in a minute"
            yield Finding(where=loop.loop, what=what, fix=fix)


def _silences(facts: Facts) -> Iterator[Finding]:
    for stream in facts.streams:
        if not stream.planned or stream.every is None:
            continue
        if stream.newest is None:
            yield Finding(
                where=stream.name,
                what="has no members yet",
                fix="`smartflanders source check` shows what becomes of a payload; sf_rejections_total counts refusals",
            )
        elif (age := facts.at - stream.newest) > max(_SILENT_AT_LEAST, _SILENT * stream.every):
            what = f"the newest member is {duration(age)} old; one is expected every {duration(stream.every)}"
            fix = "see whether the publisher answers: sf_polls_total by outcome, and what `collect` logs"
            yield Finding(where=stream.name, what=what, fix=fix)


def _builds(facts: Facts) -> Iterator[Finding]:
    working = {loop.name for loop in facts.loops if loop.role == "views" and loop.holder is not None}
    for build in facts.builds:
        where = f"{build.stream}/{build.view}, build {build.build}"
        fix = f"start `smartflanders write` with the pilot of {build.stream}: it does this by itself"
        if build.stream in working:
            continue
        if build.state == "gone" and build.rows:
            yield Finding(where=where, what=f"{build.rows} rows are left of it and wait to be swept", fix=fix)
        elif build.state == "building":
            what = f"is filled with {build.placed} of {build.count} members, and nobody goes on"
            yield Finding(where=where, what=what, fix=fix)


def duration(value: timedelta) -> str:
    """Write how long something is in the two largest units: `3 d 4 h`, `12 min 5 s`."""
    rest = max(0, round(value.total_seconds()))
    counts = [(rest // 86_400, "d"), (rest // 3600 % 24, "h"), (rest // 60 % 60, "min"), (rest % 60, "s")]
    first = next((place for place, (count, _) in enumerate(counts) if count), len(counts) - 1)
    shown = [f"{count} {unit}" for count, unit in counts[first : first + 2] if count]
    return " ".join(shown) or "0 s"


def size(count: float) -> str:
    """Write bytes in the unit that leaves one to four digits: `17 B`, `3.2 MB`, `1.5 GB`."""
    rest = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if rest < 1000:
            return f"{rest:.0f} {unit}" if unit == "B" or rest >= 100 else f"{rest:.1f} {unit}"
        rest /= 1000
    return f"{rest:.1f} TB"
