"""Submission: an RDF document that somebody sends, read into the members it holds; offline, strict, nothing lost.

A member is a node of the model's target class, or what `tree:member` points at. It takes with it every node that hangs
below it. Quads come out as they came in, except that doubles get their canonical lexical form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pyld import jsonld
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, RdfFormat, parse
from rdflib import Graph as Rules
from rdflib import Namespace, URIRef

from vocab.check import findings_by_owner
from vocab.compact import Compactor, Graph, Node
from vocab.context import read_names
from vocab.errors import DocumentError, Finding, MemberError, TooManyError
from vocab.lexical import canonical_double
from vocab.literals import fault_of
from vocab.model import Kind, Model
from vocab.terms import RDF_TYPE, SH, TREE, XSD_DOUBLE
from vocab.versions import FINAL_KEY, TRANSACTION_KEY

# The media types taken; JSON-LD becomes N-Quads first, by the reference processor.
SYNTAXES: Mapping[str, RdfFormat] = {
    "text/turtle": RdfFormat.TURTLE,
    "application/trig": RdfFormat.TRIG,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/n-quads": RdfFormat.N_QUADS,
    "application/ld+json": RdfFormat.N_QUADS,
}
# Where relative addresses land, so that they can be told from absolute ones; `.invalid` is nobody's (RFC 2606).
_NOWHERE = "http://relative.invalid/"
# What is read within the patience of a reverse proxy.
MOST_MEMBERS = 10_000
# Fifty for each of as many members; read, they take some 400 MB, in the worst document of this size.
MOST_STATEMENTS = 500_000
# Keys and elements of a JSON-LD document, of which the processor makes more than ten times as much: some 400 MB.
MOST_VALUES = 300_000
# Nodes that belong to no member, told one by one.
MOST_ODD = 100
# The syntaxes that know relative addresses.
_RELATIVE = frozenset({"text/turtle", "application/trig"})
# Members validated at once: most of the work of a validation is the same for one as for many.
_CHUNK = 250
_MEMBER = f"{TREE}member"
_OURS = frozenset({"generatedAtTime", "sequence", TRANSACTION_KEY, FINAL_KEY})

# URL -> the document, for the contexts that JSON-LD names by address.
Loader = Callable[[str], Mapping[str, Any]]


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
    """Validate bodies, each behind its member's IRI, against the model's shape; what conforms is not in the answer."""
    found: dict[str, list[Finding]] = {}
    pairs = list(bodies)
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs[start : start + _CHUNK]
        written = {iri: model.writer.ntriples(body, scope=f"m{place}") for place, (iri, body) in enumerate(chunk)}
        found |= findings_by_owner(model.shape.turtle, written)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Where a model's members say what every member says; found in the template."""

    target: NamedNode
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
    (target,) = Rules().parse(data=shape, format="turtle").objects(None, Namespace(SH).targetClass)
    assert isinstance(target, URIRef), shape
    about = [*_where(members, "{entity}"), *_where(members, f"{{{subject}}}")]
    return _Keys(
        target=NamedNode(target),
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
        statements = [(node, predicate, value) for node, said in graph.items() for predicate, value in said]
        named = {value for _, predicate, value in statements if predicate == _MEMBER}
        target = (RDF_TYPE, self._keys.target)
        typed = {node for node, predicate, value in statements if (predicate, value) == target}
        # In order, and each known at once.
        self._members: dict[Node, None] = dict.fromkeys(sorted(named or typed, key=str))
        self._below: dict[Node, set[Node]] = {}

    @property
    def count(self) -> int:
        """How many members there are."""
        return len(self._members)

    def candidates(self) -> Iterator[Candidate]:
        """Yield every member, then what belongs to none."""
        self._below = {node: self._closure(node) for node in self._members}
        users: dict[Node, int] = {}
        for nodes in self._below.values():
            for node in nodes:
                users[node] = users.get(node, 0) + 1
        shared: set[Node] = {node for node, count in users.items() if count > 1 and isinstance(node, BlankNode)}
        for node in self._members:
            yield self._candidate(node, shared)
        odd = sorted((node for node in self._graph if node not in users and not self._names_members(node)), key=str)
        fix = f"give it the type {self._keys.target}, or hang it below a member"
        for node in odd[:MOST_ODD]:
            name = node.value if isinstance(node, NamedNode) else "[]"
            yield Candidate(iri=name.removeprefix(_NOWHERE), faults=(f"belongs to no member: {fix}",))
        if odd[MOST_ODD:]:
            yield Candidate(iri="[]", faults=(f"{len(odd) - MOST_ODD:,} more nodes belong to no member: {fix}",))

    def _names_members(self, node: Node) -> bool:
        return any(predicate == _MEMBER for predicate, _ in self._graph[node])

    def _closure(self, member: Node) -> set[Node]:
        found, waiting = {member}, [member]
        while waiting:
            for _, value in self._graph.get(waiting.pop(), ()):
                if value in self._graph and value not in found and value not in self._members:
                    found.add(value)
                    waiting.append(value)
        return found

    def _candidate(self, node: Node, shared: set[Node]) -> Candidate:
        if not isinstance(node, NamedNode):
            return Candidate(iri="[]", faults=("a member needs an IRI of its own: a blank node cannot be one",))
        faults = list(self._faults(self._below[node]))
        if not self._below[node].isdisjoint(shared):
            faults.append("shares a blank node with another member: say it in each of them, or give it an IRI")
        if node not in self._graph:
            faults.append("has no statements")
        if faults:
            return Candidate(iri=node.value, faults=tuple(faults))
        try:
            return self._made(node)
        except MemberError as error:
            return Candidate(iri=node.value, faults=(str(error),))

    def _faults(self, nodes: set[Node]) -> Iterator[str]:
        for node in sorted(nodes, key=str):
            for predicate, value in self._graph.get(node, ()):
                for iri in (each.value for each in (node, NamedNode(predicate), value) if isinstance(each, NamedNode)):
                    if iri.startswith(_NOWHERE):
                        yield f"<{iri.removeprefix(_NOWHERE)}> is no absolute IRI"
                if isinstance(value, Literal) and (fault := fault_of(value.value, value.datatype.value)):
                    yield f"<{predicate}>: {fault}"

    def _made(self, node: NamedNode) -> Candidate:
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
            iri=node.value,
            body=packed,
            entity=node.value if is_state else str(entity),
            observed_at=observed,
            wkt=wkt if isinstance(wkt, str) else None,
            is_state=is_state,
        )

    def _check_exact(self, node: NamedNode, body: bytes) -> None:
        """Make sure that the member says what was sent: as many statements, and those without blank nodes the same."""
        sent = [(each, *said) for each in self._below[node] for said in self._graph.get(each, ())]
        written = self._model.writer.ntriples(body, scope="m")
        said = [
            (each.subject, each.predicate.value, each.object) for each in parse(written, format=RdfFormat.N_TRIPLES)
        ]
        odd = _ground(sent) ^ _ground(said)
        if odd or len(sent) != len(said):
            shown = min((f"{subject} <{predicate}> {value}" for subject, predicate, value in odd), default="")
            raise MemberError(f"the model's context cannot say this exactly: {shown}")


