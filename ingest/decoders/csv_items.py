"""Text in columns (RFC 4180 and what is called so) to items: a row is an object with the columns' names as keys."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ingest.decoders.items import Break, Item, Spread, Wanted
from streams.record import Reason

_EXCERPT = 200
# What separates columns where the source file does not say: the one that the first line has most of.
_DELIMITERS = ",;\t|"
# Lines of one row, which may hold quoted line ends; a quote that is never closed would eat the rest of the document.
_LONGEST_ROW = 100
# Bytes that are no UTF-8 become these.
_FOREIGN = re.compile("[\udc80-\udcff]")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def csv_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield an item per row; values are texts, and cells without text are empty ones.

    `each` is `[*]`. The first row that is not empty has the names of the columns, unless the source file lists them. A
    row with more or fewer cells than names, with text that is not in the document's encoding or with a quote that is
    never closed is one break, named by its line; the rows behind it go on.
    """
    each = next((each for each in wanted.each if not each.before and not each.inner), None)
    if each is None or each.after:
        yield Break(
            reason=Reason.STRUCTURE,
            path="$",
            detail=f"rows have no {wanted.each[0].text}; write each: [*]",
            excerpt=body[:_EXCERPT],
        )
        return
    lines = _lines(body, wanted.format.encoding)
    rows = _Rows(lines, wanted.format.delimiter or _delimiter(lines))
    names: Sequence[str] = wanted.format.columns
    spread, index = Spread(each, {}), 0
    while (row := rows.next()) is not None:
        if isinstance(row, Break):
            yield row
            if not names:
                return
        elif not names:
            names = _names(row)
        elif len(row) != len(names):
            yield rows.refused(f"{len(row)} cells, but there are {len(names)} columns: {', '.join(names)}")
        else:
            yield from spread.items(dict(zip(names, row, strict=True)), "$[*]", index)
            index += 1


class _Rows:
    """Reads row after row; a row that cannot be read costs its first line only."""

    def __init__(self, lines: Sequence[str], delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._next = 0
        self._first = 0
        self._reader = self._opened()

    def _opened(self) -> Iterator[list[str]]:
        return csv.reader(self._fed(), delimiter=self._delimiter, strict=True)

    def _fed(self) -> Iterator[str]:
        while self._next < len(self._lines) and self._next - self._first < _LONGEST_ROW:
            self._next += 1
            yield self._lines[self._next - 1]

    def next(self) -> list[str] | Break | None:
        """Return the next row that is not empty, a break where there is none to be read, None at the end."""
        while True:
            while self._next < len(self._lines) and not self._lines[self._next].strip():
                self._next += 1
            self._first = self._next
            if self._first >= len(self._lines):
                return None
            try:
                row = next(self._reader, None)
            except csv.Error as error:
                return self.refused(f"the row cannot be read: {error}")
            if row is None:
                self._reader = self._opened()
                continue
            if _FOREIGN.search("".join(row)):
                return self.refused("the row is no UTF-8; say which encoding it is, with format: { encoding: latin-1 }")
            return row

    def refused(self, detail: str) -> Break:
        """Give the row in hand up, and go on with the line behind its first."""
        line = self._lines[self._first]
        self._next = self._first + 1
        self._reader = self._opened()
        excerpt = line[:_EXCERPT].encode("utf-8", "surrogateescape")
        return Break(reason=Reason.MALFORMED, path=f"line {self._first + 1}", detail=detail, excerpt=excerpt)


def _lines(body: bytes, encoding: str) -> list[str]:
    """Decode a document and cut it at line ends; bytes that are no UTF-8 stay visible, row by row."""
    for mark, found in _MARKS:
        if body.startswith(mark):
            body, encoding = body[len(mark) :], found
    text = body.decode(encoding or "utf-8", "surrogateescape" if encoding in ("", "utf-8") else "replace")
    # At these only: other line ends that Unicode knows may stand in a cell.
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _delimiter(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    outside = "".join(part for at, part in enumerate(first.split('"')) if at % 2 == 0)
    return max(_DELIMITERS, key=outside.count)


def _names(row: Sequence[str]) -> list[str]:
    """Name the columns: without blanks around; the second of a name has `_2` behind it, one without a name its number."""
    seen: Counter[str] = Counter()
    names = []
    for number, cell in enumerate(row, 1):
        name = cell.strip() or f"column_{number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
