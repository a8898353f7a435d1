"""Kept: the members that the history keeps though it has dropped their pages, all in one bucket in their old order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ldes_server.model import Published, Step, Trail

BUCKET = "kept"
# What stands where views have their definition; no stream file can say it.
DEFINITION = "{}"

_TRAILS: tuple[Trail, ...] = ((Step(key=BUCKET),),)


class KeptFragmentation:
    """Every member in the one bucket, behind no other bounds than those of its pages."""

    def trails(self, member: Published, body: Mapping[str, Any]) -> tuple[Trail, ...]:
        """Return the one way."""
        del member, body
        return _TRAILS
