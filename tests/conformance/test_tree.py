"""TREE: entry point, nodes and relations (TREE-01..27), over HTTP, on every page of every view."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from pyoxigraph import Literal, NamedNode

from ldes_server.model import SEQUENCE, VERSION_OF
from tests.conformance.city import NAME, VIEWS
from tests.conformance.comparing import family, order, satisfies, span
from tests.conformance.kit import FORMATS, LDES, TREE, Site
from tests.conformance.pages import TYPE, XSD, Bound, Library, Link, Read, Tree, facts_of, is_event_source

STAMP = "http://www.w3.org/ns/prov#generatedAtTime"
LOWER, UPPER = (
    ("GreaterThanRelation", "GreaterThanOrEqualToRelation"),
    ("LessThanRelation", "LessThanOrEqualToRelation"),
)
KINDS = {*LOWER, *UPPER, "EqualToRelation", "PrefixRelation", "GeospatiallyContainsRelation", "Relation"}
TREES = [("gent-parking", "log"), ("gent-traffic", "log"), (NAME, "log"), *((NAME, view) for view in VIEWS)]

pytestmark = pytest.mark.parametrize(("stream", "view"), TREES, ids=["/".join(each) for each in TREES])


@pytest.fixture
def tree(library: Library, stream: str, view: str) -> Tree:
    """Read a whole view once."""
    return library.tree(stream, view)


def test_tree_01_root_views_itself_once(site: Site, stream: str, view: str) -> None:
    """TREE-01: in every format a root has exactly one tree:view with its own final address, from the stream."""
    for media in FORMATS:
        root = site.get(f"/{stream}/{view}", media)
        subjects = [name for name, seen in facts_of(root).pairs(f"{TREE}view") if seen == NamedNode(root.url)]
        assert subjects == [NamedNode(f"{site.base}/{stream}")]


def test_tree_02_stream_leads_to_its_root(site: Site, stream: str, view: str) -> None:
    """TREE-02, TREE-05: the stream answers 303 to one root whatever views there are, at the address the redirect names."""
    answer = site.get(f"/{stream}")
    assert (answer.status, answer.headers["location"]) == (303, f"{site.base}/{stream}/log")
    assert site.get(answer.headers["location"]).status == 200
    assert site.get(f"/{stream}/{view}").status == 200


def test_tree_03_one_root_and_one_stream(tree: Tree) -> None:
    """TREE-03: what a view says of views is on its root, is of one stream, and names the root itself among them."""
    found = [(page.url, pair) for page in tree.pages.values() for pair in page.facts.pairs(f"{TREE}view")]
    assert {url for url, _ in found} == {tree.root}
    assert {subject for _, (subject, _) in found} == {NamedNode(tree.stream)}
    assert [value for _, (_, value) in found].count(NamedNode(tree.root)) == 1


def test_tree_04_pages_and_streams_are_absolute_iris(tree: Tree) -> None:
    """TREE-04, TREE-12: stream, views, pages and targets are absolute http IRIs, one target per relation."""
    for page in tree.pages.values():
        for _, relation in page.facts.pairs(f"{TREE}relation"):
            assert not isinstance(relation, Literal)
            assert len(page.facts.objects(relation, f"{TREE}node")) == 1
        names = [value for word in ("node", "view") for _, value in page.facts.pairs(f"{TREE}{word}")]
        names += [name for name, kind in page.facts.pairs(TYPE) if kind == NamedNode(f"{LDES}EventStream")]
        for name in names:
            assert isinstance(name, NamedNode)
            assert urlsplit(name.value).scheme == "http"
            assert urlsplit(name.value).netloc


def test_tree_05_a_trailing_slash_is_no_second_root(site: Site, stream: str, view: str) -> None:
    """TREE-05, HTTP-18: a root has one address; with a slash at the end it does not exist."""
    assert site.get(f"/{stream}/{view}/").status == 404


def test_tree_06_only_the_root_is_an_entry(tree: Tree) -> None:
    """TREE-06: no page but the root states tree:view."""
    assert [url for url, page in tree.pages.items() if page.facts.pairs(f"{TREE}view")] == [tree.root]


def test_tree_07_every_page_types_itself_only(tree: Tree) -> None:
    """TREE-07: each page is the one tree:Node it describes."""
    for url, page in tree.pages.items():
        assert [name for name, kind in page.facts.pairs(TYPE) if kind.value == f"{TREE}Node"] == [NamedNode(url)]


def test_tree_08_one_described_view(tree: Tree) -> None:
    """TREE-08, TREE-09: a root has one tree:viewDescription, which the same page describes; no other page has any."""
    facts = tree.pages[tree.root].facts
    (view,) = facts.objects(NamedNode(tree.root), f"{TREE}viewDescription")
    assert isinstance(view, NamedNode)
    assert facts.about(view)
    assert [page.url for page in tree.pages.values() if page.facts.pairs(f"{TREE}viewDescription")] == [tree.root]


def test_tree_11_relations_hang_on_their_page(tree: Tree) -> None:
    """TREE-11: the subject of every tree:relation is the page itself."""
    for url, page in tree.pages.items():
        assert {name for name, _ in page.facts.pairs(f"{TREE}relation")} <= {NamedNode(url)}


def test_tree_13_relations_have_one_known_type(tree: Tree) -> None:
    """TREE-13: each relation has one type, and one that the vocabulary knows."""
    for page in tree.pages.values():
        for _, relation in page.facts.pairs(f"{TREE}relation"):
            assert not isinstance(relation, Literal)
            assert page.facts.one(relation, TYPE).value.removeprefix(TREE) in KINDS


def test_tree_14_relations_have_one_path_and_one_value(tree: Tree) -> None:
    """TREE-14, TREE-15: a relation that constrains has one path, a predicate or a list of several, and one value."""
    for page in tree.pages.values():
        for _, relation in page.facts.pairs(f"{TREE}relation"):
            assert not isinstance(relation, Literal)
            counts = [len(page.facts.objects(relation, f"{TREE}{word}")) for word in ("path", "value")]
            plain = page.facts.one(relation, TYPE).value == f"{TREE}Relation"
            assert counts == ([0, 0] if plain else [1, 1])
            if not plain and not isinstance(path := page.facts.one(relation, f"{TREE}path"), NamedNode):
                steps = page.facts.items(path)
                assert len(steps) > 1
                assert all(isinstance(step, NamedNode) for step in steps)


def test_tree_16_every_relation_is_true(tree: Tree) -> None:
    """TREE-16, TREE-18, TREE-26: each member at and below a link has a value in its page that meets all its bounds."""
    checked = 0
    for _, link in tree.links():
        for page in tree.below(link.target):
            for member in page.members:
                for path, bounds in by_path(link).items():
                    values = page.facts.along(member, path)
                    assert any(all(satisfies(value, bound) for bound in bounds) for value in values), (member, link)
                    checked += 1
    assert checked > len(tree.members) or not any(link.bounds for _, link in tree.links())


def by_path(link: Link) -> dict[tuple[str, ...], list[Bound]]:
    """Gather the bounds of a link by their paths."""
    found: dict[tuple[str, ...], list[Bound]] = defaultdict(list)
    for bound in link.bounds:
        found[bound.path].append(bound)
    return found


def test_tree_17_bounds_can_be_met(tree: Tree) -> None:
    """TREE-17, LDES-34: bounds come as one lower with at most one upper that is not below it, or as one of another kind."""
    for _, link in tree.links():
        for bounds in by_path(link).values():
            lower = [each for each in bounds if each.kind in LOWER]
            upper = [each for each in bounds if each.kind in UPPER]
            assert len(bounds) == (len(lower) + len(upper) or 1)
            if lower or upper:
                assert (len(lower), len(upper)) in ((1, 0), (1, 1))
            for low, high in itertools.product(lower, upper):
                assert order(low.value, high.value) < (high.kind == "LessThanOrEqualToRelation")


def test_tree_19_members_have_one_value_at_the_path(tree: Tree, view: str) -> None:
    """TREE-19: members have at most one value at the path of a relation; texts in several languages have one per language."""
    paths = {bound.path for _, link in tree.links() for bound in link.bounds}
    assert bool(paths) is (view != "newest")
    for member, page in tree.members.items():
        for path in paths:
            values = page.facts.along(member, path)
            languages = [value.language for value in values if isinstance(value, Literal)]
            assert len(values) <= 1 or (view == "by-name" and len(set(languages)) == len(values))


def test_tree_20_tree_is_complete(site: Site, library: Library, stream: str, view: str, tree: Tree) -> None:
    """TREE-20: the pages of a view together hold every member that was published; of newest versions, the newest of each."""
    count = site.run(lambda store: store.head(stream)).count
    if view == "newest":
        history = library.tree(stream, "log").members
        order = {member: version_key(page, member) for member, page in history.items()}
        newest = {
            page.facts.one(each, VERSION_OF): each
            for each, page in sorted(history.items(), key=lambda it: order[it[0]])
        }
        assert tree.members.keys() == set(newest.values())
    else:
        numbers = [int(page.facts.one(member, SEQUENCE).value) for member, page in tree.members.items()]
        assert sorted(numbers) == list(range(count))


def version_key(page: Read, member: NamedNode) -> tuple[datetime, int]:
    """Return what the versions of an entity are ordered by: when they were observed, then their numbers."""
    observed = span(page.facts.one(member, "http://www.w3.org/ns/sosa/resultTime").value)
    return observed.first, int(page.facts.one(member, SEQUENCE).value)


def test_tree_21_it_is_a_tree(tree: Tree) -> None:
    """TREE-21: every page but the root is linked by exactly one page, and nothing links the root."""
    parents = Counter(link.target for _, link in tree.links())
    assert parents == Counter(url for url in tree.pages if url != tree.root)


def test_tree_22_every_link_answers(tree: Tree) -> None:
    """TREE-22: every linked page answers 200; there are many, several links deep."""
    assert {link.target for _, link in tree.links()} == tree.pages.keys() - {tree.root}
    assert {page.answer.status for page in tree.pages.values()} == {200}
    assert len(tree.pages) > 10
    assert max(page.depth for page in tree.pages.values()) - tree.root.count("/") >= 2


def test_tree_23_remaining_items_count(tree: Tree) -> None:
    """TREE-23: tree:remainingItems is the number of members behind the link, each once, on each of its relations."""
    for _, link in tree.links():
        assert set(link.remaining) == {len(tree.held(link.target))}
        assert len(link.remaining) == max(1, len(link.bounds))


def test_tree_24_pages_do_not_mix_streams(tree: Tree) -> None:
    """TREE-24: whatever is a member is one of this stream."""
    subjects = {name for page in tree.pages.values() for name, _ in page.facts.pairs(f"{TREE}member")}
    assert subjects == {NamedNode(tree.stream)}


def test_tree_25_a_member_is_the_same_everywhere(library: Library, stream: str, tree: Tree) -> None:
    """TREE-25: a member says the same on each page of a view as in the history."""
    history = library.tree(stream, "log").members
    known = {name: page.facts.member(name) for name, page in history.items()}
    assert all(page.facts.member(name) == known[name] for page in tree.pages.values() for name in page.members)


def test_tree_25_the_newest_states_are_the_members(site: Site, library: Library, stream: str, view: str) -> None:
    """TREE-25: a member of the newest states has the statements it has in its page."""
    newest = facts_of(site.get(f"/{stream}/latest", "text/turtle"))
    tree = library.tree(stream, view)
    names = [name for _, name in newest.pairs(f"{TREE}member") if isinstance(name, NamedNode)]
    assert names
    assert all(newest.member(name) == tree.members[name].facts.member(name) for name in names)


def test_tree_27_siblings_do_not_overlap(tree: Tree) -> None:
    """TREE-27: windows of pages beside each other are disjoint, and equal values and areas are not given twice."""
    for page in tree.pages.values():
        windows: dict[tuple[str, ...], list[tuple[Bound, Bound | None]]] = defaultdict(list)
        others: list[Bound] = []
        for link in page.links:
            for path, bounds in by_path(link).items():
                lower = next((each for each in bounds if each.kind in LOWER), None)
                if lower:
                    windows[path].append((lower, next((each for each in bounds if each.kind in UPPER), None)))
                else:
                    others += bounds
        assert len(others) == len(set(others))
        for found in windows.values():
            found.sort(key=lambda pair: span(pair[0].value.value).first)
            for (_, upper), (lower, _) in itertools.pairwise(found):
                assert upper is not None
                assert order(upper.value, lower.value) < (upper.kind == "LessThanRelation")


def test_tree_29_values_can_be_compared(tree: Tree) -> None:
    """TREE-29: a relation's value is of the family of every value behind it, so that they can be compared."""
    for _, link in tree.links():
        for page in tree.below(link.target):
            for member in page.members:
                for bound in link.bounds:
                    families = {family(value) for value in page.facts.along(member, bound.path)}
                    assert families == {family(bound.value)}


