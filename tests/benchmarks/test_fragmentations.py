"""What placing a member in a view costs, as ratios to parsing its body, which the writer does once for all views."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import orjson
import pytest

from ldes_server.definition import (
    ByPrefix,
    ByProperty,
    ByTile,
    ByTime,
    Nested,
    ViewDefinition,
    definition_text,
)
from ldes_server.fragmentations import compile_view
from ldes_server.model import Published
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

_NUMBER = 18000
# More than a view remembers, so every one of them is made anew.
_MANY = 18000
_HOURS = ByTime(name="observed_at", levels=("year", "month", "day", "hour"))
_VIEWS: dict[str, ViewDefinition] = {
    "by_time, hours": _HOURS,
    "by_property, an IRI": ByProperty(name="entity"),
    "by_property, a text two steps down": ByProperty(name="operator"),
    "by_tile, three zooms": ByTile(name="point", zooms=(8, 11, 14)),
    "by_prefix, two characters": ByPrefix(name="name", length=2),
    "by_property then by_time": Nested(outer=ByProperty(name="entity"), inner=_HOURS),
}


def _microseconds(function: Callable[[], object]) -> float:
    function()
    return min(timeit.repeat(function, timer=time.process_time, number=_NUMBER, repeat=3)) / _NUMBER * 1e6


def _variants(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Make members of which no two share an hour, an entity, an operator, a place or a name."""
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return [
        {
            **body,
            "observedAt": f"{start + timedelta(hours=number):%Y-%m-%dT%H:%M:%S}.000Z",
            "isVersionOf": f"{body['isVersionOf']}/{number}",
            "operator": {"@type": "Agent", "label": f"operator {number}"},
            "geometry": {"@type": "Point", "wkt": f"POINT ({3 + number / _MANY:.6f} 51.0489)"},
            "name": {"nl": f"{number:05d}"},
        }
        for number in range(_MANY)
    ]


def test_cost_of_placing_a_member() -> None:
    """A value the view remembers must be placed where a new compilation places it; the cost of both is printed."""
    model = load_model("parking")
    body = {key: value for key, value in orjson.loads(model.example).items() if key != "@context"}
    text = orjson.dumps(body)
    # Early enough that no window is closed.
    at = datetime(1999, 1, 1, tzinfo=UTC)
    member = Published(sequence=0, published_at=at, id="m", entity="e", observed_at=at, point=None, body=text)
    parsing = _microseconds(lambda: orjson.loads(text))
    print(f"\norjson.loads of the body ({len(text)} B)  {parsing:6.2f} us")
    for name, view in _VIEWS.items():
        used = compile_view(definition_text(view), model)
        bodies = cycle(_variants(body))
        new = _microseconds(lambda used=used, bodies=bodies: used.trails(member, next(bodies)))  # type: ignore[misc]
        same = _microseconds(lambda used=used: used.trails(member, body))  # type: ignore[misc]
        assert used.trails(member, body) == compile_view(definition_text(view), model).trails(member, body)
        print(
            f"  {name:36} remembered {same:6.2f} us ({same / parsing:5.2f} of parsing, {1e6 / same:9,.0f}/s)   "
            f"new {new:6.2f} us ({new / parsing:5.2f})"
        )
