"""JSON documents to items, those before a break included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ingest.decoders.items import Break, Item, Spread, Wanted
from ingest.paths import VALUES, WHOLE, Each, dig, listed
from streams.record import Reason

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_EXCERPT = 200


def json_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of a JSON document; a broken one yields those before the break, then the break."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = body.decode("utf-8", "replace")
        for each in wanted.each:
            if document := _repaired(text, error.pos, each):
                yield from items_of(document, each)
                break
        yield Break(
            reason=Reason.MALFORMED,
            path=f"line {error.lineno} column {error.colno}",
            detail=f"the document is no JSON: {error}",
            excerpt=text[max(0, error.pos - _EXCERPT) : error.pos + _EXCERPT].encode(),
        )
        return
    yield from document_items(document, body, wanted)


def document_items(document: Any, body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of a document that was read from `body`; one without a list where it should be is one break."""
    for each in wanted.each:
        if _list(document, each) is not None:
            yield from items_of(document, each, body)
            return
    yield Break(
        reason=Reason.STRUCTURE,
        path="$",
        detail=f"no list at {' or '.join(each.text for each in wanted.each)}; found {_found(document)}",
        excerpt=body[:_EXCERPT],
    )


def _list(document: Any, each: Each) -> list[Any] | None:
    """Return the list at a place; a single value there is none: a feed that says so has changed shape."""
    if each.text == WHOLE:
        return [document if type(document) is dict else {"value": document}]
    if each.before and each.before[-1] == VALUES:
        return listed(document, each.before)
    found = dig(document, each.before)
    return found if type(found) is list else None


def items_of(document: Any, each: Each, body: bytes = b"") -> Iterator[Item | Break]:
    """Yield the items of one list of a document."""
    found = _list(document, each)
    if found is None:
        return
    root: Mapping[str, Any] = document if type(document) is dict else {}
    if each.text == WHOLE:
        yield Item(found[0], found[0], WHOLE, 0)
        return
    keys = [key for key in each.before if key != VALUES]
    place = ".".join(("$", *keys)) + "[*]" + ("" if each.inner else "".join(f".{step}" for step in each.after))
    if not each.inner:
        for index, value in enumerate(found):
            yield Item(dig(value, each.after) if each.after else value, root, place, index)
        return
    spread = Spread(each, root)
    for index, value in enumerate(found):
        yield from spread.items(value, place, index)
    if body:
        yield from spread.missed(body)


def _repaired(text: str, position: int, each: Each) -> Any:
    """Close a document after its last whole item before `position`; None when there is no such item."""
    if each.text == WHOLE:
        return None
    inside = "{" * len(each.before) + "["
    stack, end = "", 0
    for token in _TOKEN.finditer(text, 0, position):
        character = token.group()
        if character in "{[":
            stack += character
        elif character in "}]":
            stack = stack[:-1]
            if stack == inside:
                end = token.end()
    if not end:
        return None
    try:
        return orjson.loads(text[:end] + "]" + "}" * len(each.before))
    except orjson.JSONDecodeError:
        return None


def _found(document: Any) -> str:
    if type(document) is dict:
        names = ", ".join(f"{name}{'[]' if type(value) is list else ''}" for name, value in list(document.items())[:12])
        return f"an object with {names or 'nothing in it'}"
    return f"a list of {len(document)}" if type(document) is list else f"the value {str(document)[:60]}"
