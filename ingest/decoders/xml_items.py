"""XML documents to items in flat memory: hardened, elements dropped as they pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from ingest.decoders.items import Break, Item, Spread, Wanted
from ingest.paths import dig
from streams.record import Reason

# Bytes fed at once: items of one chunk wait in memory; 64 KB measured no slower than the whole document.
_CHUNK = 64 * 1024
_EXCERPT = 200
# What an element is, where a schema lets several stand in one place; its prefix is the document's own.
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PROLOG = re.compile(rb"<[A-Za-z_]")


def xml_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of an XML document; a broken one yields those before the break, then the break.

    A document type declaration is refused: entities could grow without bound or read files.
    """
    root = _PROLOG.search(body)
    if b"<!DOCTYPE" in (body[: root.start()] if root else body):
        yield Break(
            reason=Reason.FORBIDDEN,
            path="/",
            detail="the document declares a type (DOCTYPE); entities are not accepted",
            excerpt=body[:_EXCERPT],
        )
        return
    reader = _Reader(wanted)
    parser = _parser(wanted)
    try:
        for start in range(0, len(body), _CHUNK):
            parser.feed(body[start : start + _CHUNK])
            yield from reader.items(parser)
        parser.close()
        yield from reader.items(parser)
    except etree.XMLSyntaxError as error:
        yield from reader.items(parser)
        line, column = error.position
        yield Break(
            reason=Reason.MALFORMED,
            path=f"line {line} column {column}",
            detail=f"the document is no XML: {error.msg}",
            excerpt=_around(body, line, column),
        )
        return
    if not reader.found:
        yield reader.nothing(body)
    for spread in reader.spreads.values():
        yield from spread.missed(body)


def xml_document(body: bytes) -> Any:
    """Return a whole document: an object with its root element, as items are; a break where it is none."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        element = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        excerpt = _around(body, line, column)
        what = f"the document is no XML: {error.msg}"
        return Break(reason=Reason.MALFORMED, path=f"line {line} column {column}", detail=what, excerpt=excerpt)
    if element.getroottree().docinfo.doctype:
        what = "the document declares a type (DOCTYPE); entities are not accepted"
        return Break(reason=Reason.FORBIDDEN, path="/", detail=what, excerpt=body[:_EXCERPT])
    return {_local(str(element.tag)): _value(element)}


def _parser(wanted: Wanted) -> etree.XMLPullParser[Any]:
    names = {name for name in wanted.root_names if name[0] != "@"}
    names.update(keys[-1] for path in wanted.root_paths if (keys := _elements(path)))
    for each in wanted.each:
        names.update(each.before)
    return etree.XMLPullParser(
        events=("end",),
        tag=sorted(f"{{*}}{name}" for name in names),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _around(body: bytes, line: int, column: int) -> bytes:
    lines = body.split(b"\n", line)
    found = lines[line - 1] if line <= len(lines) else b""
    # A document that is cut off after a line says nothing on the next one; what was before it tells where.
    return found[max(0, column - _EXCERPT) : column + _EXCERPT] or b"\n".join(lines[: line - 1])[-_EXCERPT:]


class _Reader:
    """Turns the events of one document into items; `found` says that the list of items was there."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._paths = {each.before: each for each in reversed(wanted.each)}
        self._parents = {each.before[:-1]: each for each in reversed(wanted.each) if len(each.before) > 1}
        self._root: dict[str, Any] = {}
        # Where the values of the root are, below the outermost element.
        self._roots = {*((name,) for name in wanted.root_names if name[0] != "@"), *map(_elements, wanted.root_paths)}
        self._count = 0
        self.spreads: dict[tuple[str, ...], Spread] = {}
        self._seen: list[str] = []
        self.found = False

    def items(self, parser: etree.XMLPullParser[Any]) -> Iterator[Item]:
        """Yield the items whose elements have ended."""
        for _, element in parser.read_events():
            trail = _trail(element)
            each = self._paths.get(trail)
            if each is not None:
                if not self._count:
                    self._see_ancestors(element)
                value, place = _value(element), "/" + "/".join(trail)
                if each.inner:
                    if trail not in self.spreads:
                        self.spreads[trail] = Spread(each, self._root)
                    yield from self.spreads[trail].items(value, place, self._count)
                else:
                    value = dig(value, each.after) if each.after else value
                    yield Item(value=value, root=self._root, place=place, index=self._count, key=self._wanted.key)
                self._count += 1
                self.found = True
                _drop(element)
            elif trail[1:] in self._roots:
                self._see(trail[1:], _value(element))
            elif trail in self._parents and not self.found:
                self._end_of_list(element)

    def _see(self, keys: tuple[str, ...], value: Any) -> None:
        """Put a value where paths from the root look for it."""
        holder = self._root
        for key in keys[:-1]:
            inner = holder.get(key)
            if not isinstance(inner, dict):
                inner = holder[key] = {}
            holder = inner
        holder[keys[-1]] = value

    def _see_ancestors(self, element: Any) -> None:
        """Keep the attributes of the elements around the items."""
        above = element.getparent()
        while above is not None:
            keys = _trail(above)[1:]
            for name, value in _attributes(above).items():
                self._see((*keys, name), value)
            above = above.getparent()

    def _end_of_list(self, element: Any) -> None:
        """Tell an empty list from a list whose items are called otherwise now."""
        others = {_local(child.tag) for child in element if len(child)}
        self.found = not others
        self._seen.extend(sorted(others))

    def nothing(self, body: bytes) -> Break:
        """Say what stands where the items should be."""
        start = re.search(rb"<([A-Za-z_][^\s>/]*)", body)
        root = start.group(1).decode("utf-8", "replace") if start else "nothing"
        inside = f" with {', '.join(self._seen[:12])}" if self._seen else ""
        return Break(
            reason=Reason.STRUCTURE,
            path="/",
            detail=f"no elements at {' or '.join(each.text for each in self._wanted.each)}; found {root}{inside}",
            excerpt=body[:_EXCERPT],
        )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _trail(element: Any) -> tuple[str, ...]:
    names = [_local(element.tag)]
    parent = element.getparent()
    while parent is not None:
        names.append(_local(parent.tag))
        parent = parent.getparent()
    return tuple(reversed(names))


def _elements(path: tuple[str, ...]) -> tuple[str, ...]:
    """Take the elements of a path, without the attribute or the text it may end with."""
    return tuple(key for key in path if key[0] not in "@#")


def _attributes(element: Any) -> dict[str, str]:
    return {f"@{_local(name)}": _attribute(name, value) for name, value in element.attrib.items()}


def _attribute(name: str, value: str) -> str:
    return value.rpartition(":")[2] if name == _XSI_TYPE else value


def _value(element: Any) -> Any:
    """Turn an element into a text, or a dict of attributes and children; repeated children become a list."""
    if not len(element) and not element.attrib:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for name, value in element.items():
        found[f"@{name}" if name[0] != "{" else f"@{_local(name)}"] = (
            value if name[0] != "{" else _attribute(name, value)
        )
    for child in element:
        tag = child.tag
        if type(tag) is not str:  # an entity reference that was not resolved
            continue
        if tag[0] == "{":
            tag = _local(tag)
        value = _value(child) if len(child) or child.attrib else (child.text or "").strip()
        if tag not in found:
            found[tag] = value
        elif type(found[tag]) is list:
            found[tag].append(value)
        else:
            found[tag] = [found[tag], value]
    if not len(element) and (text := (element.text or "").strip()):
        found["#text"] = text
    return found


def _drop(element: Any) -> None:
    """Free an element and those before it, so that memory stays flat."""
    element.clear()
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]
