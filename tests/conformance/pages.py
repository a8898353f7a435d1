"""Pages as a reader has them: statements by subject and predicate, links with their bounds, and the tree of a view."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, parse

from tests.conformance.kit import LDES, TREE, Answer, Site, as_quads

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"
TYPE = f"{RDF}type"
LINES = "application/n-quads"
_FORMS = {
    "application/ld+json": RdfFormat.N_QUADS,
    "text/turtle": RdfFormat.TURTLE,
    "application/trig": RdfFormat.TRIG,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/n-quads": RdfFormat.N_QUADS,
}
Term = NamedNode | BlankNode | Literal
Name = NamedNode | BlankNode


class Facts:
    """Statements, looked up by subject or by predicate; literals are as they were written."""

    def __init__(self, statements: Iterable[tuple[Name, str, Term]]) -> None:
        self._of: dict[Name, dict[str, list[Term]]] = defaultdict(lambda: defaultdict(list))
        self._with: dict[str, list[tuple[Name, Term]]] = defaultdict(list)
        self._along: dict[tuple[Name, tuple[str, ...]], list[Term]] = {}
        for subject, predicate, value in statements:
            self._of[subject][predicate].append(value)
            self._with[predicate].append((subject, value))

    def __iter__(self) -> Iterator[tuple[Name, str, Term]]:
        """Yield every statement."""
        for predicate, pairs in self._with.items():
            for subject, value in pairs:
                yield subject, predicate, value

    def objects(self, subject: Name, predicate: str) -> list[Term]:
        """Return what a subject has at a predicate."""
        return self._of[subject][predicate] if subject in self._of and predicate in self._of[subject] else []

    def one(self, subject: Name, predicate: str) -> Term:
        """Return the only thing a subject has at a predicate."""
        (found,) = self.objects(subject, predicate)
        return found

    def about(self, subject: Name) -> list[tuple[str, Term]]:
        """Return all that is said of a subject."""
        return [(predicate, value) for predicate, values in self._of.get(subject, {}).items() for value in values]

    def pairs(self, predicate: str) -> list[tuple[Name, Term]]:
        """Return subjects and objects of a predicate."""
        return self._with.get(predicate, [])

    def subjects(self) -> set[Name]:
        """Return everything that something is said of."""
        return set(self._of)

    def along(self, subject: Name, path: tuple[str, ...]) -> list[Term]:
        """Return the values of a path of predicates."""
        known = self._along.get((subject, path))
        if known is None:
            known = [subject]
            for predicate in path:
                nodes = [node for node in known if not isinstance(node, Literal)]
                known = [value for node in nodes for value in self.objects(node, predicate)]
            self._along[subject, path] = known
        return known

    def items(self, head: Term) -> list[Term]:
        """Return the items of an RDF list."""
        found: list[Term] = []
        while head != NamedNode(f"{RDF}nil"):
            assert not isinstance(head, Literal)
            found.append(self.one(head, f"{RDF}first"))
            head = self.one(head, f"{RDF}rest")
        return found

    def extract(self, name: Name, *, into_names: bool = False) -> set[tuple[Name, str, Term]]:
        """Return a member's statements: what hangs on it by blank nodes, or by names as well (forward closure)."""
        found: set[tuple[Name, str, Term]] = set()
        todo, met = [name], set[Name]()
        while todo:
            subject = todo.pop()
            if subject in met:
                continue
            met.add(subject)
            for predicate, value in self.about(subject):
                found.add((subject, predicate, value))
                if isinstance(value, BlankNode) or (into_names and isinstance(value, NamedNode)):
                    todo.append(value)
        return found

    def member(self, name: Name) -> frozenset[tuple[str, str]]:
        """Return what the specification's algorithm extracts of a member as values, blank nodes by what is said of them."""
        return frozenset(self._extract(name, set()))

    def _extract(self, name: Name, met: set[Name]) -> Iterator[tuple[str, str]]:
        met.add(name)
        for predicate, value in self.about(name):
            if not isinstance(value, BlankNode):
                yield predicate, str(value)
            elif value not in met:
                yield predicate, str(sorted(self._extract(value, met)))

    def canonical(self) -> frozenset[tuple[str, frozenset[tuple[str, str]]]]:
        """Return what is said of each name, the same for the same statements however blank nodes are labelled.

        Exact because each blank node hangs on one statement; numbers of type xsd:double by value, since the reference
        JSON-LD processor respells them.
        """
        held = Counter(value for _, _, value in self if isinstance(value, BlankNode))
        assert set(held.values()) <= {1}
        assert held.keys() == {name for name in self._of if isinstance(name, BlankNode)}
        even = Facts((subject, predicate, _by_value(value)) for subject, predicate, value in set(self))
        return frozenset((name.value, even.member(name)) for name in even.subjects() if isinstance(name, NamedNode))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A relation that constrains: its type's local name, the predicates of its path, its value."""

    kind: str
    path: tuple[str, ...]
    value: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """All relations of a page to one target: the bounds, all of which hold, and what each says of how much is behind."""

    target: str
    bounds: tuple[Bound, ...]
    remaining: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A page that was read."""

    answer: Answer
    facts: Facts
    links: tuple[Link, ...]
    members: tuple[NamedNode, ...]

    @property
    def url(self) -> str:
        """Its address."""
        return self.answer.url

    @property
    def final(self) -> bool:
        """Whether the header says that it never changes."""
        return "immutable" in self.answer.headers["cache-control"]

    @property
    def depth(self) -> int:
        """How many parts its address has."""
        return self.url.count("/")


def facts_of(answer: Answer) -> Facts:
    """Read the statements of an answer, strictly by what it claims to be; JSON-LD by the reference processor."""
    body, form = answer.body, _FORMS[answer.media]
    if answer.media == "application/ld+json":
        body = as_quads(body, answer.url)
    quads = parse(body, format=form, base_iri=answer.url)
    return Facts((_name(quad.subject), quad.predicate.value, _term(quad.object)) for quad in quads)


def read(answer: Answer, stream: str) -> Read:
    """Read a page in N-Quads; `stream` is the stream's IRI."""
    assert (answer.status, answer.media) == (200, LINES), answer
    facts = facts_of(answer)
    members = tuple(
        value for value in facts.objects(NamedNode(stream), f"{TREE}member") if isinstance(value, NamedNode)
    )
    return Read(answer=answer, facts=facts, links=_links(facts, answer.url), members=members)


