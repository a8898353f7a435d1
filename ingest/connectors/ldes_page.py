"""One page of an LDES: where it leads, which members it holds, and those members as N-Quads; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat, parse, serialize

_TREE = "https://w3id.org/tree#"
_LDES = "https://w3id.org/ldes#"
_MEMBER = NamedNode(f"{_TREE}member")
_RELATION = NamedNode(f"{_TREE}relation")
_NODE = NamedNode(f"{_TREE}node")
_VIEW = NamedNode(f"{_TREE}view")
_IMMUTABLE = NamedNode(f"{_LDES}immutable")
_INTERVAL = NamedNode(f"{_LDES}pollingInterval")
# What a page says of the page itself, not of members.
_HYPERMEDIA = (_RELATION, _VIEW, _IMMUTABLE)

# JSON-LD last: its context may be on another host, where we do not go.
ACCEPT = (
    "application/n-quads, application/trig;q=0.9, text/turtle;q=0.8, application/n-triples;q=0.7, "
    "application/ld+json;q=0.5, application/rdf+xml;q=0.3"
)
MEDIA_TYPE = "application/n-quads"


class PageError(ValueError):
    """The page is no RDF, or breaks a promise without which it cannot be followed; the message says which."""


class UnreadableError(PageError):
    """The page is no RDF that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LdesPage:
    """What a page says. `links` and `members` are IRIs in the document's order; blank members are counted in `blank`.

    `interval` is the polling interval in seconds that the stream asks for, 0 when it does not.
    """

    links: tuple[str, ...]
    views: tuple[str, ...]
    members: tuple[str, ...]
    blank: int
    immutable: bool
    interval: int
    quads: tuple[Any, ...]

    def extract(self, wanted: Collection[str]) -> bytes:
        """Write the page as N-Quads with only these members (and blank ones), without its hypermedia.

        What hangs on members that are not wanted, and on nothing else, is left out too. The same page gives the same
        bytes: blank nodes are named in their order.
        """
        chosen = {NamedNode(iri) for iri in wanted}
        said = _by_subject(self.quads)
        members = {quad.object for quad in self.quads if quad.predicate == _MEMBER}
        others = {member for member in members if isinstance(member, NamedNode)} - chosen
        out = _reached((quad.object for quad in self.quads if quad.predicate == _RELATION), said, stop=members)
        if others:
            out |= _reached(others, said, stop=chosen) - _reached(members - others, said, stop=others)
        kept = (
            quad
            for quad in self.quads
            if quad.subject not in out
            and quad.predicate not in _HYPERMEDIA
            and not (quad.predicate == _MEMBER and quad.object in others)
        )
        return serialize(_relabelled(kept), format=RdfFormat.N_QUADS) or b""


def read_page(body: bytes, media_type: str, url: str) -> LdesPage:
    """Read a page that came from `url`.

    Raises:
        UnreadableError: it is no RDF, or its context is on another host.
        PageError: a relation leads nowhere.

    """
    form = RdfFormat.from_media_type(media_type.partition(";")[0].strip().lower())
    if form is None:
        raise UnreadableError(f"{media_type} is no RDF")
    try:
        # Lenient: a literal that is none of its type is for the mapping to refuse, the page can still be followed.
        quads = tuple(parse(body, format=form, base_iri=url, lenient=True))
    except (SyntaxError, ValueError, OSError) as error:
        raise UnreadableError(f"the page cannot be read as {form.name}: {error}") from error
    members = list(dict.fromkeys(quad.object for quad in quads if quad.predicate == _MEMBER))
    return LdesPage(
        links=_links(quads),
        views=_iris(quad.object for quad in quads if quad.predicate == _VIEW),
        members=_iris(members),
        blank=sum(not isinstance(member, NamedNode) for member in members),
        immutable=_is_immutable(quads, url),
        interval=_interval(quads),
        quads=quads,
    )


def _links(quads: Iterable[Any]) -> tuple[str, ...]:
    """List where the relations lead, each once; `tree:node` may stand before or after its relation."""
    nodes: dict[Any, list[Any]] = {}
    relations: dict[Any, None] = {}
    for quad in quads:
        if quad.predicate == _NODE:
            nodes.setdefault(quad.subject, []).append(quad.object)
        elif quad.predicate == _RELATION:
            relations[quad.object] = None
    found = []
    for relation in relations:
        targets = [node for node in nodes.get(relation, ()) if isinstance(node, NamedNode)]
        if not targets:
            raise PageError("a relation of the page has no tree:node: members behind it cannot be reached")
        found += targets
    return _iris(found)


def _is_immutable(quads: Iterable[Any], url: str) -> bool:
    """Say whether the page calls itself immutable; behind a proxy its own name need not be its address."""
    sworn = [
        quad.subject
        for quad in quads
        if quad.predicate == _IMMUTABLE and isinstance(quad.object, Literal) and quad.object.value in ("true", "1")
    ]
    return NamedNode(url) in sworn or (
        len(sworn) == 1 and sworn[0] not in {q.object for q in quads if q.predicate == _NODE}
    )


def _interval(quads: Iterable[Any]) -> int:
    said = [quad.object.value for quad in quads if quad.predicate == _INTERVAL and isinstance(quad.object, Literal)]
    return max((int(value) for value in said if value.isdecimal() and len(value) < 10), default=0)


def _iris(terms: Iterable[Any]) -> tuple[str, ...]:
    """Return the IRIs among terms, each once, in their order."""
    return tuple(dict.fromkeys(term.value for term in terms if isinstance(term, NamedNode)))


def _relabelled(quads: Iterable[Any]) -> Iterator[Quad]:
    names: dict[BlankNode, BlankNode] = {}

    def term(value: Any) -> Any:
        return names.setdefault(value, BlankNode(f"b{len(names)}")) if isinstance(value, BlankNode) else value

    for quad in quads:
        yield Quad(term(quad.subject), quad.predicate, term(quad.object), term(quad.graph_name))


def _by_subject(quads: Iterable[Any]) -> Mapping[Any, list[Any]]:
    said: dict[Any, list[Any]] = {}
    for quad in quads:
        said.setdefault(quad.subject, []).append(quad.object)
    return said


def _reached(start: Iterable[Any], said: Mapping[Any, list[Any]], *, stop: Collection[Any]) -> set[Any]:
    """Return the subjects that can be reached from `start`, not through `stop`."""
    found: set[Any] = set()
    rest = list(start)
    while rest:
        term = rest.pop()
        if term in found or term not in said:
            continue
        found.add(term)
        rest += [value for value in said[term] if not isinstance(value, Literal) and value not in stop]
    return found
