"""Declaration: one `*.stream.yaml` file that says how a stream is published, above all its views."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ldes_server.definition import (
    LATENESS,
    LEVELS,
    ByLatest,
    ByPrefix,
    ByProperty,
    ByTile,
    ByTime,
    Nested,
    Plain,
    ViewDefinition,
)
from ldes_server.retention import Retention
from ldes_server.retention_file import read_retention_key
from streams.errors import ConfigError
from streams.yaml_lines import Faults, Node, check_keys, duration_of, line_of, read_file, suggest, text_of
from vocab.model import Kind, Model
from vocab.places import places

SUFFIX = ".stream.yaml"
KEYS = ("stream", "retention", "versions", "views")
VERSIONS = ("operations", "transactions")
# Addresses below a stream that are ours; a view cannot have their names.
RESERVED = frozenset({"log", "latest", "live", "members", "entities"})
# What each kind of view takes besides `then`, and the kinds of names it divides by.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "by_time": ("levels", "lateness"),
    "by_tile": ("zooms",),
    "by_property": (),
    "by_prefix": ("length",),
    "by_latest": (),
}
NAMES: Mapping[str, tuple[Kind, ...]] = {
    "by_time": (Kind.DATETIME,),
    "by_tile": (Kind.POINT,),
    "by_property": (Kind.IRI, Kind.CODE, Kind.STRING, Kind.INTEGER, Kind.DOUBLE, Kind.BOOLEAN),
    "by_prefix": (Kind.TEXT, Kind.STRING),
    "by_latest": (),
}
# The kind that does not divide: it can neither be divided again nor divide what another one divided.
WHOLE = "by_latest"
# A tile of zoom 20 is some 24 m wide here; polygons have six decimals, 10 cm.
DEEPEST_ZOOM = 20
LONGEST_PREFIX = 8
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def fitting(kind: str, model: Model) -> tuple[str, ...]:
    """Return the names of a model that a kind of view takes; of observations, which nothing replaces, none is newest."""
    if kind == WHOLE:
        return ("entity",) if model.versioned else ()
    return tuple(name for name, place in places(model).items() if place.kind in NAMES[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One stream file, read and checked; `views` by name, in the order of the file.

    `retention` is what the stream keeps, None everything; `view_retention` has the views that keep something else.
    `operations` and `transactions` say whether members may say what they do to their entity, and what they belong
    together with; None leaves it to the sources.
    """

    stream: str
    file: str
    operations: bool | None = None
    transactions: bool | None = None
    views: Mapping[str, ViewDefinition] = field(default_factory=dict)
    retention: Retention | None = None
    view_retention: Mapping[str, Retention | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What the views of one file are checked against; without a model (an unknown stream) names are not."""

    model: Model | None
    faults: Faults


def declared_stream(path: Path) -> str:
    """Return the name of the stream that a stream file is about; empty when it says none.

    Raises:
        ConfigError: the file cannot be read at all.

    """
    root, faults = read_file(path)
    return text_of(root.get("stream"), faults, where="stream", line=root.line)


def load_declaration(path: Path, models: Mapping[str, Model]) -> Declaration:
    """Read a stream file and check it against the model of its stream; `models` are those of all streams, by name.

    Raises:
        ConfigError: with every fault of the file, each with its line and how to mend it.

    """
    root, faults = read_file(path)
    check_keys(root, KEYS, faults, where="the file")
    stream = text_of(root.get("stream"), faults, where="stream", line=root.line, required=True)
    if stream and stream not in models:
        faults.add((root.get("stream") or root).line, f"no source feeds stream {stream!r}", suggest(stream, models))
    scope = _Scope(model=models.get(stream), faults=faults)
    declaration = Declaration(
        stream=stream,
        file=path.name,
        views=_views(root.get("views"), scope),
        retention=_retention(root.get("retention"), scope, where="the stream"),
        view_retention=_view_retention(root.get("views"), scope),
        **_versions(root.get("versions"), scope),
    )
    if faults.problems:
        raise ConfigError(sorted(faults.problems, key=line_of), where=str(path))
    return declaration


def _retention(node: Node | None, scope: _Scope, *, where: str) -> Retention | None:
    versioned = scope.model is None or scope.model.versioned
    return read_retention_key(node, scope.faults, where=where, versioned=versioned)


def _view_retention(views: Node | None, scope: _Scope) -> dict[str, Retention | None]:
    found = views.items() if views is not None else ()
    own = {name: value for name, view in found if (value := view.get("retention")) is not None}
    return {name: _retention(value, scope, where=f"view {name}") for name, value in own.items()}


def _versions(node: Node | None, scope: _Scope) -> dict[str, bool]:
    if node is None or not check_keys(node, VERSIONS, scope.faults, where="versions"):
        return {}
    said: dict[str, bool] = {}
    for key, value in node.items():
        if key not in VERSIONS:
            continue  # told already
        if not isinstance(value.value, bool):
            scope.faults.add(value.line, f"{key} is {value.described}", f"write {key}: true or false")
        said[key] = value.value is True
    if said.get("operations") and scope.model is not None and not scope.model.versioned:
        what = f"members of model {scope.model.name} are observations, no versions of a thing: nothing deletes them"
        scope.faults.add(node.line, what, "remove `operations`")
    return said


def _views(node: Node | None, scope: _Scope) -> dict[str, ViewDefinition]:
    if node is None:
        return {}
    if not node.is_mapping:
        scope.faults.add(node.line, f"views must be a mapping, not {node.described}", "write `name: { by_…: … }` lines")
    found: dict[str, ViewDefinition] = {}
    for name, value in node.items():
        if not _NAME.fullmatch(name):
            scope.faults.add(value.line, f"view {name!r} is no name", "use letters, digits and hyphens: by-hour")
        elif name in RESERVED:
            scope.faults.add(value.line, f"a view cannot be named {name!r}: that address is taken", "rename it")
        view = _view(value, scope, where=f"view {name}")
        if view is not None:
            found[name] = view
    return found


def _view(node: Node, scope: _Scope, *, where: str) -> ViewDefinition | None:
    then = node.get("then")
    if node.get(WHOLE) is not None and (then is not None or len(list(node.items())) > 1):
        scope.faults.add(node.line, f"{where} has more than {WHOLE}", f"write {{ {WHOLE}: entity }} and nothing else")
        return None
    outer = _plain(node, scope, where=where, more=("then", "retention"))
    if then is None or not node.is_mapping:
        return outer
    if then.get("then") is not None:
        scope.faults.add(then.line, f"{where} is nested twice", "views may be nested one level: keep one `then`")
        return None
    inner = _plain(then, scope, where=f"then of {where}", more=("then",))
    if isinstance(inner, ByLatest):
        scope.faults.add(then.line, f"{WHOLE} inside {where}", f"give {WHOLE} a view of its own")
        return None
    return None if outer is None or inner is None or isinstance(outer, ByLatest) else Nested(outer=outer, inner=inner)


def _plain(node: Node, scope: _Scope, *, where: str, more: tuple[str, ...]) -> Plain | ByLatest | None:
    kinds = [kind for kind in OPTIONS if node.get(kind) is not None]
    if len(kinds) != 1 and node.is_mapping:
        unknown = [key for key, _ in node.items() if key.startswith("by") and key not in OPTIONS]
        what = f"{where} is divided in two ways: {' and '.join(kinds)}" if kinds else f"{where} has no kind"
        fix = suggest(unknown[0], OPTIONS) if unknown and not kinds else f"give exactly one of {', '.join(OPTIONS)}"
        scope.faults.add(node.line, what, fix)
        return None
    known = (*kinds, *(OPTIONS[kinds[0]] if kinds else ()), *more)
    if not check_keys(node, known, scope.faults, where=where):
        return None
    kind = kinds[0]
    name = text_of(node.get(kind), scope.faults, where=kind, line=node.line, required=True)
    if name and scope.model is not None:
        _check_name(node.get(kind) or node, name, kind, scope)
    return _READERS[kind](node, name, scope.faults)


def _check_name(node: Node, name: str, kind: str, scope: _Scope) -> None:
    assert scope.model is not None
    known, names = places(scope.model), fitting(kind, scope.model)
    add, model = scope.faults.add, scope.model.name
    if kind == WHOLE and name not in names:
        what = f"members of model {model} are observations, no versions: none is newer than another"
        what = f"{kind} takes entity, not {name!r}" if names else what
        add(node.line, what, f"write {kind}: entity" if names else "read /latest, or remove the view")
    elif name not in known and (name in scope.model.fields or name in ("entity", "point")):
        add(node.line, f"members of model {model} do not say {name!r} in a property of its own", _choose(names))
    elif name not in known:
        add(node.line, f"unknown name {name!r} in model {model}", suggest(name, names))
    elif name not in names:
        own = known[name].kind
        others = [each for each, kinds in NAMES.items() if own in kinds]
        what = f"{kind} does not fit {name!r}, which is {own.value}"
        add(node.line, what, f"write {others[0]}: {name}" if others else _choose(names))


def _choose(names: Iterable[str]) -> str:
    return f"choose one of {', '.join(sorted(names)) or 'the other kinds of views: no name fits this one'}"


def _by_time(node: Node, name: str, faults: Faults) -> ByTime:
    levels = node.get("levels")
    if levels is None:
        faults.add(node.line, "levels is missing", "add levels: [year, month, day]")
    words = [level.text for level in levels.elements()] if levels is not None else []
    for word in words:
        if word not in LEVELS:
            faults.add(levels.line if levels else node.line, f"unknown level {word!r}", suggest(word, LEVELS))
    wanted = [level for level in LEVELS if level in words]
    if levels is not None and set(words) <= set(LEVELS) and (words != wanted or not words):
        fix = f"write levels: [{', '.join(wanted) or 'year, month, day'}]"
        faults.add(levels.line, "levels go from coarse to fine, each once, at least one", fix)
    lateness = duration_of(node.get("lateness"), faults, LATENESS)
    return ByTime(name=name, levels=tuple(wanted), lateness=lateness)


def _by_tile(node: Node, name: str, faults: Faults) -> ByTile:
    zooms = node.get("zooms")
    if zooms is None:
        faults.add(node.line, "zooms is missing", "add zooms: [8, 11, 14]")
    found = [_whole(zoom, faults, "zoom", least=0, most=DEEPEST_ZOOM) for zoom in zooms.elements()] if zooms else []
    wanted = sorted({zoom for zoom in found if zoom is not None})
    if zooms is not None and None not in found and (found != wanted or not found):
        fix = f"write zooms: [{', '.join(map(str, wanted)) or '8, 11, 14'}]"
        faults.add(zooms.line, "zooms go up, each once, at least one", fix)
    return ByTile(name=name, zooms=tuple(wanted))


def _by_property(node: Node, name: str, faults: Faults) -> ByProperty:
    del node, faults  # it takes no options
    return ByProperty(name=name)


def _by_prefix(node: Node, name: str, faults: Faults) -> ByPrefix:
    length = node.get("length")
    if length is None:
        faults.add(node.line, "length is missing", "add length: 2")
        return ByPrefix(name=name, length=1)
    return ByPrefix(name=name, length=_whole(length, faults, "length", least=1, most=LONGEST_PREFIX) or 1)


def _by_latest(node: Node, name: str, faults: Faults) -> ByLatest:
    del node, name, faults  # it is about entities
    return ByLatest()


def _whole(node: Node, faults: Faults, what: str, *, least: int, most: int) -> int | None:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= most:
        faults.add(node.line, f"{what} {node.described} is not right", f"a whole number from {least} to {most}")
        return None
    return node.value


_READERS: Mapping[str, Callable[[Node, str, Faults], Plain | ByLatest]] = {
    "by_time": _by_time,
    "by_tile": _by_tile,
    "by_property": _by_property,
    "by_prefix": _by_prefix,
    "by_latest": _by_latest,
}
