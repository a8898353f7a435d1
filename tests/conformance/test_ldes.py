"""LDES: description, members, order and immutability (LDES-01..61), over HTTP, on every page of every view."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode
from pyshacl import validate
from rdflib import Graph, URIRef

from ldes_server.model import GENERATED_AT, SEQUENCE, VERSION_OF, Published
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from streams.postgres_log import PostgresLog
from streams.record import Member, members_topic
from tests.conformance.city import MORNING, NAME, VIEWS, city_member, city_members, city_stream
from tests.conformance.kit import FORMATS, LDES, PAGE_SIZE, TREE, Site, make_members
from tests.conformance.pages import TYPE, XSD, Facts, Library, Name, Read, Term, Tree, facts_of, fetch, walk

STREAMS = ("gent-parking", "gent-traffic", NAME)
TREES = [("gent-parking", "log"), ("gent-traffic", "log"), (NAME, "log"), *((NAME, view) for view in VIEWS)]
PATHS = {"timestampPath": GENERATED_AT, "sequencePath": SEQUENCE, "versionOfPath": VERSION_OF}
# What a root may say of its stream besides: everything that P 6.1 allows once.
ONCE = (
    *PATHS,
    *("versionTimestampPath", "versionSequencePath", "transactionPath"),
    *("transactionFinalizedPath", "transactionFinalizedObject", "pollingInterval"),
    *(f"version{word}{part}" for word in ("Create", "Update", "Delete") for part in ("Path", "Object")),
)
MANY = ("log", "by-hour", "by-tile", "by-operator", "by-name", "by-garage")

streams = pytest.mark.parametrize("stream", STREAMS)
views = pytest.mark.parametrize(("stream", "view"), TREES, ids=["/".join(each) for each in TREES])


def ordered(library: Library, stream: str) -> list[tuple[NamedNode, Read]]:
    """Return the members of a history with the pages they are in, in the order of their numbers."""
    found = library.tree(stream, "log").members.items()
    return sorted(found, key=lambda pair: int(pair[1].facts.one(pair[0], SEQUENCE).value))


def owned(page: Read) -> dict[Name, set[tuple[Name, str, Term]]]:
    """Return the statements of each member of a page."""
    return {member: page.facts.extract(member) for member in page.members}


# --- description ----------------------------------------------------------------------------------------------------


@views
def test_ldes_01_stream_is_typed(library: Library, stream: str, view: str) -> None:
    """LDES-01: every page types the stream ldes:EventStream and nothing else."""
    tree = library.tree(stream, view)
    for page in tree.pages.values():
        assert page.facts.objects(NamedNode(tree.stream), TYPE) == [NamedNode(f"{LDES}EventStream")]


@views
def test_ldes_02_root_carries_the_context(site: Site, library: Library, stream: str, view: str) -> None:
    """LDES-02, LDES-03, LDES-04, LDES-05, LDES-06, LDES-42: each root has each path once, a plain IRI; other pages have none of it."""
    tree = library.tree(stream, view)
    name, facts = NamedNode(tree.stream), tree.pages[tree.root].facts
    expected = dict(PATHS) if site.streams[stream].model.versioned else {**PATHS, "versionOfPath": ""}
    for word, path in expected.items():
        assert facts.objects(name, LDES + word) == ([NamedNode(path)] if path else [])
    # LDES-42: what orders versions comes only with the path to their entity.
    assert [bool(facts.objects(name, f"{LDES}version{word}Path")) for word in ("Timestamp", "Sequence")] == (
        [bool(expected["versionOfPath"])] * 2
    )
    context = {LDES + word for word in ONCE} | {f"{TREE}shape", f"{LDES}retentionPolicy"}
    for word in context:
        assert len(facts.objects(name, word)) <= 1
        if word.endswith("Path"):
            assert all(isinstance(value, NamedNode) for value in facts.objects(name, word))
    others = [page for page in tree.pages.values() if page.url != tree.root]
    assert not [page.url for page in others if any(page.facts.pairs(word) for word in context)]


@views
def test_ldes_07_polling_interval_is_a_whole_number(library: Library, stream: str, view: str) -> None:
    """LDES-07: ldes:pollingInterval is one xsd:integer of at least 1."""
    tree = library.tree(stream, view)
    value = tree.pages[tree.root].facts.one(NamedNode(tree.stream), f"{LDES}pollingInterval")
    assert value == Literal("30", datatype=NamedNode(f"{XSD}integer"))


# --- members --------------------------------------------------------------------------------------------------------


@views
def test_ldes_10_members_are_linked_iris(library: Library, stream: str, view: str) -> None:
    """LDES-10, LDES-11: whatever has a publication time is an object of tree:member, an IRI, once per page."""
    for page in library.tree(stream, view).pages.values():
        linked = [value for _, value in page.facts.pairs(f"{TREE}member")]
        assert linked == list(page.members)
        assert len(linked) == len(set(linked))
        assert {name for name, _ in page.facts.pairs(GENERATED_AT)} == set(linked)


@pytest.fixture(scope="module")
def city(growing_site: Site) -> Site:
    """Give a site with one stream with views and 120 members, to publish more to."""
    stream = city_stream()
    growing_site.add(NAME, lambda start: city_members(stream, range(start, start + 120), growing_site.base))
    growing_site.declare(stream)
    return growing_site


def grow(site: Site, count: int) -> None:
    """Publish more members of the city."""
    stream = site.streams[NAME]
    site.add(NAME, lambda start: city_members(stream, range(start, start + count), site.base))


def crawl(site: Site) -> dict[str, Tree]:
    """Read all of several views."""
    return {view: walk(site, NAME, view) for view in MANY}


def test_ldes_12_members_and_log_only_grow(city: Site) -> None:
    """LDES-12, LDES-13, LDES-58, LDES-59, HTTP-32: more members, late ones too, leave final pages of all views as they were."""
    before = crawl(city)
    final = {page.url: page for tree in before.values() for page in tree.pages.values() if page.final}
    assert len(final) > 50
    for more in (1, 9, 110):
        grow(city, more)
        for url, page in list(final.items())[more % 4 :: 4]:
            now = fetch(city, url, page.answer.url.split(f"/{NAME}/")[0] + f"/{NAME}").answer
            assert (now.body, now.headers["etag"]) == (page.answer.body, page.answer.headers["etag"])
    after = crawl(city)
    for view, tree in before.items():
        assert tree.members.keys() < after[view].members.keys()
        said = {member: page.facts.member(member) for member, page in after[view].members.items()}
        assert all(page.facts.member(member) == said[member] for member, page in tree.members.items())
        assert all(
            after[view].pages[page.url].answer.body == page.answer.body for page in tree.pages.values() if page.final
        )


@views
def test_ldes_14_members_can_be_extracted(library: Library, stream: str, view: str) -> None:
    """LDES-14, LDES-16: the algorithm finds each member, and what is left of a page is its hypermedia."""
    tree = library.tree(stream, view)
    for page in tree.pages.values():
        if page.url == tree.root:
            continue
        members = owned(page)
        assert all(len(said) > 5 for said in members.values())
        left = set(page.facts).difference(*members.values())
        relations = {value for _, value in page.facts.pairs(f"{TREE}relation")}
        lists = {subject for subject, predicate, _ in left if predicate.endswith(("#first", "#rest"))}
        assert {subject for subject, _, _ in left} == {NamedNode(page.url), NamedNode(tree.stream), *relations, *lists}


@streams
@pytest.mark.parametrize("media", FORMATS)
def test_ldes_15_no_blank_node_is_shared(site: Site, stream: str, media: str) -> None:
    """LDES-15: in every format no blank node belongs to two members, or to a member and the page."""
    facts = facts_of(site.get(f"/{stream}/log/0/3", media))
    owners: dict[Term, set[Name]] = {}
    for _, member in facts.pairs(f"{TREE}member"):
        assert isinstance(member, NamedNode)
        for subject, _, value in facts.extract(member):
            for term in (subject, value):
                if isinstance(term, BlankNode):
                    owners.setdefault(term, set()).add(member)
    assert owners
    assert all(len(found) == 1 for found in owners.values())


@views
def test_ldes_17_all_ways_of_extraction_agree(library: Library, stream: str, view: str) -> None:
    """LDES-17, LDES-18: following names as well as blank nodes finds no more, so no member leads to the page or another one."""
    tree = library.tree(stream, view)
    for page in list(tree.pages.values())[1::3]:
        for member, said in owned(page).items():
            assert page.facts.extract(member, into_names=True) == said
            mentioned = {value for _, _, value in said if isinstance(value, NamedNode)}
            assert not mentioned & ({NamedNode(tree.stream)} | {NamedNode(url) for url in tree.pages})


@streams
def test_ldes_21_shape_is_inline_and_holds(library: Library, stream: str) -> None:
    """LDES-21, LDES-22, LDES-23: the root has one shape, described in place, open, and members conform to it."""
    tree = library.tree(stream, "log")
    root = tree.pages[tree.root]
    shape = root.facts.one(NamedNode(tree.stream), f"{TREE}shape")
    assert isinstance(shape, NamedNode)
    assert root.facts.objects(shape, TYPE) == [NamedNode("http://www.w3.org/ns/shacl#NodeShape")]
    assert not root.facts.pairs("http://www.w3.org/ns/shacl#closed")
    assert not root.facts.pairs("http://www.w3.org/ns/shacl#node")
    # Every page of the city, whose members differ most; elsewhere some.
    for page in [each for each in tree.pages.values() if each.members][:: 1 if stream == NAME else 9]:
        data = Graph().parse(data=page.answer.body, format="nt")
        focus: list[str | URIRef] = [URIRef(member.value) for member in page.members]
        conforms, _, report = validate(data, shacl_graph=root.answer.graph(), focus_nodes=focus)
        assert conforms, report


@streams
def test_ldes_24_member_dereferences_to_its_quads(site: Site, library: Library, stream: str) -> None:
    """LDES-24: a member's address gives the statements it has in its page, for ever, in every format."""
    for member, page in ordered(library, stream)[2::101]:
        for media in FORMATS:
            answer = site.get(member.value, media)
            assert (answer.status, answer.media) == (200, media)
            assert answer.headers["cache-control"] == "public, max-age=604800, immutable"
            found = facts_of(answer)
            expected = Facts(page.facts.extract(member))
            assert found.canonical() == expected.canonical()


