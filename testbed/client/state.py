"""The memory of a copy in one SQLite file: killed anywhere, it says what was read and where the output ends.

Nothing in it counts before `save`, which the caller makes after the output is on disk. Members are remembered by 16
bytes each, so that none is written twice, whatever page it is met on. Their number is bounded: beyond it, those are
forgotten that were published before everything still to be read. If such a member is met again it is known by its
time, since no feed may publish a member before its newest one (LDES-29).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import FeedError
from streams.queries import load_queries
from testbed.client.order import Bound, load_bound

_NANO = 1_000_000_000
# A time before 1678 or after 2262 does not fit; such a member is never forgotten.
_LARGEST = 2**63 - 1


class Stage(IntEnum):
    """How far a page is."""

    WAITING = 0  # to be read
    OPEN = 1  # read, but it may change
    FINAL = 2  # never to be asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A page as it is remembered; `upper` is the last publication time it may have."""

    id: int
    url: str
    parent: int | None
    depth: int
    stage: Stage = Stage.WAITING
    etag: str | None = None
    remaining: int = 0
    lower: Bound = Bound()  # noqa: RUF009 - frozen
    upper: Fraction | None = None


class State:
    """An open memory; a context manager. Without a path it lives in the process only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._sql = load_queries("testbed.client", "state")
        self._facts: dict[str, str] = {}
        self.remembered = 0

    def __enter__(self) -> Self:
        where = str(self._path or "a copy without a state file")
        try:
            self._base = sqlite3.connect(self._path or ":memory:", timeout=0)
            # One process at a time: two would write the same members twice.
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.executescript(self._sql["schema"])
            self._facts = dict(self._base.execute(self._sql["facts"]))
            (self.remembered,) = self._base.execute(self._sql["count_seen"]).fetchone()
        except sqlite3.OperationalError as error:
            fix = "is another copy running with it? else look at the path and the disk"
            raise FeedError(f"cannot be opened: {error}", where=where, fix=fix) from error
        except sqlite3.DatabaseError as error:
            fix = "name another file with --state, or move this one and its copy away to begin anew"
            raise FeedError(f"is no state of a copy: {error}", where=where, fix=fix) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    @property
    def facts(self) -> Mapping[str, str]:
        """What is remembered besides pages and members."""
        return self._facts

    def note(self, **facts: object) -> None:
        """Remember facts."""
        for name, value in facts.items():
            if self._facts.get(name) != str(value):
                self._facts[name] = str(value)
                self._base.execute(self._sql["set_fact"], (name, str(value)))

    def save(self) -> None:
        """Keep everything since the last time, or nothing of it if the process dies in between."""
        self._base.commit()

    def pages(self) -> Iterator[Known]:
        """Give the pages that are not final, in the order in which they were found."""
        for row in self._base.execute(self._sql["pages"]).fetchall():
            yield Known(
                id=row[0],
                url=row[1],
                parent=row[2],
                depth=row[3],
                stage=Stage(row[4]),
                etag=row[5],
                remaining=row[6],
                lower=load_bound(row[7]),
                upper=Fraction(row[8]) if row[8] else None,
            )

    def known(self, url: str) -> tuple[int, int | None, str] | None:
        """Return the number of a page, that of the page it was found on, and its upper bound; None for a new address."""
        row: tuple[int, int | None, str] | None = self._base.execute(self._sql["known"], (url,)).fetchone()
        return row

    def bound(self, page: int, upper: Fraction | None) -> None:
        """Remember another upper bound of a page."""
        self._base.execute(self._sql["set_upper"], (_text(upper), page))

    def ancestors(self, number: int | None) -> Iterator[int]:
        """Give the numbers of a page and of those above it."""
        while number is not None:
            yield number
            row = self._base.execute(self._sql["parent"], (number,)).fetchone()
            number = row[0] if row else None

    def add(self, page: Known) -> Known:
        """Remember a page that is new; its number is given."""
        row = (page.url, page.parent, page.depth, page.remaining, page.lower.dump(), _text(page.upper))
        number = self._base.execute(self._sql["add_page"], row).lastrowid
        assert number is not None
        return Known(
            id=number,
            url=page.url,
            parent=page.parent,
            depth=page.depth,
            remaining=page.remaining,
            lower=page.lower,
            upper=page.upper,
        )

    def settle(self, page: int, stage: Stage, etag: str | None = None) -> None:
        """Remember how far a page is."""
        self._base.execute(self._sql["set_page"], (int(stage), etag, page))

    def has(self, member: bytes) -> bool:
        """Say whether a member (`identity`) was written."""
        return self._base.execute(self._sql["is_seen"], (member,)).fetchone() is not None

    def remember(self, member: bytes, at: Fraction | None) -> None:
        """Remember a member as written."""
        self._base.execute(self._sql["add_seen"], (member, nanoseconds(at)))
        self.remembered += 1

    def forget(self, before: int) -> None:
        """Forget the members that were published before a moment, in nanoseconds."""
        self.remembered -= self._base.execute(self._sql["forget"], (before,)).rowcount


def _text(upper: Fraction | None) -> str:
    return "" if upper is None else str(upper)


def identity(iri: str) -> bytes:
    """Return the 16 bytes by which a member is remembered."""
    return hashlib.blake2b(iri.encode(), digest_size=16).digest()


def nanoseconds(at: Fraction | None) -> int | None:
    """Return a time as whole nanoseconds, None where there is none that fits."""
    if at is None:
        return None
    number = at.numerator * _NANO // at.denominator
    return number if -_LARGEST <= number <= _LARGEST else None
