"""ByTile as a fragmentation: slippy tiles (Web Mercator z/x/y) at one or several zooms."""

from __future__ import annotations

from math import asinh, atan, ceil, degrees, floor, pi, radians, sinh, tan
from typing import Any

from ldes_server.box import Box
from ldes_server.definition import ByTile
from ldes_server.fragmentations.trails import NONE, ValueFragmentation
from ldes_server.fragmentations.wkt import OtherReferenceError, box_of
from ldes_server.model import Bound, Fragmentation, RelationType, Step, Trail
from vocab.places import Place
from vocab.terms import GEO_WKT

# Where the square of the projection ends, in degrees: atan(sinh(pi)).
LATITUDE_LIMIT = degrees(atan(sinh(pi)))


def by_tile(view: ByTile, place: Place) -> Fragmentation:
    """Send a member to the deepest listed tile that contains its geometry, through the listed tiles around it.

    Tiles are half open: their own western and northern edge, not the other two. Geometries that are in no listed tile,
    beyond the projection's latitudes, or no WKT in CRS84 (TREE-38), and members without one, go to `none`; the same
    place in a second reference system beside CRS84 says nothing more.
    """

    def trail(_: str, raw: Any) -> Trail | None:
        try:
            box = box_of(raw) if isinstance(raw, str) else None
        except OtherReferenceError:
            return None
        if box is None or max(abs(box.south), abs(box.north)) > LATITUDE_LIMIT:
            return NONE
        steps: list[Step] = []
        for zoom in view.zooms:
            x, y = tile_at(box.west, box.north, zoom)
            if (x, y) != tile_at(box.east, box.south, zoom):
                break
            bound = Bound(
                type=RelationType.CONTAINS, path=place.predicates, value=polygon(zoom, x, y), datatype=GEO_WKT
            )
            steps.append(Step(key=f"{zoom}-{x}-{y}", bounds=(bound,)))
        return tuple(steps) or NONE

    return ValueFragmentation(place, trail)


def tile_at(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """Return x and y of the tile that holds a place; the edges of the world are in the tiles beside them."""
    count = 1 << zoom
    x = floor((longitude + 180) / 360 * count)
    y = floor((1 - asinh(tan(radians(latitude))) / pi) / 2 * count)
    return min(max(x, 0), count - 1), min(max(y, 0), count - 1)


def tile_box(zoom: int, x: int, y: int) -> Box:
    """Return the exact edges of a tile, in degrees."""
    count = 1 << zoom
    return Box(
        west=x / count * 360 - 180,
        south=degrees(atan(sinh(pi * (1 - 2 * (y + 1) / count)))),
        east=(x + 1) / count * 360 - 180,
        north=degrees(atan(sinh(pi * (1 - 2 * y / count)))),
    )


def polygon(zoom: int, x: int, y: int) -> str:
    """Return a tile as WKT in CRS84, grown by one to two units of the sixth decimal (some 10 cm).

    A point on the edge of a polygon is not inside it (sfContains, TREE-37): grown, the polygon truly contains all that
    the tile holds, whatever was rounded.
    """
    box = tile_box(zoom, x, y)
    west, south = _decimals(floor(box.west * 1e6) - 1), _decimals(floor(box.south * 1e6) - 1)
    east, north = _decimals(ceil(box.east * 1e6) + 1), _decimals(ceil(box.north * 1e6) + 1)
    corners = (f"{west} {south}", f"{east} {south}", f"{east} {north}", f"{west} {north}", f"{west} {south}")
    return f"POLYGON (({', '.join(corners)}))"


def _decimals(millionths: int) -> str:
    return f"{millionths / 1e6:.6f}"
