"""The context of a stream and of a view (CLI-17): paths, polling, retention, and which paths have one value at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from pyoxigraph import Literal, NamedNode

from testbed.client.graph import Dataset, Term
from testbed.client.hypermedia import Relation
from testbed.client.moments import parse_duration
from testbed.client.paths import Path, Step, read_path
from testbed.client.retention import Policy, read_policies
from testbed.client.terms import LDES, SH, TREE, Kind

# Paths of the stream that a member has exactly one value at (LDES-30, LDES-41).
_FUNCTIONAL = ("timestampPath", "sequencePath", "versionOfPath", "versionTimestampPath", "versionSequencePath")
# Shapes within shapes; a shape that refers to itself ends here.
_DEEPEST = 8
_MOST_CONSTRAINTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the root says of its stream and view; the names of the paths are those of the vocabulary."""

    stream: str
    root: str
    paths: dict[str, Path] = field(default_factory=dict)
    polling: timedelta | None = None
    policies: tuple[Policy, ...] = ()
    # Paths of the shape at which a member has one value at most.
    single: frozenset[Path] = frozenset()
    # Where members have their place, if relations of the root say so.
    place: Path | None = None
    # What ends a transaction, if it is not the boolean true.
    finaliser: Term | None = None
    notes: tuple[str, ...] = ()

    @property
    def timestamp(self) -> Path | None:
        """The path of the order of publication."""
        return self.paths.get("timestampPath")

    @property
    def sequence(self) -> Path | None:
        """The path that orders equal timestamps, or everything where there is no timestamp."""
        return self.paths.get("sequencePath")

    def one_value(self, path: Path) -> bool:
        """Say whether a member is known to have one value at most at this path, so that pruning loses nothing (G4)."""
        return path in self.single or any(self.paths.get(name) == path for name in _FUNCTIONAL)


def describe(data: Dataset, stream: str, root: str, relations: tuple[Relation, ...]) -> Description:
    """Read the description of a stream from the page of a root."""
    this = NamedNode(stream)
    names = {
        quad.predicate.value.removeprefix(LDES)
        for quad in data.statements(this)
        if quad.predicate.value.startswith(LDES) and quad.predicate.value.endswith("Path")
    }
    notes: list[str] = []
    paths = {}
    for name in sorted(names):
        found = [read_path(data, node) for node in data.objects(this, LDES + name)]
        if len(found) == 1 and found[0] is not None:
            paths[name] = found[0]
        else:
            notes.append(f"ldes:{name} of {stream} is not one well-formed path, so it is not used (LDES-03, LDES-04)")
    polling, said = _polling(data, this)
    policies, unread = read_policies(data, root)
    shapes = data.objects(this, TREE + "shape")
    return Description(
        stream=stream,
        root=root,
        paths=paths,
        polling=polling,
        policies=policies,
        single=frozenset(path for shape in shapes for path in _Shapes(data).single(shape)),
        place=next((it.path for it in relations if it.kind is Kind.WITHIN), None),
        finaliser=next(iter(data.objects(this, LDES + "transactionFinalizedObject")), None),
        notes=(*notes, *said, *unread),
    )


def _polling(data: Dataset, stream: NamedNode) -> tuple[timedelta | None, list[str]]:
    text = next((it.value for it in data.objects(stream, LDES + "pollingInterval") if isinstance(it, Literal)), None)
    if text is None:
        return None, []
    if text.strip().isascii() and text.strip().isdigit() and len(text) < 10:
        return timedelta(seconds=int(text)), []
    try:
        # Feeds in the wild write a duration here.
        return max(parse_duration(text), timedelta()), [f"ldes:pollingInterval is a duration, not seconds: {text}"]
    except ValueError:
        return None, [f"ldes:pollingInterval is no number of seconds: {text}"]


class _Shapes:
    """Finds the paths at which shapes allow one value; looks at a bounded number of constraints, whoever refers to whom."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._left = _MOST_CONSTRAINTS

    def single(self, shape: Term, depth: int = 0) -> set[Path]:
        """Return the paths of a shape at which it allows one value at most, also through the shapes of values."""
        found: set[Path] = set()
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            return found
        for constraint in self._data.objects(shape, SH + "property"):
            read = [read_path(self._data, node) for node in self._data.objects(constraint, SH + "path")]
            if len(read) != 1 or read[0] is None or not _at_most_one(self._data, constraint):
                continue
            path = read[0]
            found.add(path)
            inner = self.single(constraint, depth + 1)
            found |= {join(path, below) for below in inner}
        for node in self._data.objects(shape, SH + "node"):
            found |= self.single(node, depth + 1)
        return found


def join(first: Path, then: Path) -> Path:
    """Return one path after another, flat, so that it equals the same path written as one list."""
    parts = [part for path in (first, then) for part in (path.parts if path.step is Step.SEQUENCE else (path,))]
    return Path(step=Step.SEQUENCE, parts=tuple(parts))


def _at_most_one(data: Dataset, constraint: Term) -> bool:
    counts = data.objects(constraint, SH + "maxCount")
    return any(isinstance(it, Literal) and it.value.strip().lstrip("+0") in ("", "1") for it in counts)