def _name(term: object) -> Name:
    assert isinstance(term, NamedNode | BlankNode)
    return term


def _term(term: object) -> Term:
    assert isinstance(term, NamedNode | BlankNode | Literal)
    return term


def _by_value(value: Term) -> Term:
    if isinstance(value, Literal) and value.datatype.value == f"{XSD}double":
        return Literal(repr(float(value.value)), datatype=value.datatype)
    return value


def _links(facts: Facts, url: str) -> tuple[Link, ...]:
    found: dict[str, list[Name]] = {}
    for relation in facts.objects(NamedNode(url), f"{TREE}relation"):
        assert not isinstance(relation, Literal)
        target = facts.one(relation, f"{TREE}node")
        found.setdefault(target.value, []).append(relation)
    return tuple(
        Link(
            target=target,
            bounds=tuple(bound for each in relations if (bound := bound_of(facts, each)) is not None),
            remaining=tuple(
                int(count.value) for each in relations for count in facts.objects(each, f"{TREE}remainingItems")
            ),
        )
        for target, relations in found.items()
    )


def bound_of(facts: Facts, relation: Name) -> Bound | None:
    """Read a relation; None for one that constrains nothing."""
    kind = facts.one(relation, TYPE).value.removeprefix(TREE)
    if kind == "Relation":
        return None
    path = facts.one(relation, f"{TREE}path")
    steps = [path] if isinstance(path, NamedNode) else facts.items(path)
    return Bound(kind=kind, path=tuple(step.value for step in steps), value=facts.one(relation, f"{TREE}value"))


Follow = Callable[[Link], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The pages of one view as far as they were followed, the root first."""

    stream: str
    root: str
    pages: dict[str, Read] = field(default_factory=dict)

    @property
    def members(self) -> dict[NamedNode, Read]:
        """Every member with a page it is in."""
        return {member: page for page in self.pages.values() for member in page.members}

    def below(self, url: str) -> list[Read]:
        """Return a page and all pages below it."""
        found, todo = [], [url]
        while todo:
            page = self.pages[todo.pop()]
            found.append(page)
            todo += [link.target for link in page.links]
        return found

    def held(self, url: str) -> set[NamedNode]:
        """Return the members at and below a page."""
        return {member for page in self.below(url) for member in page.members}

    def links(self) -> Iterator[tuple[Read, Link]]:
        """Yield every link with the page it is on."""
        for page in self.pages.values():
            for link in page.links:
                yield page, link


class Library:
    """Pages that were fetched, kept as long as nothing is published."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: dict[tuple[str, str], Read] = {}

    def page(self, url: str, stream: str) -> Read:
        """Return a page, fetched once."""
        key = (url, stream)
        if key not in self._kept:
            self._kept[key] = fetch(self._site, url, stream)
        return self._kept[key]

    def tree(self, stream: str, view: str, *, follow: Follow = lambda _: True) -> Tree:
        """Read a view of the stream with this name, as far as links are followed."""
        return walk(self._site, stream, view, page=self.page, follow=follow)


def fetch(site: Site, url: str, stream: str) -> Read:
    """Fetch a page in N-Quads and read it."""
    return read(site.get(url, LINES), stream)


def walk(
    site: Site,
    stream: str,
    view: str,
    *,
    page: Callable[[str, str], Read] | None = None,
    follow: Follow = lambda _: True,
) -> Tree:
    """Read a view of the stream with this name from its root on, as far as links are followed."""
    get = page or (lambda url, iri: fetch(site, url, iri))
    iri = f"{site.base}/{stream}"
    tree = Tree(stream=iri, root=f"{iri}/{view}")
    todo = [tree.root]
    while todo:
        url = todo.pop()
        assert url not in tree.pages, f"{url} is reached twice (TREE-21)"
        tree.pages[url] = get(url, iri)
        todo += reversed([link.target for link in tree.pages[url].links if follow(link)])
    return tree


def is_event_source(tree: Tree) -> bool:
    """Whether the view says that it is in the order of publication."""
    facts = tree.pages[tree.root].facts
    (view,) = facts.objects(NamedNode(tree.root), f"{TREE}viewDescription")
    assert not isinstance(view, Literal)
    return NamedNode(f"{LDES}EventSource") in facts.objects(view, TYPE)