def test_tree_33_times_have_a_zone(tree: Tree) -> None:
    """TREE-33, TREE-34: each xsd:dateTime of a page is spelled as XML Schema wants it, with a zone."""
    seen = 0
    for page in tree.pages.values():
        for _, _, value in page.facts:
            if isinstance(value, Literal) and value.datatype.value == f"{XSD}dateTime":
                moment = span(value.value)
                assert moment.first == moment.last, value
                seen += 1
    assert seen > len(tree.members)


def test_ldes_33_only_history_is_ordered_by_publication(tree: Tree, view: str) -> None:
    """LDES-08, LDES-33, LDES-36, LDES-37: the history alone is an event source; each link has a lower bound on that time."""
    assert is_event_source(tree) is (view == "log")
    if view == "log":
        for _, link in tree.links():
            assert {bound.path for bound in link.bounds} == {(STAMP,)}
            assert any(bound.kind in LOWER for bound in link.bounds)


def test_ldes_44_views_have_the_same_members(library: Library, stream: str, view: str, tree: Tree) -> None:
    """LDES-44: every view without a policy has the members of the history; one with a policy has no others."""
    history = library.tree(stream, "log").members.keys()
    policy = tree.pages[tree.root].facts.objects(NamedNode(tree.root), f"{LDES}retentionPolicy")
    assert bool(policy) is (view == "newest")
    assert tree.members.keys() < history if policy else tree.members.keys() == history
