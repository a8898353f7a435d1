"""Slots: where a template's names stand, and what each string of it says about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
BUILT_IN = frozenset(
    {"member", "entity", "observed_at", "received_at", "publisher", "licence", "revision_of"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One string of a template: the `key` it is a value of, the `group` it is repeated for, the slots it holds."""

    key: str
    text: str
    group: str | None
    slots: tuple[str, ...]

    def filled(self, name: str, value: str) -> str:
        """Return the text with one slot filled."""
        return self.text.replace(f"{{{name}}}", value)


def texts(template: Any, *, key: str = "", group: str | None = None) -> Iterator[Text]:
    """Yield every string of a template, in order; `@each` itself is not one of them."""
    if isinstance(template, dict):
        inside = template.get("@each", group)
        for name, value in template.items():
            if name != "@each":
                yield from texts(value, key=name, group=inside)
    elif isinstance(template, list):
        for value in template:
            yield from texts(value, key=key, group=group)
    elif isinstance(template, str):
        yield Text(key=key, text=template, group=group, slots=tuple(_SLOT.findall(template)))


def keys(template: Any) -> Iterator[str]:
    """Yield every key of a template that is no keyword."""
    if isinstance(template, dict):
        for name, value in template.items():
            if not name.startswith("@"):
                yield name
            yield from keys(value)
    elif isinstance(template, list):
        for value in template:
            yield from keys(value)