def test_ldes_27_one_event_has_one_iri(growing: Site) -> None:
    """LDES-27: what comes again from the log, in part or in whole, is published once, whoever sent it again."""
    stream = growing.streams["gent-parking"]
    members = make_members(stream, range(3 * PAGE_SIZE), growing.base)
    records = [
        Member(id=each.id, entity=each.entity, observed_at=each.observed_at, body=each.body).to_record()
        for each in members
    ]

    async def work(store: PostgresStore) -> None:
        stop = asyncio.Event()
        async with PostgresLog(growing._dsn) as log, asyncio.timeout(20), asyncio.TaskGroup() as group:
            topic = members_topic(stream.name)
            await log.append(topic, records[:20])
            group.create_task(run_writer(stream, log, store, stop=stop))
            for again in (records[:20], records[15:], records):
                last = await log.append(topic, again)
                while (await store.head(stream.name)).position < last:  # noqa: ASYNC110 - the writer signals nothing
                    await asyncio.sleep(0.02)
            stop.set()

    growing.run(work)
    tree = walk(growing, stream.name, "log")
    names = [member.value for page in tree.pages.values() for member in page.members]
    assert sorted(names) == sorted(f"{growing.base}/{each.id}" for each in members)


@views
def test_ldes_28_pages_are_bounded(library: Library, stream: str, view: str) -> None:
    """LDES-28: no page holds more members than it may, or more than 64 buckets and a few pages as links."""
    for page in library.tree(stream, view).pages.values():
        assert len(page.members) <= PAGE_SIZE
        assert len(page.links) <= 80


