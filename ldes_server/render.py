"""Page to bytes: concatenates what is constant per stream with the members' own bytes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import orjson

from ldes_server.log_view import VIEW
from ldes_server.model import Bound, Page, Published, Relation, RelationType
from ldes_server.negotiate import Form
from streams.record import format_time
from vocab.context import Writer
from vocab.errors import MemberError
from vocab.flat import Flat

TREE = "https://w3id.org/tree#"
LDES = "https://w3id.org/ldes#"
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDF_TYPE = f"{RDF}type"
IS_PART_OF = "http://purl.org/dc/terms/isPartOf"

# What stands behind the last member of a page that is no root, and between two members.
END = {Form.JSONLD: b"]}\n", Form.TURTLE: b"", Form.NTRIPLES: b""}
_BETWEEN = b",\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all pages of one stream share, rendered once (hypermedia.describe makes it).

    `root_context`, `node_context`, `leaf_context`, `member_context` are `@context` values; the first three define the
    words of TREE, the last two those of the model. `facts` is the stream's own description, root only (LDES-02): JSON
    members, Turtle and N-Triples statements. `prefixes` are the writer's. `views` names all views that have a root now.
    `said` names what members say of themselves and no name of the model is: a column of its own in plain forms.
    `searches` has the search forms of the roots, by the name of their view (TREE-41), written as `facts` are, and so does
    `policies` what each keeps (RET-02); a view without one keeps everything (RET-01).
    """

    base: str  # absolute, without a slash at the end
    stream: str  # its name
    root_context: bytes
    node_context: bytes
    leaf_context: bytes
    member_context: bytes
    facts: Mapping[Form, bytes]
    prefixes: bytes
    writer: Writer
    flat: Flat
    context_address: str  # where the members' context is served on its own
    views: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    searches: Mapping[str, Mapping[Form, bytes]] = field(default_factory=dict)
    policies: Mapping[str, Mapping[Form, bytes]] = field(default_factory=dict)

    @property
    def iri(self) -> str:
        """The stream's IRI."""
        return f"{self.base}/{self.stream}"


def full_body(member: Published) -> bytes:
    """Return the member with what only the log knows, spliced over its final brace (LDES-30)."""
    stamp = format_time(member.published_at)
    return b'%s,"generatedAtTime":"%s","sequence":%d}' % (member.body[:-1], stamp.encode(), member.sequence)


def member_iri(member: Published) -> bytes:
    """Return the absolute IRI the member's body starts with (`streams.record.Member` guarantees the form)."""
    start = len(b'{"@id":"')
    return member.body[start : member.body.index(b'"', start)]


def _as_rdf(member: Published, write: Callable[[bytes], bytes]) -> bytes:
    """Write a member as RDF; of one that no form but JSON-LD can express, only what the log knows.

    Our own normalisers make none. Others may write to a member topic, and one such record must not cost a page.
    """
    try:
        return write(full_body(member))
    except MemberError:
        return write(full_body(member._replace(body=b'{"@id":"%s"}' % member_iri(member))))


def render_page(page: Page, form: Form, *, frame: Frame) -> bytes:
    """Render a page in one form. The same page gives the same bytes for ever; all forms say the same (HTTP-04)."""
    return _PAGES[form](page, frame)


def render_more(members: Sequence[Published], form: Form, *, frame: Frame) -> bytes:
    """Render what stands between the last member and the end of a page with members, once it has these as well.

    A page is `render_page` of its first members less `END`, this for the others, and `END`.
    """
    if form is Form.JSONLD:
        return b"".join(_BETWEEN + full_body(member) for member in members)
    if form is Form.TURTLE:
        return b"".join(_turtle_blocks(members, frame))
    return b"".join(_line_members(members, frame))


def render_member(member: Published, form: Form, *, frame: Frame) -> bytes:
    """Render one member as a document of its own, with the quads it has in its page (LDES-24) and no others."""
    body = full_body(member)
    if form is Form.JSONLD:
        return b'{"@context":%s,%s\n' % (frame.member_context, body[1:])
    if form is Form.TURTLE:
        return frame.prefixes + _as_rdf(member, frame.writer.turtle)
    return _as_rdf(member, partial(frame.writer.ntriples, scope=f"m{member.sequence}"))


def render_members(members: Sequence[Published], form: Form, *, frame: Frame) -> bytes:
    """Render some members of the stream, without links: the newest of each entity."""
    if form is Form.JSONLD:
        return b'{"@context":%s,"@id":"%s","@type":"EventStream",%s}\n' % (
            frame.leaf_context,
            frame.iri.encode(),
            _json_members(members),
        )
    head = (_iri(frame.iri), _iri(RDF_TYPE), _iri(f"{LDES}EventStream"))
    blocks = _turtle_members if form is Form.TURTLE else _line_members
    return b"".join((_statement(*head), *blocks(members, frame)))


