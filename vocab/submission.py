"""Submission: an RDF document that somebody sends, read into the members it holds; offline, strict, nothing lost.

A member is a node of the model's target class, or what `tree:member` points at. It takes with it every node that hangs
below it. Quads come out as they came in, except that doubles get their canonical lexical form.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import rdflib
from pyld import jsonld
from rdflib import RDF, BNode, Dataset, Graph, Literal, Namespace, URIRef
from rdflib.graph import DATASET_DEFAULT_GRAPH_ID
from rdflib.term import Node

from vocab.check import Finding, findings
from vocab.compact import Compactor
from vocab.context import read_names
from vocab.errors import MemberError
from vocab.lexical import canonical_double, is_absolute
from vocab.literals import fault_of
from vocab.model import Kind, Model
from vocab.terms import SH, TREE, XSD_DOUBLE

# The media types taken, and the name of each syntax; JSON-LD becomes N-Quads first.
SYNTAXES: Mapping[str, str] = {
    "text/turtle": "turtle",
    "application/trig": "trig",
    "application/n-triples": "nt",
    "application/n-quads": "nquads",
    "application/ld+json": "json-ld",
}
# Where relative addresses land, so that they can be told from absolute ones; `.invalid` is nobody's (RFC 2606).
_NOWHERE = "http://relative.invalid/"
# What is read within the patience of a reverse proxy.
MOST_MEMBERS = 10_000
# Members validated at once: most of the work of a validation is the same for one as for many.
_CHUNK = 250
_MEMBER = URIRef(f"{TREE}member")
_OURS = frozenset({"generatedAtTime", "sequence"})
_spelling = threading.Lock()

# URL -> the document, for the contexts that JSON-LD names by address.
Loader = Callable[[str], Mapping[str, Any]]


class DocumentError(ValueError):
    """The document as a whole cannot be read; the message says what is wrong, `fix` how to mend it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.fix = fix

    def __str__(self) -> str:
        return str(self.args[0])


class MissingContextError(DocumentError):
    """The document names a JSON-LD context by an address, `url`, that is not at hand."""

    def __init__(self, url: str, fix: str) -> None:
        super().__init__(url, fix)
        self.url = url

    def __str__(self) -> str:
        return f"its @context {self.url[:200]!r} is not at hand"


class TooManyError(DocumentError):
    """The document has more members than are taken at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a document says is a member: `iri` as the sender named it.

    Either `body` is its JSON-LD in the model's own context, or `faults` say why there is none. `entity` is what it is
    a version or an observation of, `observed_at` the lexical form of its time, `wkt` its place where it has one.
    A state object (`is_state`) has no version yet: its `@id` is the entity, and it does not say what it is a version of.
    """

    iri: str
    body: bytes = b""
    entity: str = ""
    observed_at: str = ""
    wkt: str | None = None
    is_state: bool = False
    faults: tuple[str, ...] = ()


def read_submission(document: bytes, media: str, model: Model, *, load: Loader) -> list[Candidate]:
    """Read a document of a media type of `SYNTAXES` into members, each one checked as far as it is a member at all.

    Raises:
        DocumentError: it cannot be parsed, names a context that is not at hand, has named graphs, or
            more than `MOST_MEMBERS` members (`TooManyError`).

    """
    reading = _Reading(model, _parse(document, media, load))
    if reading.count > MOST_MEMBERS:
        raise TooManyError(
            f"it has {reading.count:,} members; {MOST_MEMBERS:,} are the most at once", fix="send several documents"
        )
    return list(reading.candidates())


def validate(model: Model, bodies: Iterable[tuple[str, bytes]]) -> dict[str, list[Finding]]:
    """Validate bodies, each behind the IRI of its member, against the model's shape; findings per IRI, none: it conforms."""
    found: dict[str, list[Finding]] = {}
    pairs = list(bodies)
    for start in range(0, len(pairs), _CHUNK):
        _validate(model, pairs[start : start + _CHUNK], found)
    return found


