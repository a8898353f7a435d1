"""Signs: how a source file recognises an answer or a message by one value in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.paths import PathError, dig, parse_path
from ingest.schema_parts import TEXT, Schema, object_of, told
from streams.yaml_lines import Faults, Node, check_keys, text_of


def sign_schema(meaning: str) -> Schema:
    """Return the schema of a sign."""
    words = {
        "path": told(TEXT, "The path of the value that tells."),
        "equals": told({"type": ["string", "number", "boolean"]}, "What it is then; any value when absent."),
        "message": told(TEXT, "The path of the publisher's explanation."),
    }
    return told(object_of(words, required=("path",)), meaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A document shows it when the value at `path` is `equals`, or is there at all when that is None."""

    path: str
    equals: str | None = None
    message: str = ""

    def shown_by(self, document: Any) -> bool:
        """Say whether a JSON document shows the sign."""
        found = value_at(document, self.path)
        return found is not None and (self.equals is None or _text(found) == self.equals)

    def words(self, document: Any) -> str:
        """Return the publisher's explanation, or the value that told, at most 200 characters."""
        said = value_at(document, self.message) if self.message else None
        return (
            _text(said)[:200]
            if said not in (None, "")
            else f"{self.path} is {_text(value_at(document, self.path))[:60]}"
        )


def sign_of(node: Node | None, faults: Faults, *, where: str) -> Sign | None:
    """Read a sign; None when there is none."""
    if node is None or not check_keys(node, ("path", "equals", "message"), faults, where=where):
        return None
    path = text_of(node.get("path"), faults, where="path", line=node.line, required=True)
    equals = node.get("equals")
    message = text_of(node.get("message"), faults, where="message", line=node.line)
    for text in filter(None, (path, message)):
        try:
            parse_path(text)
        except PathError as error:
            faults.add(node.line, str(error), f"write {where}: {{ path: type, equals: error }}")
    return Sign(path=path, equals=None if equals is None else equals.text, message=message)


def value_at(document: Any, path: str) -> Any:
    """Return the value at a path; a key that is written just so comes first, since keys may hold dots."""
    if isinstance(document, Mapping) and path in document:
        return document[path]
    return dig(document, parse_path(path).steps)


def _text(value: Any) -> str:
    """Write a value as a source file would."""
    return str(value).lower() if isinstance(value, bool) else str(value)
