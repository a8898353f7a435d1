"""Box: a part of the globe between two longitudes and two latitudes."""

from __future__ import annotations

from dataclasses import dataclass

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
