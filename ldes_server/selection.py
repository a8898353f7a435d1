"""Selection: which of the newest states somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ldes_server.model import Published
from streams.record import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A bounding box in degrees (CRS84), edges included; one with `west` > `east` crosses the date line."""

    west: float
    south: float
    east: float
    north: float

    @property
    def spans(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The longitudes as two ranges, the second of them empty unless the box crosses the date line."""
        if self.west <= self.east:
            return (self.west, self.east), (1.0, 0.0)
        return (self.west, 180.0), (-180.0, self.east)

    def holds(self, point: Point | None) -> bool:
        """Whether a place is in the box; nowhere is not."""
        return (
            point is not None
            and self.south <= point.latitude <= self.north
            and any(low <= point.longitude <= high for low, high in self.spans)
        )


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
