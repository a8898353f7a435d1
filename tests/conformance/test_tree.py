"""TREE: entry point, nodes and relations (TREE-01..27), over HTTP against real members."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from rdflib import RDF, Graph, URIRef
from rdflib.compare import isomorphic
from rdflib.term import Node

from tests.conformance.kit import FORMATS, LDES, TREE, Site, extract, links, members_of

STREAMS = ("gent-parking", "gent-traffic")
VIEW, NODE, RELATION = URIRef(f"{TREE}view"), URIRef(f"{TREE}node"), URIRef(f"{TREE}relation")
PATH, VALUE = URIRef(f"{TREE}path"), URIRef(f"{TREE}value")
REMAINING = URIRef(f"{TREE}remainingItems")
LOWER, UPPER = f"{TREE}GreaterThanOrEqualToRelation", f"{TREE}LessThanOrEqualToRelation"
STAMP = URIRef("http://www.w3.org/ns/prov#generatedAtTime")

pytestmark = pytest.mark.parametrize("stream", STREAMS)
Pages = dict[str, Graph]


@pytest.fixture
def pages(site: Site, stream: str) -> Pages:
    """Crawl the whole history once; address -> statements."""
    return crawled(site, stream)


_CRAWLS: dict[tuple[str, str], Pages] = {}


def crawled(site: Site, stream: str) -> Pages:
    """Crawl a stream that holds still, at most once per run."""
    key = (site.base, stream)
    if key not in _CRAWLS:
        _CRAWLS[key] = {page.url: page.graph() for page in site.crawl(stream)}
    return _CRAWLS[key]


def root_of(site: Site, stream: str) -> str:
    """Return the address of the root."""
    return f"{site.base}/{stream}/log"


def below(pages: Pages, url: str) -> list[Graph]:
    """Return the page and all pages below it."""
    return [pages[url], *(graph for child in links(pages[url], url) for graph in below(pages, child))]


def relations(graph: Graph) -> list[Node]:
    """Return the relations of a page."""
    return list(graph.objects(None, RELATION))


def moment(value: Node | None) -> datetime:
    """Read a time literal as it is written."""
    return datetime.fromisoformat(str(value))


def test_tree_01_root_views_itself_once(site: Site, stream: str) -> None:
    """TREE-01: in every format the root has exactly one tree:view with its own final address, from the stream."""
    for media in FORMATS:
        root = site.get(f"/{stream}/log", media)
        assert list(root.graph().subjects(VIEW, URIRef(root.url))) == [URIRef(f"{site.base}/{stream}")]


def test_tree_02_stream_leads_to_its_root(site: Site, stream: str) -> None:
    """TREE-02, TREE-05: the stream answers 303 to the root, and the root has the address the redirect names."""
    answer = site.get(f"/{stream}")
    assert (answer.status, answer.headers["location"]) == (303, root_of(site, stream))
    assert site.get(answer.headers["location"]).status == 200


def test_tree_03_one_root_and_one_stream(pages: Pages) -> None:
    """TREE-03: in the whole history there is one tree:view, of one stream."""
    assert len({(s, o) for graph in pages.values() for s, o in graph.subject_objects(VIEW)}) == 1


def test_tree_04_pages_and_streams_are_absolute_iris(pages: Pages) -> None:
    """TREE-04, TREE-12: stream, pages and link targets are absolute http IRIs, one target per relation."""
    for graph in pages.values():
        for relation in relations(graph):
            assert len(list(graph.objects(relation, NODE))) == 1
        for name in (*graph.objects(None, NODE), *graph.subjects(RDF.type, URIRef(f"{LDES}EventStream"))):
            assert isinstance(name, URIRef)
            assert urlsplit(name).scheme == "http"


def test_tree_05_a_trailing_slash_is_no_second_root(site: Site, stream: str) -> None:
    """TREE-05, HTTP-18: the root has one address; with a slash at the end it does not exist."""
    assert site.get(f"/{stream}/log/").status == 404


def test_tree_06_only_the_root_is_an_entry(site: Site, stream: str, pages: Pages) -> None:
    """TREE-06: no page but the root states tree:view."""
    assert [url for url, graph in pages.items() if (None, VIEW, None) in graph] == [root_of(site, stream)]


def test_tree_07_every_page_types_itself_only(pages: Pages) -> None:
    """TREE-07: each page is the one tree:Node it describes."""
    for url, graph in pages.items():
        assert list(graph.subjects(RDF.type, URIRef(f"{TREE}Node"))) == [URIRef(url)]


def test_tree_08_one_described_view(site: Site, stream: str, pages: Pages) -> None:
    """TREE-08, TREE-09: the root has one tree:viewDescription, described in the same page as an ldes:EventSource."""
    graph = pages[root_of(site, stream)]
    (view,) = graph.objects(URIRef(root_of(site, stream)), URIRef(f"{TREE}viewDescription"))
    assert (view, RDF.type, URIRef(f"{LDES}EventSource")) in graph


def test_tree_11_relations_hang_on_their_page(pages: Pages) -> None:
    """TREE-11: the subject of every tree:relation is the page itself."""
    assert all(set(graph.subjects(RELATION)) <= {URIRef(url)} for url, graph in pages.items())


def test_tree_13_relations_have_one_known_type(pages: Pages) -> None:
    """TREE-13: each relation has one type, a lower or an upper bound."""
    for graph in pages.values():
        for relation in relations(graph):
            (kind,) = graph.objects(relation, RDF.type)
            assert str(kind) in (LOWER, UPPER)


def test_tree_14_relations_have_one_path_and_one_value(pages: Pages) -> None:
    """TREE-14, TREE-15, LDES-33: one path, the publication time as a plain IRI, and one value with a zone."""
    for graph in pages.values():
        for relation in relations(graph):
            assert list(graph.objects(relation, PATH)) == [STAMP]
            (value,) = graph.objects(relation, VALUE)
            assert str(value).endswith("Z")


def test_tree_16_every_relation_is_true(pages: Pages) -> None:
    """TREE-16, TREE-18, TREE-26: every member below a link has one publication time, and it keeps both bounds."""
    for graph in pages.values():
        for relation in relations(graph):
            bound, lower = moment(graph.value(relation, VALUE)), (relation, RDF.type, URIRef(LOWER)) in graph
            for page in below(pages, str(graph.value(relation, NODE))):
                for stamp in (moment(value) for value in page.objects(None, STAMP)):
                    assert stamp >= bound if lower else stamp <= bound


def test_tree_17_bounds_can_be_met(pages: Pages) -> None:
    """TREE-17, LDES-34: per target there is one lower bound and at most one upper one, not below it."""
    for graph in pages.values():
        for target in set(graph.objects(None, NODE)):
            bounds = {
                str(graph.value(r, RDF.type)): moment(graph.value(r, VALUE)) for r in graph.subjects(NODE, target)
            }
            assert bounds[LOWER] <= bounds.get(UPPER, bounds[LOWER])


def test_tree_19_members_have_one_value_at_the_path(site: Site, stream: str, pages: Pages) -> None:
    """TREE-19: the path of the relations has exactly one value on every member."""
    for graph in pages.values():
        for member in members_of(graph, f"{site.base}/{stream}"):
            assert len(list(graph.objects(member, STAMP))) == 1


def test_tree_20_tree_is_complete(site: Site, stream: str, pages: Pages) -> None:
    """TREE-20: the pages together hold every member that was published, and no other."""
    count = site.run(lambda store: store.head(stream)).count
    found = [member for graph in pages.values() for member in members_of(graph, f"{site.base}/{stream}")]
    assert len(found) == len(set(found)) == count


def test_tree_21_it_is_a_tree(site: Site, stream: str, pages: Pages) -> None:
    """TREE-21: every page but the root is linked by exactly one page, and nothing links the root."""
    parents = Counter(child for url, graph in pages.items() for child in links(graph, url))
    assert parents == Counter(url for url in pages if url != root_of(site, stream))


def test_tree_22_every_link_answers(site: Site, stream: str, pages: Pages) -> None:
    """TREE-22: every linked page answers 200, and there are several levels of them."""
    assert all(site.get(url).status == 200 for url in pages)
    assert {urlsplit(url).path.split("/")[3] for url in pages if url != root_of(site, stream)} == {"0", "1", "2"}


def test_tree_23_remaining_items_count(site: Site, stream: str, pages: Pages) -> None:
    """TREE-23: tree:remainingItems is the number of members behind the link, on both of its relations."""
    for graph in pages.values():
        for relation in relations(graph):
            reached = below(pages, str(graph.value(relation, NODE)))
            expected = sum(len(members_of(page, f"{site.base}/{stream}")) for page in reached)
            assert [int(str(value)) for value in graph.objects(relation, REMAINING)] == [expected]


def test_tree_24_pages_do_not_mix_streams(site: Site, stream: str, pages: Pages) -> None:
    """TREE-24: whatever is a member is one of this stream."""
    subjects = {subject for graph in pages.values() for subject in graph.subjects(URIRef(f"{TREE}member"))}
    assert subjects == {URIRef(f"{site.base}/{stream}")}


def test_tree_25_a_member_is_the_same_everywhere(site: Site, stream: str, pages: Pages) -> None:
    """TREE-25: a member of the newest states has the statements it has in its page."""
    newest = site.get(f"/{stream}/latest", "text/turtle").graph()
    for member in members_of(newest, f"{site.base}/{stream}"):
        (page,) = [graph for graph in pages.values() if (None, URIRef(f"{TREE}member"), member) in graph]
        assert isomorphic(extract(newest, member), extract(page, member))


def test_tree_27_siblings_do_not_overlap(pages: Pages) -> None:
    """TREE-27: the windows of the pages that one page links are disjoint, in order, and only the last is open."""
    for graph in pages.values():
        windows = []
        for target in set(graph.objects(None, NODE)):
            bounds = {
                str(graph.value(r, RDF.type)): moment(graph.value(r, VALUE)) for r in graph.subjects(NODE, target)
            }
            windows.append((bounds[LOWER], bounds.get(UPPER)))
        windows.sort(key=lambda window: window[0])
        for (_, upper), (lower, _) in itertools.pairwise(windows):
            assert upper is not None
            assert upper < lower
