"""Searches: what the root of a view can be asked for, and the buckets where the answer may be; pure.

An answer to a search is a page of links of its own, into the view's own pages, such that every member that satisfies
the form is behind one of them (TREE-45): not only in the bucket that was named, but also where the view puts members
that do not fit it (straddling geometries, late members) and those that do not say (bucket `none`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from ldes_server.bucket_view import GROUP
from ldes_server.definition import ByTile, ByTime, Nested, read_definition
from ldes_server.fragmentations.by_time import TimeFragmentation
from ldes_server.fragmentations.trails import NONE
from ldes_server.model import Wanted
from ldes_server.negotiate import Form
from ldes_server.problems import Problem
from ldes_server.query import TIME_FORM, read_moment
from ldes_server.render import TREE
from ldes_server.search_forms import Variable, render_form
from streams.record import format_time
from vocab.model import Model
from vocab.places import Place, places

# As far as maps are drawn; the deepest tiles of views are of zoom 20.
_DEEPEST = 24
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_NONE = NONE[0].key


class Search(Protocol):
    """One form of one view."""

    @property
    def forms(self) -> Mapping[str, str]:
        """The parameters in their one order, each with the form of its values; all are required."""
        ...

    def wanted(self, values: Mapping[str, str]) -> Wanted:
        """Return where to look. Raises `Problem` 400 for a value that is not of its form."""
        ...

    def render(self, root: str) -> Mapping[Form, bytes]:
        """Return the form as the page of the `root`, an absolute address, shows it."""
        ...


def search_of(definition: str, model: Model) -> Search | None:
    """Return the search of a view by the text of its definition; None where there is none for this kind."""
    view = read_definition(definition)
    outer = view.outer if isinstance(view, Nested) else view
    place = places(model).get(outer.name)
    if place is None:
        return None
    if isinstance(outer, ByTime):
        return TimeSearch(outer, place)
    if isinstance(outer, ByTile):
        # What is nested in a tile is among the tiles below it: only the tile as a whole holds those that straddle.
        return TileSearch(replace(outer, zooms=outer.zooms[:1]) if isinstance(view, Nested) else outer)
    return None


class TimeSearch:
    """By time: the window that holds it, also among the late ones, and members whose time has no zone (TREE-44)."""

    forms: Mapping[str, str] = {"at": TIME_FORM}

    def __init__(self, view: ByTime, place: Place) -> None:
        self._view = TimeFragmentation(view, place)
        self._path = place.predicates

    def wanted(self, values: Mapping[str, str]) -> Wanted:
        """Return the windows of a time."""
        ways = self._view.ways(format_time(read_moment("at", values["at"])))
        keys = [".".join(step.key for step in way) for way in ways]
        return Wanted(whole=tuple(dict.fromkeys((*keys, _NONE))))

    def render(self, root: str) -> Mapping[Form, bytes]:
        """Return the form: `?at=` of the path that the view divides by."""
        return render_form(
            root, f"{root}?at={{at}}", [Variable(name="at", property=f"{TREE}timeQuery", path=self._path)]
        )


class TileSearch:
    """By slippy tile: y counts from the north, x from 180 degrees west (TREE-43); any zoom, not only those of the view.

    What meets a tile is in the view's tiles that it contains, or among the own members of those that contain it, or, if
    it fits none of them, in `none`. Between two zooms of the view the tiles of the deeper one are listed one by one, as
    long as they are no more than a page of the view lists; else the tile around them is led to as a whole.
    """

    forms: Mapping[str, str] = {
        "z": f"a zoom, a whole number from 0 to {_DEEPEST}",
        "x": "the column of a tile, a whole number from 0, in the west, to 2^z - 1",
        "y": "the row of a tile, a whole number from 0, in the north, to 2^z - 1",
    }

    def __init__(self, view: ByTile) -> None:
        self._zooms = view.zooms

    def wanted(self, values: Mapping[str, str]) -> Wanted:
        """Return the tiles where members that meet a tile may be."""
        zoom = self._read("z", values["z"], _DEEPEST + 1)
        x, y = self._read("x", values["x"], 1 << zoom), self._read("y", values["y"], 1 << zoom)
        above = [each for each in self._zooms if each <= zoom]
        around = [self._key(zoom, x, y, depth) for depth in range(1, len(above) + 1)]
        deeper = self._zooms[len(above)] if len(above) < len(self._zooms) else None
        if (above and above[-1] == zoom) or deeper is None:
            return Wanted(own=tuple(around[:-1]), whole=(around[-1], _NONE))
        if 4 ** (deeper - zoom) <= GROUP:
            side = range(1 << (deeper - zoom))
            inside = [
                self._key(deeper, (x << (deeper - zoom)) + right, (y << (deeper - zoom)) + down, len(above) + 1)
                for down in side
                for right in side
            ]
            return Wanted(own=tuple(around), whole=(*inside, _NONE))
        return Wanted(own=tuple(around[:-1]), whole=(around[-1], _NONE)) if around else Wanted()

    def render(self, root: str) -> Mapping[Form, bytes]:
        """Return the form (TREE-42)."""
        names = {"z": "zoom", "x": "longitudeTile", "y": "latitudeTile"}
        variables = [Variable(name=name, property=f"{TREE}{term}") for name, term in names.items()]
        return render_form(root, f"{root}?z={{z}}&x={{x}}&y={{y}}", variables)

    def _read(self, name: str, text: str, count: int) -> int:
        if not _WHOLE.fullmatch(text) or int(text) >= count:
            shown = text if len(text) <= 60 else f"{text[:60]}…"
            raise Problem(400, f"{name}={shown} is not of its form", fix=f"write {name} as {self.forms[name]}")
        return int(text)

    def _key(self, zoom: int, x: int, y: int, depth: int) -> str:
        """Return the key of the bucket that is the view's tile at its zoom number `depth`, around or at a tile."""
        steps = [(each, zoom - each) for each in self._zooms[:depth]]
        return ".".join(f"{each}-{x >> above}-{y >> above}" for each, above in steps)
