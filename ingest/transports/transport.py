"""Transport: what a source file may say of one way to get payloads, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from ingest.schema_parts import Schema
from streams.yaml_lines import Faults, Node


class Options(Protocol):
    """What a source file says of its transport; each transport has a class of its own."""

    @property
    def every(self) -> timedelta:
        """How often something is to be expected at least, unless the source publishes changes only."""
        ...


# The node below the transport's name, where faults go, and the environment that secrets are taken from.
Read = Callable[[Node, Faults, Mapping[str, str]], Options]


def _never(_options: Options) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """One key of a source file: what it means, how it is read into options, and the JSON Schema of what is below it.

    Every property of `schema` carries its description: editors show it, and the reference lists it. `whole` says of
    options whether each payload lists everything there is, so that what one lacks is gone (`publish: absent`).
    """

    name: str
    meaning: str
    read: Read
    schema: Schema
    whole: Callable[[Any], bool] = _never

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield each key below the transport, dotted, with what it means; a `KeyError` names one that says nothing."""
        yield from _rows(self.name, self.schema)


def _rows(parent: str, schema: Schema) -> Iterator[tuple[str, str]]:
    for key, inner in schema["properties"].items():
        yield f"{parent}.{key}", inner["description"]
        if "properties" in inner:
            yield from _rows(f"{parent}.{key}", inner)