def _json_page(page: Page, frame: Frame) -> bytes:
    iri = _page_iri(page, frame).encode()
    if page.id.is_root:
        # `view` is tree:view here and only here; on the other pages the same key is the reverse of dcterms:isPartOf,
        # so that scripts find the same layout and no page but the root claims to be an entry point (TREE-06).
        context, facts = frame.root_context, frame.facts[Form.JSONLD] + b","
        mark = b'"viewDescription":{"@id":"%s#view","@type":"%s"},' % (iri, _kind(page).encode())
        mark += _of_root(page, frame, Form.JSONLD)
    else:
        context, facts = (frame.leaf_context if page.members else frame.node_context), b""
        mark = b'"immutable":true,' if page.final else b""
    view = b'"view":{"@id":"%s","@type":"Node",%s"relation":[%s]}' % (
        iri,
        mark,
        b",".join(_json_relations(page.relations, frame)),
    )
    members = b"," + _json_members(page.members) if page.members else b""
    # A key of its own, so that `view` stays the one object that scripts walk; behind it, so that a client that takes the
    # first view it meets takes the one it asked for (TREE-03).
    others = [f'"{each}"' for each in _other_views(page, frame)]
    if others:
        members = f',"views":[{",".join(others)}]'.encode() + members
    return b'{"@context":%s,"@id":"%s","@type":"EventStream",%s%s%s}\n' % (
        context,
        frame.iri.encode(),
        facts,
        view,
        members,
    )


def _json_relations(relations: Sequence[Relation], frame: Frame) -> Iterator[bytes]:
    for relation in relations:
        link = f'"node":"{_target(relation, frame)}"'
        left = f'"remainingItems":{relation.remaining}'
        if not relation.bounds:
            yield f'{{"@type":"Relation",{link},{left}}}'.encode()
        for bound in relation.bounds:
            path, value = _json_path(bound), _json_value(bound)
            yield f'{{"@type":"{bound.type.value}",{link},"path":{path},"value":{value},{left}}}'.encode()


def _json_path(bound: Bound) -> str:
    steps = ",".join(f'"{predicate}"' for predicate in bound.path)
    return steps if len(bound.path) == 1 else f'{{"@list":[{steps}]}}'


def _json_value(bound: Bound) -> str:
    text = orjson.dumps(bound.value).decode()
    if not bound.datatype:
        return f'{{"@id":{text}}}'
    return text if bound.datatype == f"{XSD}dateTime" else f'{{"@value":{text},"@type":"{bound.datatype}"}}'


def _json_members(members: Sequence[Published]) -> bytes:
    return b'"member":[%s]' % _BETWEEN.join(full_body(member) for member in members)


def _turtle_page(page: Page, frame: Frame) -> bytes:
    lines = [*_description(page, frame, Form.TURTLE)]
    node = _iri(_page_iri(page, frame))
    for relation in page.relations:
        for bound in relation.bounds or (None,):
            kind = bound.type if bound else RelationType.ANY
            what = f"<{TREE}path> {_turtle_path(bound)} ; <{TREE}value> {_term(bound)} ; " if bound else ""
            lines.append(
                f"{node} <{TREE}relation> [ a <{TREE}{kind.value}> ; <{TREE}node> <{_target(relation, frame)}> ; "
                f"{what}<{TREE}remainingItems> {relation.remaining} ] .\n".encode()
            )
    return b"".join((*lines, *(_turtle_members(page.members, frame) if page.members else ())))


def _line_page(page: Page, frame: Frame) -> bytes:
    lines = [*_description(page, frame, Form.NTRIPLES)]
    node = _iri(_page_iri(page, frame))
    relations = [(relation, bound) for relation in page.relations for bound in relation.bounds or (None,)]
    for number, (relation, bound) in enumerate(relations):
        blank = f"_:relation{number}"
        kind = bound.type if bound else RelationType.ANY
        lines += (
            _statement(node, f"<{TREE}relation>", blank),
            _statement(blank, f"<{RDF_TYPE}>", f"<{TREE}{kind.value}>"),
            _statement(blank, f"<{TREE}node>", f"<{_target(relation, frame)}>"),
            *(_line_bound(blank, bound) if bound else ()),
            _statement(blank, f"<{TREE}remainingItems>", f'"{relation.remaining}"^^<{XSD}integer>'),
        )
    return b"".join((*lines, *_line_members(page.members, frame)))


