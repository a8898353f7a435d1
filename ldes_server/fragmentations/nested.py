"""Nested as a fragmentation: every way of the outer one, continued by every way of the inner one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ldes_server.definition import ByPrefix, ByTile, Nested
from ldes_server.model import Fragmentation, Published, Trail

# Joined ways that are remembered; a way is a tuple of steps that exist anyway.
_REMEMBERED = 16384


class NestedFragmentation:
    """Concatenates trails, each step closing no later than the outer bucket it is in.

    Where outer trails end at several depths (tiles and prefixes), the first inner key is marked with `in-`, so that it
    is never that of a deeper outer bucket.
    """

    def __init__(self, outer: Fragmentation, inner: Fragmentation, view: Nested) -> None:
        self._outer = outer
        self._inner = inner
        self._mark = "in-" if isinstance(view.outer, ByTile | ByPrefix) else ""
        self._joined: dict[tuple[int, int], tuple[Trail, Trail, Trail]] = {}

    def trails(self, member: Published, body: Mapping[str, Any]) -> tuple[Trail, ...]:
        """Return every combination of an outer and an inner trail."""
        outer, inner = self._outer.trails(member, body), self._inner.trails(member, body)
        if len(outer) == 1 and len(inner) == 1:
            return (self._join(outer[0], inner[0]),)
        return tuple(self._join(first, second) for first in outer for second in inner)

    def _join(self, outer: Trail, inner: Trail) -> Trail:
        # The parts are the same objects as long as their makers remember them. They are kept beside the result, so
        # nothing else gets their ids.
        key = (id(outer), id(inner))
        if known := self._joined.get(key):
            return known[2]
        if len(self._joined) >= _REMEMBERED:
            self._joined.clear()
        trail = outer + self._below(outer, inner)
        self._joined[key] = (outer, inner, trail)
        return trail

    def _below(self, outer: Trail, inner: Trail) -> Trail:
        limit = outer[-1].closes_at
        steps = list(inner)
        if self._mark:
            steps[0] = replace(steps[0], key=f"{self._mark}{steps[0].key}")
        if limit is None:
            return tuple(steps)
        return tuple(
            step if step.closes_at is not None and step.closes_at <= limit else replace(step, closes_at=limit)
            for step in steps
        )