def _validate(model: Model, pairs: list[tuple[str, bytes]], found: dict[str, list[Finding]]) -> None:
    """Halve what does not conform until each finding stands beside its member; whatever node it is about."""
    written = [model.writer.ntriples(body, scope=f"m{number}") for number, (_, body) in enumerate(pairs)]
    faults = findings(model.shape.turtle, b"".join(written))
    if faults and len(pairs) == 1:
        found[pairs[0][0]] = faults
    elif faults:
        _validate(model, pairs[: len(pairs) // 2], found)
        _validate(model, pairs[len(pairs) // 2 :], found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Where a model's members say what every member says; found in the template."""

    target: URIRef
    entity: str
    observed_at: str
    point: tuple[str, ...]
    compactor: Compactor


def _keys(model: Model) -> _Keys:
    iris = (name for name, field in model.fields.items() if field.required and field.kind is Kind.IRI)
    return _found(model.context, orjson.dumps(model.template), model.shape.turtle, next(iris, ""))


@lru_cache(maxsize=64)
def _found(context: bytes, template: bytes, shape: str, subject: str) -> _Keys:
    """Find the keys; where a template has no entity, what it always refers to, `subject`, is what it is about."""
    members = orjson.loads(template)
    (target,) = Graph().parse(data=shape, format="turtle").objects(None, Namespace(SH).targetClass)
    assert isinstance(target, URIRef), shape
    about = [*_where(members, "{entity}"), *_where(members, f"{{{subject}}}")]
    return _Keys(
        target=target,
        entity=about[0][0],
        observed_at=next(_where(members, "{observed_at}"))[0],
        point=next(_where(members, "{point}"), ()),
        compactor=Compactor(read_names(orjson.loads(context))),
    )


def _where(template: Mapping[str, Any], slot: str) -> Iterator[tuple[str, ...]]:
    """Yield the ways to a slot, those near the top first."""
    inner = []
    for key, value in template.items():
        if value == slot:
            yield (key,)
        elif isinstance(value, dict):
            inner.append((key, value))
    for key, value in inner:
        for way in _where(value, slot):
            yield (key, *way)


class _Reading:
    """One document being read."""

    def __init__(self, model: Model, graph: Graph) -> None:
        self._model = model
        self._graph = graph
        self._keys = _keys(model)
        named = sorted(set(graph.objects(None, _MEMBER)), key=str)
        typed = sorted(set(graph.subjects(RDF.type, self._keys.target)), key=str)
        self._members: list[Node] = named or typed
        self.count = len(self._members)
        self._below: dict[Node, set[Node]] = {node: self._closure(node) for node in self._members}

    def candidates(self) -> Iterator[Candidate]:
        """Yield every member, then what belongs to none."""
        users: dict[Node, int] = {}
        for nodes in self._below.values():
            for node in nodes:
                users[node] = users.get(node, 0) + 1
        shared: set[Node] = {node for node, count in users.items() if count > 1 and isinstance(node, BNode)}
        for node in self._members:
            yield self._candidate(node, shared)
        for subject in sorted(set(self._graph.subjects()), key=str):
            if subject not in users and (subject, _MEMBER, None) not in self._graph:
                name = str(subject) if isinstance(subject, URIRef) else "[]"
                fix = f"give it the type <{self._keys.target}>, or hang it below a member"
                yield Candidate(iri=name, faults=(f"belongs to no member: {fix}",))

    def _closure(self, member: Node) -> set[Node]:
        found, waiting = {member}, [member]
        while waiting:
            for value in self._graph.objects(waiting.pop()):
                known = value in found or value in self._members or isinstance(value, Literal)
                if not known and (value, None, None) in self._graph:
                    found.add(value)
                    waiting.append(value)
        return found

    def _candidate(self, node: Node, shared: set[Node]) -> Candidate:
        if not isinstance(node, URIRef):
            return Candidate(iri="[]", faults=("a member needs an IRI of its own: a blank node cannot be one",))
        faults = list(self._faults(self._below[node]))
        if not self._below[node].isdisjoint(shared):
            faults.append("shares a blank node with another member: say it in each of them, or give it an IRI")
        if (node, None, None) not in self._graph:
            faults.append("has no statements")
        if faults:
            return Candidate(iri=str(node), faults=tuple(faults))
        try:
            return self._made(node)
        except MemberError as error:
            return Candidate(iri=str(node), faults=(str(error),))

    def _faults(self, nodes: set[Node]) -> Iterator[str]:
        for node in sorted(nodes, key=str):
            for predicate, value in sorted(self._graph.predicate_objects(node), key=str):
                for term in (node, predicate, value):
                    if isinstance(term, URIRef) and (term.startswith(_NOWHERE) or not is_absolute(term)):
                        yield f"<{term.removeprefix(_NOWHERE)}> is no absolute IRI"
                if isinstance(value, Literal) and (fault := fault_of(str(value), str(value.datatype))):
                    yield f"<{predicate}>: {fault}"

    def _made(self, node: URIRef) -> Candidate:
        keys = self._keys
        body = keys.compactor.member(self._graph, node, apart=self._members)
        if present := _OURS & body.keys():
            raise MemberError(
                f"{' and '.join(sorted(present))} is what the server says when it publishes: leave it out"
            )
        entity, observed = body.get(keys.entity), body.get(keys.observed_at)
        is_state = self._model.versioned and entity is None
        if not isinstance(observed, str):
            raise MemberError(f"needs exactly one {keys.observed_at}")
        if not is_state and not isinstance(entity, str):
            raise MemberError(f"needs exactly one {keys.entity}")
        packed = orjson.dumps(body)
        self._check_exact(node, packed)
        wkt: Any = body
        for key in keys.point:
            wkt = wkt.get(key) if isinstance(wkt, dict) else None
        return Candidate(
            iri=str(node),
            body=packed,
            entity=str(node) if is_state else str(entity),
            observed_at=observed,
            wkt=wkt if isinstance(wkt, str) else None,
            is_state=is_state,
        )

    def _check_exact(self, node: URIRef, body: bytes) -> None:
        """Make sure that the member says what was sent: as many statements, and those without blank nodes the same."""
        sent = {(s, p, o) for each in self._below[node] for s, p, o in self._graph.triples((each, None, None))}
        with _as_written():
            said = set(Graph().parse(data=self._model.writer.ntriples(body, scope="m"), format="nt"))
        if len(sent) != len(said) or _ground(sent) != _ground(said):
            odd = min((" ".join(term.n3() for term in triple) for triple in _ground(sent) ^ _ground(said)), default="")
            raise MemberError(f"the model's context cannot say this exactly: {odd}")


def state_to_version(body: bytes, iri: str, *, model: Model) -> bytes:
    """Make a version object of a state object: its IRI becomes what the version is a version of."""
    keys = _keys(model)
    state = orjson.loads(body)
    entity = state.pop("@id")
    head = {"@id": iri, **({"@type": state.pop("@type")} if "@type" in state else {}), keys.entity: entity}
    return orjson.dumps({**head, **state})


def _ground(triples: Iterable[Any]) -> set[Any]:
    return {triple for triple in triples if not any(isinstance(term, BNode) for term in triple)}


@contextmanager
def _as_written() -> Iterator[None]:
    """Keep literals as they are spelled: rdflib would write times and numbers anew, and others would be published."""
    with _spelling:
        before, rdflib.NORMALIZE_LITERALS = rdflib.NORMALIZE_LITERALS, False
        try:
            with warnings.catch_warnings():
                # Of its own parsers: they use names that the library itself calls outdated.
                warnings.simplefilter("ignore", DeprecationWarning)
                yield
        finally:
            rdflib.NORMALIZE_LITERALS = before


def _parse(document: bytes, media: str, load: Loader) -> Graph:
    syntax, text = SYNTAXES[media], document
    if syntax == "json-ld":
        syntax, text = "nquads", _quads(document, load)
    data: Graph = Graph() if syntax in ("turtle", "nt") else Dataset()
    try:
        with _as_written():
            data.parse(data=text.decode("utf-8-sig"), format=syntax, publicID=_NOWHERE)
    except Exception as error:  # parsers raise whatever they stumble over
        what = f"{type(error).__name__}: {error}".split("\n^", 1)[0][:500]
        raise DocumentError(f"not readable as {media}: {what}", fix="mend it there, and send it again") from error
    graph = Graph()
    for subject, predicate, value in _default(data):
        graph.add((subject, predicate, _canonical(value)))
    return graph


def _default(data: Graph) -> Iterator[tuple[Node, Node, Node]]:
    """Yield the statements of the default graph, and refuse others."""
    if not isinstance(data, Dataset):
        yield from data
        return
    for subject, predicate, value, name in data.quads():
        if name not in (None, DATASET_DEFAULT_GRAPH_ID, URIRef(_NOWHERE)):
            raise DocumentError(
                f"has statements in named graphs, such as <{name}>",
                fix="members are published in the default graph: send their statements there",
            )
        yield subject, predicate, value


def _canonical(value: Node) -> Node:
    """Write a double as JSON-LD writes it: numbers in JSON have no spelling of their own."""
    if isinstance(value, Literal) and str(value.datatype) == XSD_DOUBLE and fault_of(str(value), XSD_DOUBLE) is None:
        return Literal(canonical_double(float(value)), datatype=value.datatype, normalize=False)
    return value


def _quads(document: bytes, load: Loader) -> bytes:
    def loader(url: str, _options: object = None) -> dict[str, Any]:
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": load(url)}

    try:
        parsed = orjson.loads(document)
        options = {"documentLoader": loader, "base": _NOWHERE, "format": "application/n-quads"}
        return str(jsonld.to_rdf(parsed, options)).encode()
    except jsonld.JsonLdError as error:
        first = _first_cause(error)
        if isinstance(first, DocumentError):
            raise first from error
        raise DocumentError(f"not readable as JSON-LD: {first}"[:500], fix="mend it there") from error
    except (orjson.JSONDecodeError, RecursionError, AttributeError, TypeError) as error:
        raise DocumentError(f"no JSON: {error}", fix="send one JSON-LD document") from error


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
