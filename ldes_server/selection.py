"""Selection: which of the newest states somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ldes_server.box import Box
from ldes_server.model import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The newest states of `entity` (its IRI), in the `box`, observed at or after `since`; None asks for all.

    States come in the order of their entities, from the first one behind `after` on: a reader who goes on there meets
    every entity once, whatever is published meanwhile.
    """

    entity: str | None = None
    box: Box | None = None
    since: datetime | None = None
    after: str = ""

    def holds(self, member: Published) -> bool:
        """Whether a newest state is among those asked for."""
        return (
            self.entity in (None, member.entity)
            and (self.box is None or self.box.holds(member.point))
            and (self.since is None or member.observed_at >= self.since)
            and member.entity > self.after
        )
