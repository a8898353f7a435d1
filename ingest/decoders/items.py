"""What decoders yield: items with their place, and breaks where a document stops making sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ingest.paths import AROUND, VALUES, Each, dig, listed, without
from streams.record import Reason


class Item(NamedTuple):
    """One item: its value, its document's root, and where it stands: `place` is the list's, `index` its number.

    `key` is the path of what identifies it, where that is an XML attribute. A tuple by name, made once per item.
    """

    value: Any
    root: Mapping[str, Any]
    place: str
    index: int  # type: ignore[assignment]  # hides a method of tuples that nobody needs here
    key: str = ""

    @property
    def path(self) -> str:
        """Name the item for people: `$.results[17]`, `/miv/meetpunt[@unieke_id='29']`."""
        if self.place.startswith("$"):
            return self.place.replace("[*]", f"[{self.index}]")
        if self.key.startswith("@") and isinstance(self.value, dict) and self.key in self.value:
            return f"{self.place}[{self.key}='{str(self.value[self.key])[:60]}']"
        return f"{self.place}[{self.index + 1}]"

    def below(self, path: str) -> str:
        """Name a place inside the item; a path from the root stays as it is."""
        if not path or path.startswith("$"):
            return path or self.path
        return f"{self.path}/{path.replace('.', '/')}" if self.place.startswith("/") else f"{self.path}.{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The document could not be read from here on: why, where, the sentence for people, and the bytes."""

    reason: Reason
    path: str
    detail: str
    excerpt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a source file says of the form of its documents; the media type says what is left open.

    `name` is one of `table.FORMATS`; `member` the file in a zip. `delimiter`, `columns` (where the document names none)
    and `encoding` are for text in columns; `prefixes` (short names of namespaces) and `base` for RDF.
    """

    name: str = ""
    member: str = ""
    delimiter: str = ""
    columns: tuple[str, ...] = ()
    encoding: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a mapping reads of a document: where the items are, which values of its root, and what identifies an item.

    `root_names` and `root_paths` are the paths from the root, those of one key and the others. Items that `only` says no
    to are none. `media_type` is that of the document, without parameters, and `received` is when it came, for formats
    whose times are relative to that.
    """

    each: tuple[Each, ...]
    root_names: frozenset[str] = frozenset()
    root_paths: frozenset[tuple[str, ...]] = frozenset()
    key: str = ""
    format: Format = field(default_factory=Format)
    only: Callable[[Any, Mapping[str, Any]], bool] | None = None
    media_type: str = ""
    received: datetime | None = None


class Spread:
    """Makes items of the elements of a list: what `after` leads to, or the elements of the lists inside.

    An item of an inner list has what is around that list under `^`. `missed` says that there were elements and none of
    them had the list.
    """

    def __init__(self, each: Each, root: Mapping[str, Any]) -> None:
        self._each = each
        self._root = root
        self._elements = 0
        self._lists = 0

    def items(self, value: Any, place: str, index: int) -> Iterator[Item]:
        """Yield the items of an element of the outermost list."""
        after = self._each.after
        if not self._each.inner:
            yield Item(dig(value, after), self._root, place, index)
            return
        self._elements += 1
        for inner, inside, at in self._within(value, Item(value, self._root, place, index).path, 0):
            if after:
                around, inner = inner.get(AROUND) if type(inner) is dict else None, dig(inner, after)  # noqa: PLW2901
                inner = {**inner, AROUND: around} if type(inner) is dict else inner  # noqa: PLW2901
            yield Item(inner, self._root, _below(inside, after), at)

    def _within(self, value: Any, path: str, level: int) -> Iterator[tuple[Any, str, int]]:
        keys = self._each.inner[level]
        found = listed(value, keys)
        if found is None:
            return
        around, place = without(value, keys), _listed(path, keys)
        is_last = level + 1 == len(self._each.inner)
        self._lists += is_last
        for at, element in enumerate(found):
            inner = {**element, AROUND: around} if type(element) is dict else element
            if is_last:
                yield inner, place, at
            else:
                yield from self._within(inner, Item(inner, self._root, place, at).path, level + 1)

    def missed(self, body: bytes) -> Iterator[Break]:
        """Yield the break that elements without any list inside are."""
        if self._elements and not self._lists:
            inside = "[*].".join(".".join(keys) for keys in self._each.inner)
            yield Break(
                reason=Reason.STRUCTURE,
                path=_listed("$", self._each.before).removesuffix("[*]"),
                detail=f"none of the {self._elements} elements has a list at {inside}",
                excerpt=body[:200],
            )


def _listed(path: str, keys: tuple[str, ...]) -> str:
    steps = keys[:-1] if keys and keys[-1] == VALUES else keys
    return _below(path, steps) + ("" if path.startswith("/") else "[*]")


def _below(path: str, keys: tuple[str, ...]) -> str:
    mark = "/" if path.startswith("/") else "."
    return path + "".join(f"{mark}{key}" for key in keys)
