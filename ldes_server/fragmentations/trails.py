"""What the fragmentations share: the bucket of those without a value, and one bucket for each value of a member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ldes_server.model import Published, Step, Trail
from vocab.places import Place

# Where members go that say nothing a relation could use; no bound, so nobody may prune it (TREE-18).
NONE: Trail = (Step(key="none"),)
# Garages, measuring points and operators are some thousands; a trail with its steps is about 1 kB.
_REMEMBERED = 16384


class ValueFragmentation:
    """Sends a member to the trail of each of its values at a place, whenever it was published; without any, to `none`.

    `trail` is asked with the key and the raw value that the place finds, once for each value that is remembered. It
    answers None where the value says nothing that the others do not.
    """

    def __init__(self, place: Place, trail: Callable[[str, Any], Trail | None]) -> None:
        self._find = place.find
        # Typed, because 1, 1.0 and true are one key of a dictionary and three values.
        self._trail: Callable[[str, object], Trail | None] = lru_cache(_REMEMBERED, typed=True)(trail)

    def trails(self, member: Published, body: Mapping[str, Any]) -> tuple[Trail, ...]:  # noqa: ARG002
        """Return the trail of each value, once each."""
        found = self._find(body)
        if len(found) == 1:
            return (self._trail(*found[0]) or NONE,)
        return tuple(dict.fromkeys(trail for value in found if (trail := self._trail(*value)))) or (NONE,)