# --- order ----------------------------------------------------------------------------------------------------------


@streams
def test_ldes_30_order_keys_are_single_and_typed(library: Library, stream: str) -> None:
    """LDES-30, LDES-31, LDES-32, LDES-55: one xsd:dateTime with milliseconds, one xsd:integer; together they increase."""
    keys = []
    for member, page in ordered(library, stream):
        stamp, number = page.facts.one(member, GENERATED_AT), page.facts.one(member, SEQUENCE)
        assert isinstance(stamp, Literal)
        assert isinstance(number, Literal)
        assert (stamp.datatype.value, number.datatype.value) == (f"{XSD}dateTime", f"{XSD}integer")
        assert stamp.value.endswith("Z")
        assert len(stamp.value) == len("2026-11-23T08:00:00.000Z")
        keys.append((stamp.value, int(number.value)))
    assert [number for _, number in keys] == list(range(len(keys)))
    assert all(left < right for left, right in pairwise(keys))


@streams
def test_ldes_36_pages_come_in_order(library: Library, stream: str) -> None:
    """LDES-36: reading the history by its lower bounds gives the members in order of publication."""
    tree = library.tree(stream, "log")
    numbers: list[int] = []
    todo = [tree.pages[tree.root]]
    while todo:
        page = todo.pop()
        numbers += sorted(int(page.facts.one(member, SEQUENCE).value) for member in page.members)
        lowest = {link.target: min(bound.value.value for bound in link.bounds) for link in page.links}
        todo += [tree.pages[url] for url in sorted(lowest, key=lambda url: lowest[url], reverse=True)]
    assert numbers == list(range(len(tree.members)))


def test_ldes_29_new_members_are_never_older(city: Site) -> None:
    """LDES-29, LDES-35: what is published later is stamped no earlier, and comes into no page that is bounded before it."""
    before = walk(city, NAME, "log")
    newest = max(page.facts.one(member, GENERATED_AT).value for member, page in before.members.items())
    bounded = {
        link.target: before.held(link.target)
        for _, link in before.links()
        if any(bound.kind.startswith("Less") for bound in link.bounds)
    }
    assert len(bounded) > 10
    grow(city, 33)
    after = walk(city, NAME, "log")
    fresh = after.members.keys() - before.members.keys()
    assert len(fresh) == 33
    assert min(after.members[member].facts.one(member, GENERATED_AT).value for member in fresh) >= newest
    assert all(after.held(url) == held for url, held in bounded.items() if url in after.pages)


