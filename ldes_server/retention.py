"""Retention: which members a view promises to keep (the LDES 1.0 specification, section 4.4); pure.

A policy is a minimum: what it keeps is there, what it does not keep may be there for a while longer. The rule is that
of the specification with one moment `now` for all members of a decision; who removes takes one a little in the past
(`BUFFER`), so that no difference between clocks makes anything leave too early.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from streams.record import format_time, parse_time

# How far clocks may be apart: the server removes late.
BUFFER = timedelta(minutes=5)
# Seconds are what stream files and stored policies are written in.
_SECOND = timedelta(seconds=1)


class Version(NamedTuple):
    """What the rule asks of a member: its times, its `rank` and whether it says that its entity was deleted.

    The newest version of an entity has rank 1; versions are ordered by observation, then by sequence number, and
    deletions count.
    """

    published_at: datetime
    observed_at: datetime
    rank: int
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """One policy, in the words of stream files; the properties of LDES stand behind them.

    `full_log` (ldes:fullLogDuration) keeps every member for a time, `versions` (ldes:versionAmount) the newest ones of
    each entity, of which `version_for` (ldes:versionDuration) takes away those observed too long ago. `deleted_for`
    (ldes:versionDeleteDuration) decides alone for how long a deletion stays. `starting_from` (ldes:startingFrom) only
    cuts: what was published before it may be gone.
    """

    full_log: timedelta | None = None
    starting_from: datetime | None = None
    versions: int | None = None
    version_for: timedelta | None = None
    deleted_for: timedelta | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: in LDES such a policy keeps nothing, so none is ever published."""
        return all(getattr(self, each.name) is None for each in fields(self))

    @property
    def by_version(self) -> bool:
        """Whether it keeps some members by what else is known of their entity, however old they are."""
        return self.versions is not None or self.deleted_for is not None

    def keeps(self, member: Version, *, now: datetime) -> bool:
        """Whether the policy promises this member at a moment."""
        if self.starting_from is not None and member.published_at < self.starting_from:
            return False
        if self.full_log is None and not self.by_version:
            return self.starting_from is not None
        if self.full_log is not None and member.published_at >= before(now, self.full_log):
            return True
        if member.deleted and self.deleted_for is not None:
            return member.observed_at >= before(now, self.deleted_for)
        if self.versions is None or member.rank > self.versions:
            return False
        return self.version_for is None or member.observed_at >= before(now, self.version_for)

    def window(self, *, now: datetime) -> datetime | None:
        """Return since when everything published is kept, whatever else is known of it; None when nothing is so."""
        if self.full_log is None:
            return None if self.by_version else self.starting_from
        start = before(now, self.full_log)
        return start if self.starting_from is None else max(start, self.starting_from)

    def cut(self, start: datetime | None) -> Retention:
        """Return the policy that promises nothing of what was published before `start`; None cuts nothing."""
        if start is None:
            return self
        return replace(self, starting_from=max(start, self.starting_from or start))


def before(now: datetime, duration: timedelta) -> datetime:
    """Return the moment so long ago; the first one there is where that is before the calendar."""
    try:
        return now - duration
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)


def retention_text(policy: Retention | None) -> str:
    """Return the canonical JSON of a policy: equal policies have equal texts. None, which keeps everything, is `{}`."""
    found = {each.name: _plain(getattr(policy, each.name)) for each in fields(policy)} if policy else {}
    said = {name: value for name, value in found.items() if value is not None}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()


def read_retention(text: str) -> Retention | None:
    """Read what `retention_text` wrote.

    Raises:
        ValueError: the text is no policy.

    """
    try:
        stored: dict[str, Any] = orjson.loads(text)
        words: dict[str, Any] = {name: stored.pop(name) * _SECOND for name in _DURATIONS if name in stored}
        if "starting_from" in stored:
            words["starting_from"] = parse_time(stored.pop("starting_from"))
        policy = Retention(**words, **stored)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{text!r} is no policy") from error
    return None if policy.is_empty else policy


_DURATIONS = ("full_log", "version_for", "deleted_for")


def _plain(value: datetime | timedelta | int | None) -> str | int | None:
    if isinstance(value, datetime):
        return format_time(value)
    return value // _SECOND if isinstance(value, timedelta) else value


def xsd_duration(duration: timedelta) -> str:
    """Return a duration of whole seconds as xsd:duration, in days and seconds: `P30D`, `PT3600S`, `P1DT60S`."""
    days, seconds = f"{duration.days}D" if duration.days else "", duration.seconds
    return f"P{days}T{seconds}S" if seconds or not days else f"P{days}"
