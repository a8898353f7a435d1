"""A copy in a file, one member a line: where each member is, by its number, and what is no member at all."""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from streams.errors import FeedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of a copy; lines count from 1."""

    sequence: int
    line: int
    text: bytes

    def fields(self) -> dict[str, Any]:
        """Parse it."""
        parsed: dict[str, Any] = orjson.loads(self.text)
        return parsed


class Copy:
    """An indexed copy; a context manager. Takes 32 bytes of memory per member, and no more than the file on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.strange: list[str] = []
        self._sequences, self._lines = array("q"), array("q")
        self._starts, self._ends = array("q"), array("q")

    def __enter__(self) -> Self:
        """Read the file once.

        Raises:
            FeedError: it cannot be read.

        """
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            fix = "name the copy with --out"
            raise FeedError(f"cannot be read: {error.strerror}", where=str(self._path), fix=fix) from error
        size = self._path.stat().st_size
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self._index()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bytes is not None:
            self._bytes.close()
        self._file.close()

    def __len__(self) -> int:
        return len(self._sequences)

    @property
    def first(self) -> int:
        """The lowest number of a member; -1 without members."""
        return self._sequences[0] if self._sequences else -1

    @property
    def last(self) -> int:
        """The highest number of a member; -1 without members."""
        return self._sequences[-1] if self._sequences else -1

    def between(self, first: int, last: int) -> Iterator[Place]:
        """Give the lines with these numbers, by number and then in the order of the file."""
        for place in range(bisect_left(self._sequences, first), len(self._sequences)):
            if self._sequences[place] > last:
                return
            assert self._bytes is not None
            text = self._bytes[self._starts[place] : self._ends[place]]
            yield Place(sequence=self._sequences[place], line=self._lines[place], text=text)

    def numbers(self, first: int, last: int) -> list[int]:
        """Return the numbers from `first` to `last` that are there, as often as they are."""
        return self._sequences[bisect_left(self._sequences, first) : bisect_left(self._sequences, last + 1)].tolist()

    def _index(self) -> None:
        start = 0
        for line, text in enumerate(self._file, start=1):
            end = start + len(text)
            if not text.endswith(b"\n"):
                self.strange.append(f"line {line} is cut: it does not end")
            try:
                sequence = orjson.loads(text)["sequence"]
                if type(sequence) is not int or not 0 <= sequence < 2**63:
                    raise ValueError  # noqa: TRY301 - said once, below
            except (ValueError, KeyError, TypeError):
                self.strange.append(f"line {line} is no member with a sequence number: {_excerpt(text)}")
            else:
                self._sequences.append(sequence)
                self._lines.append(line)
                self._starts.append(start)
                self._ends.append(end - text.endswith(b"\n"))
            start = end
        # Members of one number stay in the order of the file.
        order = sorted(range(len(self._sequences)), key=self._sequences.__getitem__)
        for name in ("_sequences", "_lines", "_starts", "_ends"):
            column: array[int] = getattr(self, name)
            setattr(self, name, array("q", map(column.__getitem__, order)))


def _excerpt(text: bytes) -> str:
    return text[:60].decode("utf-8", "backslashreplace").rstrip("\n")
