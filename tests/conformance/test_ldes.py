"""LDES: description, members, order and immutability (LDES-01..40, LDES-57..61), over HTTP against real members."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from pyshacl import validate
from rdflib import RDF, XSD, BNode, Graph, Literal, URIRef
from rdflib.compare import isomorphic
from rdflib.term import Node

from ldes_server.model import GENERATED_AT, SEQUENCE, VERSION_OF, Published
from tests.conformance.kit import FORMATS, LDES, PAGE_SIZE, TREE, Answer, Site, extract, links, members_of

STREAMS = ("gent-parking", "gent-traffic")
IMMUTABLE = URIRef(f"{LDES}immutable")
MEMBER = URIRef(f"{TREE}member")
TRUE = Literal("true", datatype=XSD.boolean)
PATHS = ("timestampPath", "sequencePath", "versionOfPath")
streams = pytest.mark.parametrize("stream", STREAMS)
_CRAWLS: dict[tuple[str, str], list[tuple[Answer, Graph]]] = {}


def crawl(site: Site, stream: str) -> list[tuple[Answer, Graph]]:
    """Crawl a stream that holds still, at most once per run; pages in the order of publication."""
    key = (site.base, stream)
    if key not in _CRAWLS:
        _CRAWLS[key] = [(page, page.graph()) for page in site.crawl(stream)]
    return _CRAWLS[key]


def published(site: Site, stream: str) -> list[tuple[URIRef, Graph]]:
    """Return every member with the page it is in, in order of publication."""
    name = f"{site.base}/{stream}"
    found = [(member, graph) for _, graph in crawl(site, stream) for member in members_of(graph, name)]
    return sorted(found, key=lambda pair: int(str(pair[1].value(pair[0], URIRef(SEQUENCE)))))


def closure(graph: Graph, member: Node, *, into_names: bool) -> Graph:
    """Extract as clients do that follow every link (forward closure), or blank nodes only (bounded description)."""
    found, todo, done = Graph(), [member], set[Node]()
    while todo:
        subject = todo.pop()
        if subject in done:
            continue
        done.add(subject)
        for statement in graph.triples((subject, None, None)):
            found.add(statement)
            if isinstance(statement[2], BNode) or (into_names and isinstance(statement[2], URIRef)):
                todo.append(statement[2])
    return found


@streams
def test_ldes_01_stream_is_typed(site: Site, stream: str) -> None:
    """LDES-01, TREE-24: every page types the stream ldes:EventStream and nothing else."""
    for _, graph in crawl(site, stream):
        assert set(graph.objects(URIRef(f"{site.base}/{stream}"), RDF.type)) == {URIRef(f"{LDES}EventStream")}


@streams
def test_ldes_02_root_carries_the_context(site: Site, stream: str) -> None:
    """LDES-02, LDES-03, LDES-04, LDES-05, LDES-06: each path once, a plain IRI, on the root and nowhere else."""
    (_, root), *others = crawl(site, stream)
    name = URIRef(f"{site.base}/{stream}")
    versioned = site.streams[stream].model.versioned
    expected = [[URIRef(GENERATED_AT)], [URIRef(SEQUENCE)], [URIRef(VERSION_OF)] if versioned else []]
    assert [list(root.objects(name, URIRef(LDES + path))) for path in PATHS] == expected
    context = {URIRef(LDES + path) for path in (*PATHS, "pollingInterval")} | {URIRef(f"{TREE}shape")}
    assert not [graph for _, graph in others if context & set(graph.predicates(name))]


@streams
def test_ldes_07_polling_interval_is_a_whole_number(site: Site, stream: str) -> None:
    """LDES-07: ldes:pollingInterval is one xsd:integer of at least 1."""
    (value,) = crawl(site, stream)[0][1].objects(URIRef(f"{site.base}/{stream}"), URIRef(f"{LDES}pollingInterval"))
    assert isinstance(value, Literal)
    assert value.datatype == XSD.integer
    assert int(value) == 30


@streams
def test_ldes_10_members_are_linked_iris(site: Site, stream: str) -> None:
    """LDES-10, LDES-11, LDES-27: whatever has a publication time is an object of tree:member, an IRI, once."""
    for _, graph in crawl(site, stream):
        members = members_of(graph, f"{site.base}/{stream}")
        assert set(graph.subjects(URIRef(GENERATED_AT))) == set(members)
        assert len(members) == len(set(members))


def test_ldes_12_members_and_log_only_grow(growing: Site) -> None:
    """LDES-12, LDES-13, LDES-38, LDES-58, LDES-59: publishing more leaves every final page as it was, byte for byte."""
    growing.append("gent-parking", 57)
    before = {page.url: page for page in growing.crawl("gent-parking") if "immutable" in page.headers["cache-control"]}
    seen = {member for page in before.values() for member in members_of(page.graph(), f"{growing.base}/gent-parking")}
    for more in (1, 2, 10, 150):
        growing.append("gent-parking", more)
        for url, page in before.items():
            now = growing.get(url, "application/n-quads")
            assert (now.body, now.headers["etag"]) == (page.body, page.headers["etag"])
    after = growing.crawl("gent-parking")
    assert seen <= {member for page in after for member in members_of(page.graph(), f"{growing.base}/gent-parking")}


@streams
def test_ldes_14_members_can_be_extracted(site: Site, stream: str) -> None:
    """LDES-14, LDES-16: the algorithm finds each member, and what is left of a page is its hypermedia."""
    for page, graph in crawl(site, stream)[1:]:
        left = Graph() + graph
        for member in members_of(graph, f"{site.base}/{stream}"):
            found = extract(graph, member)
            assert len(found) > 5
            left -= found
        relation = set(graph.objects(None, URIRef(f"{TREE}relation")))
        assert set(left.subjects()) == {URIRef(page.url), URIRef(f"{site.base}/{stream}"), *relation}


@streams
@pytest.mark.parametrize("media", FORMATS)
def test_ldes_15_no_blank_node_is_shared(site: Site, stream: str, media: str) -> None:
    """LDES-15: no blank node belongs to two members, or to a member and the page."""
    graph = site.get(f"/{stream}/log/0/3", media).graph()
    owners: dict[Node, set[URIRef]] = {}
    for member in members_of(graph, f"{site.base}/{stream}"):
        for statement in extract(graph, member):
            for term in (statement[0], statement[2]):
                if isinstance(term, BNode):
                    owners.setdefault(term, set()).add(member)
    assert owners
    assert all(len(found) == 1 for found in owners.values())


@streams
def test_ldes_17_all_ways_of_extraction_agree(site: Site, stream: str) -> None:
    """LDES-17, LDES-18: forward closure and bounded description give what the algorithm gives."""
    graph = site.get(f"/{stream}/log/0/5", "application/n-quads").graph()
    for member in members_of(graph, f"{site.base}/{stream}"):
        expected = extract(graph, member)
        assert set(closure(graph, member, into_names=False)) == set(expected)
        assert set(closure(graph, member, into_names=True)) == set(expected)


@streams
def test_ldes_21_shape_is_inline_and_holds(site: Site, stream: str) -> None:
    """LDES-21, LDES-22, LDES-23: the root has one shape, described in place, open, and members conform to it."""
    root = crawl(site, stream)[0][1]
    (shape,) = root.objects(URIRef(f"{site.base}/{stream}"), URIRef(f"{TREE}shape"))
    assert (shape, RDF.type, URIRef("http://www.w3.org/ns/shacl#NodeShape")) in root
    assert (None, URIRef("http://www.w3.org/ns/shacl#closed"), None) not in root
    member, graph = published(site, stream)[0]
    data = extract(graph, member)
    conforms, _, report = validate(data, shacl_graph=root, focus_nodes=[member])
    assert conforms, report


@streams
def test_ldes_24_member_dereferences_to_its_quads(site: Site, stream: str) -> None:
    """LDES-24: a member's address gives the statements it has in its page, for ever, in every format."""
    member, graph = published(site, stream)[42]
    for media in FORMATS:
        answer = site.get(str(member), media)
        assert (answer.status, answer.media) == (200, media)
        assert answer.headers["cache-control"] == "public, max-age=604800, immutable"
        assert isomorphic(answer.graph(), extract(graph, member))


