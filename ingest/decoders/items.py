"""What decoders yield: items with their place, and breaks where a document stops making sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.paths import Each
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
class Wanted:
    """What a mapping reads of a document: where the items are, which scalars of its root, and what identifies an item."""

    each: tuple[Each, ...]
    root_names: frozenset[str] = frozenset()
    key: str = ""
