"""Pure functions from a published member to the buckets it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ldes_server.definition import ByLatest, ByPrefix, ByProperty, ByTile, ByTime, Nested, Plain, read_definition
from ldes_server.fragmentations.by_prefix import by_prefix
from ldes_server.fragmentations.by_property import by_property
from ldes_server.fragmentations.by_tile import by_tile
from ldes_server.fragmentations.by_time import TimeFragmentation
from ldes_server.fragmentations.nested import NestedFragmentation
from ldes_server.model import Fragmentation
from streams.errors import ConfigError, Problem
from vocab.model import Model
from vocab.places import Place, places

__all__ = ["compile_view"]

# A new fragmentation is its definition, its function, and one line here.
_FRAGMENTATIONS: Mapping[type[Plain], Callable[[Any, Place], Fragmentation]] = {
    ByTime: TimeFragmentation,
    ByTile: by_tile,
    ByProperty: by_property,
    ByPrefix: by_prefix,
}


def compile_view(definition: str, model: Model) -> Fragmentation:
    """Compile the text of a view's definition (`ldes_server.definition`) for the members of a model.

    The result remembers windows, tiles and values, so keep it: compiling costs milliseconds.

    Raises:
        ConfigError: the text defines no view, or names what members of this model do not have.

    """
    try:
        view = read_definition(definition)
    except ValueError as error:
        raise _refuse(str(error), "declare the view anew in the stream file") from error
    if isinstance(view, ByLatest):
        raise _refuse("a view of newest versions divides nothing", "ask postgres_newest.py for its pages")
    return _compile(view, places(model), model)


def _compile(view: Plain | Nested, known: Mapping[str, Place], model: Model) -> Fragmentation:
    if isinstance(view, Nested):
        return NestedFragmentation(_compile(view.outer, known, model), _compile(view.inner, known, model), view)
    place = known.get(view.name)
    if place is None:
        what = f"members of model {model.name} have no {view.name!r}"
        raise _refuse(what, f"name one of {', '.join(sorted(known))} in the stream file")
    return _FRAGMENTATIONS[type(view)](view, place)


def _refuse(what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where="a view", what=what, fix=fix)], where="the views")