@streams
def test_ldes_28_pages_are_bounded(site: Site, stream: str) -> None:
    """LDES-28: no page holds more members than it may."""
    for _, graph in crawl(site, stream):
        assert len(members_of(graph, f"{site.base}/{stream}")) <= PAGE_SIZE


def test_ldes_29_new_members_are_never_older(growing: Site) -> None:
    """LDES-29, LDES-35: what is published later is stamped no earlier, and goes into pages not yet bounded."""
    growing.append("gent-traffic", 34)
    first = stamps(growing)
    growing.append("gent-traffic", 33)
    second = stamps(growing)
    assert first == second[: len(first)]
    assert max(first) <= min(second[len(first) :])


def stamps(site: Site) -> list[str]:
    """Return the publication times, in order of sequence."""
    pairs = []
    for page in site.crawl("gent-traffic"):
        graph = page.graph()
        pairs += [
            (int(str(graph.value(member, URIRef(SEQUENCE)))), str(graph.value(member, URIRef(GENERATED_AT))))
            for member in members_of(graph, f"{site.base}/gent-traffic")
        ]
    return [stamp for _, stamp in sorted(pairs)]


@streams
def test_ldes_30_order_keys_are_single_and_typed(site: Site, stream: str) -> None:
    """LDES-30, LDES-31, LDES-32: one xsd:dateTime with milliseconds and one xsd:integer, strictly increasing."""
    keys = []
    for member, graph in published(site, stream):
        (stamp,), (number,) = graph.objects(member, URIRef(GENERATED_AT)), graph.objects(member, URIRef(SEQUENCE))
        assert isinstance(stamp, Literal)
        assert isinstance(number, Literal)
        assert (stamp.datatype, number.datatype) == (XSD.dateTime, XSD.integer)
        assert str(stamp).endswith("Z")
        assert len(str(stamp)) == len("2026-11-23T08:00:00.000Z")
        keys.append((str(stamp), int(number)))
    assert [number for _, number in keys] == list(range(len(keys)))
    assert all(left < right for left, right in pairwise(keys))


