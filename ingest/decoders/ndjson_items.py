"""Lines of JSON to items: every line stands for itself, so a broken one costs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from ingest.decoders.items import Break, Item, Spread, Wanted
from streams.record import Reason

_EXCERPT = 200
# RFC 7464 puts it before each text of a sequence.
_SEPARATOR = b"\x1e"


def ndjson_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield an item per line, or those of the lists in it; `each` begins with `[*]`, which stands for the lines.

    A line that is no JSON is one break, named by its number; the other lines go on. Empty lines are none.
    """
    each = next((each for each in wanted.each if not each.before), None)
    if each is None:
        yield Break(
            reason=Reason.STRUCTURE,
            path="$",
            detail=f"lines of JSON have no {wanted.each[0].text}; write each: [*], or [*].{wanted.each[0].text}",
            excerpt=body[:_EXCERPT],
        )
        return
    spread = Spread(each, {})
    place = "$[*]" + ("" if each.inner else "".join(f".{step}" for step in each.after))
    index = 0
    for number, line in enumerate(body.split(b"\n"), 1):
        text = line.strip(b" \t\r" + _SEPARATOR)
        if not text:
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield Break(
                reason=Reason.MALFORMED,
                path=f"line {number} column {error.colno}",
                detail=f"the line is no JSON: {error}",
                excerpt=text[:_EXCERPT],
            )
            continue
        yield from spread.items(value, place, index)
        index += 1
    yield from spread.missed(body)