def test_ldes_38_late_data_is_published_now(city: Site) -> None:
    """LDES-38, LDES-39: what was observed days ago comes into the head of the history, and beside its closed window elsewhere."""
    grow(city, 15)
    before = {view: walk(city, NAME, view) for view in ("log", "by-hour")}
    final = [page for tree in before.values() for page in tree.pages.values() if page.final]
    stream = city.streams[NAME]
    said = {**_PLAIN, "delay": MORNING.replace(day=24) - MORNING}
    (late,) = city.add(NAME, lambda start: (city_member(stream, start, city.base, said),))
    member = NamedNode(f"{city.base}/{late.id}")
    after = {view: walk(city, NAME, view) for view in ("log", "by-hour")}
    (page,) = [each for each in after["log"].pages.values() if member in each.members]
    assert not page.final or len(page.members) == PAGE_SIZE
    assert page.facts.one(member, SEQUENCE).value == str(len(after["log"].members) - 1)
    for each in final:
        assert fetch(city, each.url, after["log"].stream).answer.body == each.answer.body
    found = next(each for each in after["by-hour"].pages.values() if member in each.members)
    assert "/late" in found.url
    assert found.url not in {each.url for each in final}
    # It is behind a window that holds it, on pages that may still change.
    trail = [(each, link) for each, link in after["by-hour"].links() if member in after["by-hour"].held(link.target)]
    assert not any(each.final for each, _ in trail)
    assert any(bound.kind == "LessThanRelation" for _, link in trail for bound in link.bounds)


_PLAIN = {
    "operator": "Indigo",
    "place": "POINT (3.72 51.05)",
    "offset": 0,
    "free": 3,
    "name": (("nl", "Zuid"),),
    "garage": 1,
    "open": True,
}


@streams
def test_ldes_41_versions_name_their_entity(site: Site, library: Library, stream: str) -> None:
    """LDES-41: with versionOfPath each member has exactly one IRI there, not its own; without it, none."""
    for member, page in ordered(library, stream):
        found = page.facts.objects(member, VERSION_OF)
        assert len(found) == (1 if site.streams[stream].model.versioned else 0)
        assert all(isinstance(entity, NamedNode) and entity != member for entity in found)


# --- immutability ---------------------------------------------------------------------------------------------------


@views
def test_ldes_57_only_pages_are_immutable(library: Library, stream: str, view: str) -> None:
    """LDES-57, LDES-60: ldes:immutable is true, of the page itself, exactly when the header says immutable."""
    true = Literal("true", datatype=NamedNode(f"{XSD}boolean"))
    pages = library.tree(stream, view).pages.values()
    for page in pages:
        expected = [(NamedNode(page.url), true)] if page.final else []
        assert page.facts.pairs(f"{LDES}immutable") == expected
    assert {page.final for page in pages} == ({False} if view == "newest" else {True, False})


@views
def test_ldes_61_root_is_never_immutable(site: Site, stream: str, view: str) -> None:
    """LDES-61: neither a root nor the stream's redirect is immutable, in any format."""
    for media in FORMATS:
        root = site.get(f"/{stream}/{view}", media)
        assert not facts_of(root).pairs(f"{LDES}immutable")
        assert "immutable" not in root.headers["cache-control"]
    assert "immutable" not in site.get(f"/{stream}").headers["cache-control"]


# --- as bytes -------------------------------------------------------------------------------------------------------


@views
def test_plain_json_walks_everything(site: Site, library: Library, stream: str, view: str) -> None:
    """A script that knows only JSON finds each member by `view.relation[].node` and `member[]`."""
    todo, seen = [f"{site.base}/{stream}/{view}"], set()
    while todo:
        page = json.loads(site.get(todo.pop()).body)
        assert page["@type"] == "EventStream"
        seen |= {member["@id"] for member in page.get("member", [])}
        todo += {relation["node"] for relation in page["view"]["relation"]}
    assert seen == {member.value for member in library.tree(stream, view).members}


def test_members_in_pages_are_the_bytes_that_were_published(growing: Site) -> None:
    """A page holds each member's body as it was made, with only the log's two facts added."""
    members: tuple[Published, ...] = growing.append("gent-traffic", 3)
    page = growing.get("/gent-traffic/log/0/0").body
    assert all(member.body[:-1] + b',"generatedAtTime":"' in page for member in members)