@streams
def test_ldes_36_pages_come_in_order(site: Site, stream: str) -> None:
    """LDES-33, LDES-36, LDES-37: following links by their lower bounds gives the members in order of publication."""
    numbers = []
    for _, graph in crawl(site, stream):
        inside = [
            int(str(graph.value(member, URIRef(SEQUENCE)))) for member in members_of(graph, f"{site.base}/{stream}")
        ]
        numbers += sorted(inside)
    assert numbers == sorted(numbers)


def test_ldes_41_versions_name_their_entity(site: Site) -> None:
    """LDES-41: with versionOfPath each member has exactly one IRI there, not its own."""
    for member, graph in published(site, "gent-parking"):
        (entity,) = graph.objects(member, URIRef(VERSION_OF))
        assert isinstance(entity, URIRef)
        assert entity != member


@streams
def test_ldes_57_only_pages_are_immutable(site: Site, stream: str) -> None:
    """LDES-57, LDES-60: ldes:immutable is true, of the page itself, exactly when the header says immutable."""
    for page, graph in crawl(site, stream):
        final = "immutable" in page.headers["cache-control"]
        assert list(graph.subject_objects(IMMUTABLE)) == ([(URIRef(page.url), TRUE)] if final else [])


@streams
@pytest.mark.parametrize("media", FORMATS)
def test_ldes_61_root_is_never_immutable(site: Site, stream: str, media: str) -> None:
    """LDES-61: neither the root nor the stream's redirect is immutable, and the root holds no members."""
    root = site.get(f"/{stream}/log", media)
    assert (None, IMMUTABLE, None) not in root.graph()
    assert (None, MEMBER, None) not in root.graph()
    assert "immutable" not in root.headers["cache-control"]
    assert "immutable" not in site.get(f"/{stream}").headers["cache-control"]


def test_plain_json_walks_everything(site: Site) -> None:
    """A script that knows only JSON finds each member by `view.relation[].node` and `member[]`."""
    todo, seen = [f"{site.base}/gent-parking/log"], set()
    while todo:
        page = json.loads(site.get(todo.pop()).body)
        assert page["@type"] == "EventStream"
        seen |= {member["@id"] for member in page.get("member", [])}
        todo += {relation["node"] for relation in page["view"]["relation"]}
    assert seen == {str(member) for member, _ in published(site, "gent-parking")}


def test_members_in_pages_are_the_bytes_that_were_published(growing: Site) -> None:
    """A page holds each member's body as it was made, with only the log's two facts added."""
    members: tuple[Published, ...] = growing.append("gent-traffic", 3)
    page = growing.get("/gent-traffic/log/0/0").body
    assert all(member.body[:-1] + b',"generatedAtTime":"' in page for member in members)
    assert links(growing.get("/gent-traffic/log", "text/turtle").graph(), f"{growing.base}/gent-traffic/log")
