"""KiWIS answers (WISKI web interoperability solution, JSON) to items: rows get the names of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.json_items import document_items, json_items
from streams.record import Reason

_EXCERPT = 200


def kiwis_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of an answer, whose rows are objects: those under `data` by `columns`, others by the first row.

    Values of time series are at `[*].data[*]`, with what is said of the series under `^`; lists of stations or series at
    `[*]`. An error that came with status 200 is one break in the server's own words; a row that is longer or shorter
    than its columns is one break, and the others go on.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        # What stands before the break is not resolved yet.
        yield from (found for found in json_items(body, wanted) if isinstance(found, Break))
        return
    if type(document) is dict and document.get("type") == "error":
        code, message = (str(document.get(key, "without any")) for key in ("code", "message"))
        yield Break(
            reason=Reason.STRUCTURE,
            path="$",
            detail=f"KiWIS answered an error: {code}: {message}",
            excerpt=body[:_EXCERPT],
        )
        return
    breaks: list[Break] = []
    sections = document if type(document) is list else [document]
    if sections and type(sections[0]) is list:
        sections = _named(sections[0], sections[1:], "$", breaks, first=2)
    else:
        sections = [_section(it, f"$[{at}].data", breaks) for at, it in enumerate(sections)]
    yield from breaks
    yield from document_items(sections, body, wanted)


def _section(section: Any, path: str, breaks: list[Break]) -> Any:
    """Give the rows of one series the names of its columns."""
    if type(section) is not dict or type(section.get("data")) is not list:
        return section
    columns = section.get("columns")
    names = [name.strip() for name in columns.split(",")] if type(columns) is str else columns
    if type(names) is not list:
        breaks.append(_refused(path, "a series without `columns`", section))
        return section
    return {**section, "data": _named(names, section["data"], path, breaks, first=1)}


def _named(
    names: Sequence[Any], rows: Sequence[Any], path: str, breaks: list[Break], *, first: int
) -> list[Mapping[str, Any]]:
    named: list[Mapping[str, Any]] = []
    for number, row in enumerate(rows, first):
        if type(row) is list and len(row) == len(names):
            named.append(dict(zip(map(str, names), row, strict=True)))
        else:
            found = f"{len(row)} values" if type(row) is list else "no row"
            detail = f"{found}, but there are {len(names)} columns: {', '.join(map(str, names))}"
            breaks.append(_refused(f"{path} row {number}", detail, row))
    return named


def _refused(path: str, detail: str, value: Any) -> Break:
    return Break(reason=Reason.STRUCTURE, path=path, detail=detail, excerpt=orjson.dumps(value)[:_EXCERPT])