def _turtle_path(bound: Bound) -> str:
    steps = " ".join(f"<{predicate}>" for predicate in bound.path)
    return steps if len(bound.path) == 1 else f"( {steps} )"


def _line_bound(blank: str, bound: Bound) -> Iterator[bytes]:
    """A relation's path and value; a sequence path is an RDF list, a blank node for each of its steps."""
    if len(bound.path) == 1:
        yield _statement(blank, f"<{TREE}path>", f"<{bound.path[0]}>")
    else:
        steps = [f"{blank}path{number}" for number in range(len(bound.path))]
        yield _statement(blank, f"<{TREE}path>", steps[0])
        for here, predicate, after in zip(steps, bound.path, (*steps[1:], f"<{RDF}nil>"), strict=True):
            yield _statement(here, f"<{RDF}first>", f"<{predicate}>")
            yield _statement(here, f"<{RDF}rest>", after)
    yield _statement(blank, f"<{TREE}value>", _term(bound))


def _description(page: Page, frame: Frame, form: Form) -> Iterator[bytes]:
    """What the page is and whose, in statements that are Turtle and N-Triples alike; full IRIs compress to nothing."""
    stream, node, a = _iri(frame.iri), _iri(_page_iri(page, frame)), _iri(RDF_TYPE)
    yield _statement(stream, a, f"<{LDES}EventStream>")
    yield _statement(node, a, f"<{TREE}Node>")
    if page.id.is_root:
        view = f"<{_page_iri(page, frame)}#view>"
        yield _statement(stream, f"<{TREE}view>", node)
        for each in _other_views(page, frame):
            yield _statement(stream, f"<{TREE}view>", f"<{each}>")
        yield _statement(node, f"<{TREE}viewDescription>", view)
        yield _statement(view, a, f"<{LDES if page.id.view == VIEW else TREE}{_kind(page)}>")
        yield frame.facts[form]
        yield _of_root(page, frame, form)
        return
    yield _statement(node, _iri(IS_PART_OF), stream)
    if page.final:
        yield _statement(node, f"<{LDES}immutable>", f'"true"^^<{XSD}boolean>')


def _kind(page: Page) -> str:
    """Name the type of a root's description: only a chronological view is an event source (LDES-08)."""
    return "EventSource" if page.id.view == VIEW else "SearchTree"


def _other_views(page: Page, frame: Frame) -> list[str]:
    if not page.id.is_root:
        return []
    return [f"{frame.iri}/{name}" for name in frame.views if name != page.id.view]


def _of_root(page: Page, frame: Frame, form: Form) -> bytes:
    """What the root of one view says that no other does: what it keeps, and how it can be searched."""
    said = (each.get(page.id.view, {}).get(form, b"") for each in (frame.policies, frame.searches))
    return b"".join(said)


def _turtle_members(members: Sequence[Published], frame: Frame) -> Iterator[bytes]:
    yield frame.prefixes
    yield from _turtle_blocks(members, frame)


def _turtle_blocks(members: Sequence[Published], frame: Frame) -> Iterator[bytes]:
    link = f"<{frame.iri}> <{TREE}member> <".encode()
    for member in members:
        yield link + member_iri(member) + b"> .\n"
        yield _as_rdf(member, frame.writer.turtle)


def _line_members(members: Sequence[Published], frame: Frame) -> Iterator[bytes]:
    link = f"<{frame.iri}> <{TREE}member> <".encode()
    for member in members:
        yield link + member_iri(member) + b"> .\n"
        # A scope of its own keeps blank nodes from being shared between members (LDES-15).
        yield _as_rdf(member, partial(frame.writer.ntriples, scope=f"m{member.sequence}"))


def _page_iri(page: Page, frame: Frame) -> str:
    return frame.base + page.id.path(frame.stream)


def _target(relation: Relation, frame: Frame) -> str:
    return frame.base + relation.target.path(frame.stream)


def _iri(value: str) -> str:
    return f"<{value}>"


def _term(bound: Bound) -> str:
    # JSON's string escapes are a subset of those of N-Triples.
    return f"{orjson.dumps(bound.value).decode()}^^<{bound.datatype}>" if bound.datatype else f"<{bound.value}>"


def _statement(subject: str, predicate: str, target: str) -> bytes:
    return f"{subject} {predicate} {target} .\n".encode()


_PAGES = {Form.JSONLD: _json_page, Form.TURTLE: _turtle_page, Form.NTRIPLES: _line_page}