def state_to_version(body: bytes, iri: str, *, model: Model) -> bytes:
    """Make a version object of a state object: its IRI becomes what the version is a version of."""
    keys = _keys(model)
    state = orjson.loads(body)
    entity = state.pop("@id")
    head = {"@id": iri, **({"@type": state.pop("@type")} if "@type" in state else {}), keys.entity: entity}
    return orjson.dumps({**head, **state})


def _ground(triples: Iterable[Any]) -> set[Any]:
    return {triple for triple in triples if not any(isinstance(term, BlankNode) for term in triple)}


def _parse(document: bytes, media: str, load: Loader) -> Graph:
    text = _quads(document, load) if media == "application/ld+json" else document
    graph: dict[Node, dict[tuple[str, Any], None]] = {}
    quads = parse(text, format=SYNTAXES[media], base_iri=_NOWHERE if media in _RELATIVE else None)
    try:
        for number, quad in enumerate(quads):
            if number >= MOST_STATEMENTS:
                raise TooManyError(f"it has more than {MOST_STATEMENTS:,} statements", fix="send several documents")
            if not isinstance(quad.graph_name, DefaultGraph):
                raise DocumentError(
                    f"has statements in named graphs, such as {quad.graph_name}",
                    fix="members are published in the default graph: send their statements there",
                )
            # Said twice is said once.
            graph.setdefault(quad.subject, {})[quad.predicate.value, _canonical(quad.object)] = None
    except SyntaxError as error:
        raise DocumentError(
            f"not readable as {media}: {error}"[:500], fix="mend it there, and send it again"
        ) from error
    return {node: tuple(said) for node, said in graph.items()}


def _canonical(value: Any) -> Any:
    """Write a double as JSON-LD writes it: numbers in JSON have no spelling of their own."""
    if not isinstance(value, Literal) or value.datatype.value != XSD_DOUBLE or fault_of(value.value, XSD_DOUBLE):
        return value
    return Literal(canonical_double(float(value.value)), datatype=value.datatype)


def _quads(document: bytes, load: Loader) -> bytes:
    def loader(url: str, _options: object = None) -> dict[str, Any]:
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": load(url)}

    try:
        parsed = orjson.loads(document)
        _refuse_large(parsed)
        options = {"documentLoader": loader, "base": _NOWHERE, "format": "application/n-quads"}
        return str(jsonld.to_rdf(parsed, options)).encode()
    except jsonld.JsonLdError as error:
        first = _first_cause(error)
        if isinstance(first, DocumentError):
            raise first from error
        raise DocumentError(f"not readable as JSON-LD: {first}"[:500], fix="mend it there") from error
    except (orjson.JSONDecodeError, RecursionError, AttributeError, TypeError) as error:
        raise DocumentError(f"no JSON: {error}", fix="send one JSON-LD document") from error


def _refuse_large(parsed: Any) -> None:
    """Count what the processor would have to take apart; the parser has bounded the depth."""
    waiting, count = [parsed], 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > MOST_VALUES:
                raise TooManyError(f"it has more than {MOST_VALUES:,} values", fix="send several documents")
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
