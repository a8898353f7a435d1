"""Page to bytes: concatenates what is constant per stream with the members' own bytes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ldes_server.model import Bound, Page, Published, Relation
from ldes_server.negotiate import Form
from streams.record import format_time
from vocab.context import Writer
from vocab.errors import MemberError

TREE = "https://w3id.org/tree#"
LDES = "https://w3id.org/ldes#"
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
IS_PART_OF = "http://purl.org/dc/terms/isPartOf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all pages of one stream share, rendered once (hypermedia.describe makes it).

    `root_context`, `node_context`, `leaf_context`, `member_context` are `@context` values; the first three define the
    words of TREE, the last two those of the model. `facts` is the stream's own description, root only (LDES-02): JSON
    members, Turtle and N-Triples statements. `prefixes` are the writer's.
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
        return write(full_body(replace(member, body=b'{"@id":"%s"}' % member_iri(member))))


def render_page(page: Page, form: Form, *, frame: Frame) -> bytes:
    """Render a page in one form. The same page gives the same bytes for ever; all forms say the same (HTTP-04)."""
    return _PAGES[form](page, frame)


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
        mark = b'"viewDescription":{"@id":"%s#view","@type":"EventSource"},' % iri
    else:
        context, facts = (frame.leaf_context if page.members else frame.node_context), b""
        mark = b'"immutable":true,' if page.final else b""
    view = b'"view":{"@id":"%s","@type":"Node",%s"relation":[%s]}' % (
        iri,
        mark,
        b",".join(_json_relations(page.relations, frame)),
    )
    members = b"," + _json_members(page.members) if page.members else b""
    return b'{"@context":%s,"@id":"%s","@type":"EventStream",%s%s%s}\n' % (
        context,
        frame.iri.encode(),
        facts,
        view,
        members,
    )


def _json_relations(relations: Sequence[Relation], frame: Frame) -> Iterator[bytes]:
    for relation in relations:
        for bound in relation.bounds:
            plain = f'"{bound.value}"'
            value = plain if bound.datatype == f"{XSD}dateTime" else f'{{"@value":{plain},"@type":"{bound.datatype}"}}'
            yield (
                f'{{"@type":"{bound.type.value}","node":"{_target(relation, frame)}","path":"{bound.path}",'
                f'"value":{value},"remainingItems":{relation.remaining}}}'
            ).encode()


def _json_members(members: Sequence[Published]) -> bytes:
    return b'"member":[%s]' % b",\n".join(full_body(member) for member in members)


def _turtle_page(page: Page, frame: Frame) -> bytes:
    lines = [*_description(page, frame, Form.TURTLE)]
    node = _iri(_page_iri(page, frame))
    lines.extend(
        f"{node} <{TREE}relation> [ a <{TREE}{bound.type.value}> ; <{TREE}node> <{_target(relation, frame)}> ; "
        f"<{TREE}path> <{bound.path}> ; <{TREE}value> {_literal(bound)} ; "
        f"<{TREE}remainingItems> {relation.remaining} ] .\n".encode()
        for relation in page.relations
        for bound in relation.bounds
    )
    return b"".join((*lines, *(_turtle_members(page.members, frame) if page.members else ())))


def _line_page(page: Page, frame: Frame) -> bytes:
    lines = [*_description(page, frame, Form.NTRIPLES)]
    node = _iri(_page_iri(page, frame))
    relations = [(relation, bound) for relation in page.relations for bound in relation.bounds]
    for number, (relation, bound) in enumerate(relations):
        blank = f"_:relation{number}"
        lines += (
            _statement(node, f"<{TREE}relation>", blank),
            _statement(blank, f"<{RDF_TYPE}>", f"<{TREE}{bound.type.value}>"),
            _statement(blank, f"<{TREE}node>", f"<{_target(relation, frame)}>"),
            _statement(blank, f"<{TREE}path>", f"<{bound.path}>"),
            _statement(blank, f"<{TREE}value>", _literal(bound)),
            _statement(blank, f"<{TREE}remainingItems>", f'"{relation.remaining}"^^<{XSD}integer>'),
        )
    return b"".join((*lines, *_line_members(page.members, frame)))


def _description(page: Page, frame: Frame, form: Form) -> Iterator[bytes]:
    """What the page is and whose, in statements that are Turtle and N-Triples alike; full IRIs compress to nothing."""
    stream, node, a = _iri(frame.iri), _iri(_page_iri(page, frame)), _iri(RDF_TYPE)
    yield _statement(stream, a, f"<{LDES}EventStream>")
    yield _statement(node, a, f"<{TREE}Node>")
    if page.id.is_root:
        view = f"<{_page_iri(page, frame)}#view>"
        yield _statement(stream, f"<{TREE}view>", node)
        yield _statement(node, f"<{TREE}viewDescription>", view)
        yield _statement(view, a, f"<{LDES}EventSource>")
        yield frame.facts[form]
        return
    yield _statement(node, _iri(IS_PART_OF), stream)
    if page.final:
        yield _statement(node, f"<{LDES}immutable>", f'"true"^^<{XSD}boolean>')


def _turtle_members(members: Sequence[Published], frame: Frame) -> Iterator[bytes]:
    yield frame.prefixes
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


def _literal(bound: Bound) -> str:
    return f'"{bound.value}"^^<{bound.datatype}>'


def _statement(subject: str, predicate: str, target: str) -> bytes:
    return f"{subject} {predicate} {target} .\n".encode()


_PAGES = {Form.JSONLD: _json_page, Form.TURTLE: _turtle_page, Form.NTRIPLES: _line_page}
