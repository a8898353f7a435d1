"""CLI-01 to CLI-20: what a client must do, shown on our own against a feed that misbehaves on command."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from streams.errors import FeedError
from testbed.client.crawl import Format, Wish
from testbed.client.geometry import parse_box
from testbed.client.limits import Limits
from testbed.client.paths import parse_path
from testbed.client.query import Query, Where, Within
from testbed.feed.documents import (
    DESCRIPTION,
    FINAL,
    FORMATS,
    OPEN,
    Document,
    history,
    member,
    relation,
    time_of,
    window,
)
from testbed.feed.server import FeedServer, Reaction
from tests.support.replicating import AGENT, copy, with_limits

ORDERED = Wish(ordered=True)
ROOT = DESCRIPTION + "</feed> tree:view <> .\n<> a tree:Node .\n"
COLOUR = parse_path("https://example.org/ns#colour")


@pytest_asyncio.fixture
async def feed() -> AsyncIterator[FeedServer]:
    """Serve a correct feed of 23 members on five pages, the last one open."""
    async with FeedServer(history(23, 5)) as server:
        yield server


def plain(*members: int, final: bool = True) -> Document:
    """Make a leaf."""
    return Document(trig="<> a tree:Node .\n" + "".join(map(member, members)), headers=FINAL if final else OPEN)


def link(node: str) -> str:
    """Write a relation that promises nothing."""
    return f"<> tree:relation [ a tree:Relation ; tree:node <{node}> ] .\n"


# --- finding the feed -------------------------------------------------------------------------------------------------


async def test_cli_01_one_iri_is_enough(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-01: the IRI of a stream, a root, what redirects to a root, and a page with one tree:view give the same."""
    feed.documents["/view"] = feed.documents["/feed"]
    feed.documents["/about"] = Document(trig="</feed> tree:view </view> .")
    feed.documents["/hash"] = Document(trig="<#stream> tree:view </other> .")
    feed.documents["/other"] = Document(
        trig="</hash#stream> a ldes:EventStream ; tree:view <> ; tree:member </members/1> .\n"
        "</members/1> ex:number 1 . </feed> ex:unrelated 1 ."
    )
    feed.always["/go"] = Reaction(status=303, headers={"Location": "/feed"})
    for number, entry in enumerate(("/feed", "/view", "/go", "/about")):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert (await copy(feed.base + entry, folder)).numbers == list(range(23)), entry
    (tmp_path / "hash").mkdir()
    assert (await copy(f"{feed.base}/hash#stream", tmp_path / "hash")).numbers == [1]


@pytest.mark.parametrize(
    ("trig", "said"),
    [
        ("</a> tree:view <> . </b> tree:view <> .", "a view of several streams"),
        ("</entry> tree:view </a> , </b> .", "has several views"),
        ("</c> tree:view </a> . </d> tree:view </b> .", "has several views"),
        ("</entry> a ldes:EventStream .", "neither is a view nor has one"),
    ],
)
async def test_cli_02_an_ambiguous_entry_is_refused(feed: FeedServer, tmp_path: Path, trig: str, said: str) -> None:
    """CLI-02: two streams for one page, two views of one stream, or none: an error that says what and what to do."""
    feed.documents["/entry"] = Document(trig=trig)
    with pytest.raises(FeedError, match=said) as caught:
        await copy(f"{feed.base}/entry", tmp_path)
    assert caught.value.fix


async def test_cli_02_the_page_itself_comes_first(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-02: a root that also names other views of its stream is the root."""
    root = feed.documents["/feed"]
    feed.documents["/feed"] = Document(trig=root.trig + "</feed> tree:view </elsewhere> .", headers=root.headers)
    assert (await copy(f"{feed.base}/feed", tmp_path)).numbers == list(range(23))


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("media", FORMATS)
async def test_cli_03_every_media_type_gives_the_same_members(
    feed: FeedServer, tmp_path: Path, media: str, format_: Format
) -> None:
    """CLI-03: all five are asked for, and each gives every member with the same statements."""
    wanted = (await copy(f"{feed.base}/feed", tmp_path, wish=Wish(format=Format.NQUADS))).text
    for path, document in feed.documents.items():
        raw = (media, document.body(media, feed.base + path))
        feed.documents[path] = Document(raw=raw, headers=document.headers)
    (tmp_path / media).mkdir(parents=True)
    copied = await copy(f"{feed.base}/feed", tmp_path / media, wish=Wish(format=format_))
    if format_ is Format.NQUADS:
        assert sorted(copied.text.splitlines()) == sorted(wanted.splitlines())
    else:
        assert copied.numbers == list(range(23))
        assert {place["https://example.org/ns#number"][0]["@value"] for place in copied.members} == {
            str(number) for number in range(23)
        }
    assert all(name in feed.asked[-1].headers["Accept"] for name in FORMATS)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_cli_04_passing_trouble_is_tried_again(feed: FeedServer, tmp_path: Path, status: int) -> None:
    """CLI-04: each of the seven statuses, a connection that ends and a body that is cut cost nothing but another try."""
    feed.on("/feed", Reaction(status=status), Reaction(closed=True))
    feed.on("/feed/1", Reaction(status=status), Reaction(cut=True))
    assert (await copy(f"{feed.base}/feed", tmp_path)).numbers == list(range(23))
    assert feed.paths().count("/feed/1") == 3


async def test_cli_04_retry_after_is_honoured(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-04: a server that says when to come again is obeyed, also when that is sooner; never for hours."""
    slow = with_limits(first_pause=timedelta(hours=1), longest_pause=timedelta(hours=1))
    feed.on("/feed/2", Reaction(status=429, headers={"Retry-After": "0"}))
    feed.on("/feed/3", Reaction(status=503, headers={"Retry-After": "Mon, 23 Nov 2026 08:00:00 GMT"}))
    assert (await copy(f"{feed.base}/feed", tmp_path, limits=slow)).numbers == list(range(23))
    feed.on("/feed/4", Reaction(status=503, headers={"Retry-After": "86400"}))
    with pytest.raises(FeedError, match="asks to wait 86400 s"):
        await copy(f"{feed.base}/feed", tmp_path)


async def test_cli_04_tries_end(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-04: trouble that does not pass is an error after all tries; what was copied is kept."""
    feed.always["/feed/2"] = Reaction(status=503)
    with pytest.raises(FeedError, match="/feed/2: answered 503, 6 times"):
        await copy(f"{feed.base}/feed", tmp_path)
    assert (tmp_path / "copy").read_bytes().count(b"\n") == 10
    del feed.always["/feed/2"]
    assert (await copy(f"{feed.base}/feed", tmp_path)).numbers == list(range(23))


async def test_cli_05_what_is_gone_is_empty(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-05: a page that answers 410 has no members and is not asked for again."""
    feed.always["/feed/1"] = Reaction(status=410)
    copied = await copy(f"{feed.base}/feed", tmp_path, runs=2)
    assert copied.numbers == [*range(5), *range(10, 23)]
    assert feed.paths().count("/feed/1") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 418, 501])
async def test_cli_05_other_statuses_stop_it(feed: FeedServer, tmp_path: Path, status: int) -> None:
    """CLI-05: any other error ends the run, says where and what to do, and keeps what was copied."""
    feed.always["/feed/1"] = Reaction(status=status)
    with pytest.raises(FeedError, match=f"/feed/1: answered {status}\n  fix: "):
        await copy(f"{feed.base}/feed", tmp_path)
    assert (tmp_path / "copy").read_bytes().count(b"\n") == 5


async def test_cli_06_tags_are_sent_again(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-06: the next run, also that of another process, asks open pages by their tag and takes 304 for an answer."""
    await copy(f"{feed.base}/feed", tmp_path)
    feed.asked.clear()
    copied = await copy(f"{feed.base}/feed", tmp_path, runs=2)
    assert copied.numbers == list(range(23))
    # The root is read in full once per process: it describes the stream.
    assert [(asked.path, asked.status) for asked in feed.asked] == [
        ("/feed", 200),
        ("/feed/4", 304),
        ("/feed", 304),
        ("/feed/4", 304),
    ]


# --- members and state ------------------------------------------------------------------------------------------------


async def test_cli_07_a_member_is_written_once(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-07: a member on several pages, on a page that grows, and met again by another process is written once."""
    feed.documents["/feed/1"] = plain(4, 5, 6, 7, 8, 9)
    assert sorted((await copy(f"{feed.base}/feed", tmp_path, runs=2)).numbers) == list(range(23))
    feed.documents |= dict(history(31, 5))
    assert sorted((await copy(f"{feed.base}/feed", tmp_path)).numbers) == list(range(31))


async def test_cli_07_memory_is_bounded(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-07: members beyond the bound are forgotten once everything before them is read; none is written twice."""
    few = with_limits(remembered=3)
    await copy(f"{feed.base}/feed", tmp_path, limits=few)
    feed.documents |= dict(history(31, 5))
    # A publisher that compacts: the same members at a new address.
    root = feed.documents["/feed"]
    feed.documents["/feed"] = Document(trig=root.trig + window("/feed/old", 0, 9), headers=root.headers)
    feed.documents["/feed/old"] = plain(*range(10))
    copied = await copy(f"{feed.base}/feed", tmp_path, limits=few)
    assert copied.numbers == list(range(31))
    assert any("older than what was read long ago" in note for note in copied.notes)


async def test_cli_07_nothing_is_forgotten_before_it_is_read(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-07: a page that is open and not looked at again yet keeps the bound on memory from losing its new members."""
    few = with_limits(remembered=0)
    feed.documents = {
        "/feed": Document(trig=ROOT + link("/new") + link("/old")),
        "/new": plain(5, final=False),
        "/old": plain(1, 2, final=False),
    }
    await copy(f"{feed.base}/feed", tmp_path, limits=few)
    feed.documents |= {"/new": plain(5, 9, final=False), "/old": plain(1, 2, 6, 7, final=False)}
    # So slow that what was read is saved, and may be forgotten, between the two pages.
    feed.on("/new", Reaction(silent=1.2))
    copied = await copy(f"{feed.base}/feed", tmp_path, limits=few)
    assert sorted(copied.numbers) == [1, 2, 5, 6, 7, 9]


@pytest.mark.parametrize("sign", ["triple", "header", "bound"])
async def test_cli_08_immutable_pages_are_asked_once(feed: FeedServer, tmp_path: Path, sign: str) -> None:
    """CLI-08: the triple, the header, or an upper bound before the newest member closes a page."""
    for number in range(4):
        members = "".join(map(member, range(number * 5, number * 5 + 5)))
        triple = "<> ldes:immutable true .\n" if sign == "triple" else ""
        headers = FINAL if sign == "header" else OPEN
        feed.documents[f"/feed/{number}"] = Document(trig="<> a tree:Node .\n" + triple + members, headers=headers)
    copied = await copy(f"{feed.base}/feed", tmp_path, runs=2)
    assert copied.numbers == list(range(23))
    assert [feed.paths().count(f"/feed/{number}") for number in range(5)] == [1, 1, 1, 1, 2]


async def test_cli_08_a_bound_that_grows_keeps_its_page_open(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-08: a page whose upper bound is raised while others are read beyond the old one is looked at again."""
    feed.documents = {"/feed": Document(trig=ROOT + window("/a", 0, 1) + link("/b"))}
    feed.documents |= {"/a": plain(0, 1, final=False), "/b": plain(1, final=False)}
    await copy(f"{feed.base}/feed", tmp_path)
    feed.documents["/feed"] = Document(trig=ROOT + window("/a", 0, 9) + link("/b"))
    feed.documents["/b"] = plain(5, final=False)
    await copy(f"{feed.base}/feed", tmp_path)
    feed.documents["/a"] = plain(0, 1, 7, final=False)
    assert sorted((await copy(f"{feed.base}/feed", tmp_path)).numbers) == [0, 1, 5, 7]


async def test_cli_08_nothing_else_closes_a_page(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-08: `immutable false`, the triple about another page and a long max-age leave a page open."""
    trig = "<> a tree:Node ; ldes:immutable false . </feed/other> ldes:immutable true .\n"
    late = {"Cache-Control": "public, max-age=604800"}
    feed.documents["/feed/4"] = Document(trig=trig + "".join(map(member, range(20, 23))), headers=late)
    await copy(f"{feed.base}/feed", tmp_path, runs=2)
    assert feed.paths().count("/feed/4") == 2


async def test_cli_09_a_run_goes_on_where_the_last_one_ended(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-09: after an error only what was not read is asked for; lines behind the saved state are cut off."""
    feed.always["/feed/3"] = Reaction(status=404)
    with pytest.raises(FeedError):
        await copy(f"{feed.base}/feed", tmp_path)
    feed.always.clear()
    feed.asked.clear()
    assert (await copy(f"{feed.base}/feed", tmp_path)).numbers == list(range(23))
    assert feed.paths() == ["/feed", "/feed/3", "/feed/4"]


async def test_cli_09_a_changed_copy_is_not_written_on(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-09: a copy that is longer or shorter than its state says is refused, never repaired in silence."""
    await copy(f"{feed.base}/feed", tmp_path)
    file = tmp_path / "copy"
    whole = file.read_bytes()
    for changed in (whole + b"mine\n", whole[:-1]):
        file.write_bytes(changed)
        with pytest.raises(FeedError, match="somebody changed it"):
            await copy(f"{feed.base}/feed", tmp_path)
        assert file.read_bytes() == changed


async def test_cli_10_a_member_is_its_star_its_graph_and_its_blank_nodes(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-10: also blank nodes that stand before the member, are used twice or name a graph; nothing of others."""
    trig = (
        DESCRIPTION + "</feed> tree:view <> .\n_:deep ex:name 'deep' .\n</feed> tree:member </members/1> .\n"
        "</members/1> ex:number 1 ; ex:a _:node ; ex:b _:node ; ex:other </members/2> .\n_:node ex:c _:deep ; ex:back _:node .\n"
        "</members/1> { </members/1> ex:inside _:graph . </elsewhere> ex:said 'in the graph' . }\n"
        "_:graph { <urn:x> ex:named 'by a blank node' }\n"
        "</members/2> ex:not 'mine' .\n</members/2> { <urn:y> ex:not 'mine' }\n_:stray ex:not 'mine' .\n"
    )
    feed.documents["/feed"] = Document(trig=trig)
    quads = (await copy(f"{feed.base}/feed", tmp_path, wish=Wish(format=Format.NQUADS))).text.decode()
    assert [quads.count(word) for word in ("deep", "in the graph", "by a blank node", "mine")] == [1, 1, 1, 0]
    assert len(quads.splitlines()) == len(set(quads.splitlines())) == 10


# --- order ------------------------------------------------------------------------------------------------------------


async def test_cli_11_without_order_an_ordered_copy_is_refused(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-11: without timestampPath and sequencePath there is no order, and the client says so."""
    feed.documents["/feed"] = Document(trig="</feed> a ldes:EventStream ; tree:view <> .\n" + member(1))
    with pytest.raises(FeedError, match="no order"):
        await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)


async def test_cli_11_order_within_a_page_and_unknown_links_first(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-11: members are sorted whatever their place; links without bounds and bounds on other paths are read first."""
    trig = (
        ROOT + window("/late", 4, 5) + link("/unknown") + relation("/other", "GreaterThanRelation", "ex:colour", '"z"')
    )
    feed.documents = {
        "/feed": Document(trig=trig + member(3)),
        "/late": plain(5, 4),
        "/unknown": plain(2, 0),
        "/other": plain(1),
    }
    assert (await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)).numbers == list(range(6))
    assert feed.paths()[-1] == "/late"


async def test_cli_11_a_member_without_its_place_in_the_order_is_an_error(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-11: an ordered copy of a member without a time, or with two, says which."""
    feed.documents["/feed/2"] = Document(
        trig=member(11) + "</feed> tree:member </members/12> . </members/12> ex:number 12 ."
    )
    with pytest.raises(FeedError, match=r"members/12 has 0 values at .*generatedAtTime"):
        await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)


async def test_cli_12_nothing_is_written_before_what_can_precede_it(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-12: pages that come in any order of time, bounds that overlap and equal times give one order."""
    late = [13, 4, 17, 8, 2, 11, 6, 15, 0, 9]
    trig = ROOT + window("/a", 0, 17) + window("/b", 1, 16) + window("/c", 5, 14)
    feed.documents = {
        "/feed": Document(trig=trig),
        "/a": Document(trig="".join(map(member, late)) + window("/d", 12, 12), headers=FINAL),
        "/b": plain(1, 3, 16),
        "/c": plain(5, 7, 10, 14),
        "/d": plain(12),
    }
    feed.on("/a", Reaction(silent=0.2))
    feed.on("/b", Reaction(silent=0.1))
    assert (await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)).numbers == list(range(18))


async def test_cli_12_an_ordered_copy_resumes_in_order(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-12: stopped by an error with members in hand, it goes on without losing, doubling or disordering any."""
    feed.always["/feed/2"] = Reaction(status=404)
    with pytest.raises(FeedError):
        await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)
    feed.always.clear()
    assert (await copy(f"{feed.base}/feed", tmp_path, wish=ORDERED)).numbers == list(range(23))


# --- pruning and walking ----------------------------------------------------------------------------------------------


async def test_cli_13_only_what_cannot_hold_a_match_is_skipped(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-13: another value, prefix or range is not read; unknown types, other paths and != are."""
    equal, colour = "EqualToRelation", "ex:colour"
    trig = ROOT + relation("/red", equal, colour, '"red"') + relation("/green", equal, colour, '"green"')
    trig += relation("/not", "NotEqualToRelation", colour, '"blue"') + relation("/odd", "OddRelation", colour, '"blue"')
    trig += relation("/g", "PrefixRelation", colour, '"g"') + relation("/after", "GreaterThanRelation", colour, '"s"')
    trig += relation("/path", equal, "ex:number", '"green"') + link("/any")
    feed.documents = {"/feed": Document(trig=trig), "/red": plain(0), "/green": plain(1), "/not": plain(3, 4)}
    feed.documents |= {"/odd": plain(7), "/g": plain(10), "/after": plain(), "/path": plain(13), "/any": plain(16, 17)}
    wish = Wish(query=Query(conditions=(Where(path=COLOUR, text="green"),)))
    assert sorted((await copy(f"{feed.base}/feed", tmp_path, wish=wish)).numbers) == [1, 4, 7, 10, 13, 16]
    assert set(feed.documents) - set(feed.paths()) == {"/red", "/after"}


async def test_cli_13_a_path_with_several_values_prunes_nothing(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-13: where the shape does not say that a member has one value at most, every page is read."""
    trig = ROOT.replace("sh:path ex:colour ; sh:maxCount 1", "sh:path ex:colour")
    trig += relation("/red", "EqualToRelation", "ex:colour", '"red"')
    both = member(0, extra='; ex:colour "green"')
    feed.documents = {"/feed": Document(trig=trig), "/red": Document(trig=both)}
    wish = Wish(query=Query(conditions=(Where(path=COLOUR, text="green"),)))
    assert (await copy(f"{feed.base}/feed", tmp_path, wish=wish)).numbers == [0]


async def test_tree_39_a_region_reads_the_tiles_that_touch_it(feed: FeedServer, tmp_path: Path) -> None:
    """TREE-39: tiles that overlap the box are read, also at an edge; disjoint ones are not."""
    path = "( ex:place geo:asWKT )"
    tiles = {"/west": (-1, 2), "/middle": (2, 5), "/east": (5, 11)}
    trig = ROOT
    for node, (west, east) in tiles.items():
        ring = f"{west} 49, {east} 49, {east} 54, {west} 54, {west} 49"
        trig += relation(node, "GeospatiallyContainsRelation", path, f'"POLYGON (({ring}))"^^geo:wktLiteral')
    feed.documents = {"/feed": Document(trig=trig), "/west": plain(0, 1), "/middle": plain(3, 4), "/east": plain(6, 9)}
    wish = Wish(query=Query(conditions=(Within(box=parse_box("2.5,49,4,51.5")),)))
    assert (await copy(f"{feed.base}/feed", tmp_path, wish=wish)).numbers == [3, 4]
    assert feed.paths() == ["/feed", "/middle"]


async def test_cli_14_circles_end(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-14: a feed that links its own ancestors, directly or by a redirect, is read once and reported."""
    feed.documents = {
        "/feed": Document(trig=ROOT + link("/a")),
        "/a": Document(trig=member(1) + link("/b") + link("/a")),
        "/b": Document(trig=member(2) + link("/a") + link("/feed") + link("/back")),
    }
    feed.always["/back"] = Reaction(status=302, headers={"Location": "/feed"})
    copied = await copy(f"{feed.base}/feed", tmp_path)
    assert sorted(copied.numbers) == [1, 2]
    assert sum("in a circle (TREE-21)" in note for note in copied.notes) == 3
    assert feed.paths().count("/a") == feed.paths().count("/b") == 1


async def test_cli_16_each_run_ends_with_a_signal(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-16: every run that reaches its end says so, also when it found nothing new; remainingItems foretell it."""
    copied = await copy(f"{feed.base}/feed", tmp_path, runs=3)
    assert [(tally.read, tally.written, tally.total) for tally in copied.tallies] == [(23, 23, 23)] * 3


async def test_http_17_the_final_address_is_the_page(feed: FeedServer, tmp_path: Path) -> None:
    """HTTP-17: relative IRIs resolve against the address after all redirects; a body with the old name is understood."""
    feed.documents["/moved/1"] = feed.documents.pop("/feed/1")
    feed.documents["/moved/2"] = Document(trig="</feed/2> a tree:Node .\n" + "".join(map(member, range(10, 15))))
    for number in (1, 2):
        feed.always[f"/feed/{number}"] = Reaction(status=301, headers={"Location": f"/moved/{number}"})
    copied = await copy(f"{feed.base}/feed", tmp_path)
    assert copied.numbers == list(range(23))
    assert [note for note in copied.notes if "calls itself" in note] != []


# --- contexts ---------------------------------------------------------------------------------------------------------

_CONTEXT = b'{"@context": {"tree": "https://w3id.org/tree#", "view": {"@id": "tree:view", "@type": "@id"}, '
_CONTEXT += b'"member": {"@id": "tree:member", "@type": "@id"}, "name": "https://example.org/ns#name"}}'


def json_page(context: str) -> Document:
    """Make a root in JSON-LD that needs a context."""
    page = f'{{"@context": "{context}", "@id": "/feed", "view": "/feed", "member": [{{"@id": "/m/1", "name": "één"}}]}}'
    return Document(raw=("application/ld+json", page.encode()))


async def test_cli_18_a_context_is_fetched_once(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-18: a remote context is read from where it is, once for all pages and runs; members are as the page has them."""
    feed.documents["/context"] = Document(raw=("application/ld+json", _CONTEXT))
    feed.documents["/feed"] = json_page("/context")
    copied = await copy(f"{feed.base}/feed", tmp_path, runs=3)
    assert copied.text == '{"@id": "/m/1", "name": "één"}\n'.encode()
    assert feed.paths().count("/context") == 1


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("http://127.0.0.2:1/context", "leads to another origin"),
        ("/circle", "contexts without end"),
        ("/large", "larger than 1048576 bytes"),
        ("/feed/1", "is no JSON-LD context"),
        ("/absent", "answered 404"),
    ],
)
async def test_cli_18_contexts_are_confined(feed: FeedServer, tmp_path: Path, context: str, said: str) -> None:
    """CLI-18: a context elsewhere, in a circle, too large, no context or absent is an error that says so."""
    feed.documents["/circle"] = Document(raw=("application/ld+json", b'{"@context": "/circle"}'))
    feed.documents["/large"] = Document(raw=("application/ld+json", b'{"@context": {}}' + b" " * 1048576))
    feed.documents["/feed"] = json_page(context)
    with pytest.raises(FeedError, match=said):
        await copy(f"{feed.base}/feed", tmp_path)


# --- confinement and manners ------------------------------------------------------------------------------------------


async def test_cli_19_no_other_origin_is_asked(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-19: redirects and relations to an origin that was not allowed stop the copy before anything is sent there."""
    async with FeedServer([("/1", plain(1))]) as other:
        feed.documents["/feed"] = Document(trig=ROOT + link(f"{other.base}/1"))
        with pytest.raises(FeedError, match="another origin"):
            await copy(f"{feed.base}/feed", tmp_path)
        assert other.asked == []
        (tmp_path / "redirected").mkdir()
        feed.always["/feed"] = Reaction(status=302, headers={"Location": f"{other.base}/1"})
        with pytest.raises(FeedError, match=f"--allow {other.base}"):
            await copy(f"{feed.base}/feed", tmp_path / "redirected")
        assert other.asked == []
        feed.always.clear()
        (tmp_path / "allowed").mkdir()
        other.documents["/1"] = Document(
            trig=f"<{feed.base}/feed> tree:member </members/1> . </members/1> ex:number 1 ."
        )
        copied = await copy(f"{feed.base}/feed", tmp_path / "allowed", allow=(other.base,))
        assert copied.ids == [f"{other.base}/members/1"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://x/", "http://u:p@127.0.0.1/", "http://[::1", ""])
async def test_cli_19_strange_redirects_are_refused(feed: FeedServer, tmp_path: Path, location: str) -> None:
    """CLI-19: other schemes, passwords, broken addresses and redirects to oneself are errors, not requests."""
    feed.always["/feed"] = Reaction(status=302, headers={"Location": location})
    with pytest.raises(FeedError):
        await copy(f"{feed.base}/feed", tmp_path)


@pytest.mark.parametrize(
    ("limits", "reaction", "said"),
    [
        (with_limits(page_bytes=1_000_000), Reaction(endless=True), "larger than 1000000 bytes"),
        (with_limits(redirects=3), Reaction(status=302, headers={"Location": "/r/0"}), "more than 3 times"),
        (with_limits(requests=3), Reaction(), "more than 3 requests"),
        (with_limits(relations=4), Reaction(), "links more than 4 pages"),
        (with_limits(depth=0), Reaction(), "more than 0 links below"),
        (with_limits(silent_for=timedelta(seconds=0.1), tries=2), Reaction(silent=5), "did not answer"),
    ],
)
async def test_cli_19_nothing_is_without_end(
    feed: FeedServer, tmp_path: Path, limits: Limits, reaction: Reaction, said: str
) -> None:
    """CLI-19: bodies, redirects, requests, relations, depth and silence have a limit that is named when it is met."""
    for number in range(9):
        feed.always[f"/r/{number}"] = Reaction(status=302, headers={"Location": f"/r/{number + 1}"})
    feed.always["/feed/0"] = reaction
    with pytest.raises(FeedError, match=said):
        await copy(f"{feed.base}/feed", tmp_path, limits=limits)


async def test_cli_19_a_body_is_measured_unpacked(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-19: a few kilobytes that unpack to a gigabyte are refused at the limit."""
    bomb = gzip.compress(b"# comment\n" * 5_000_000)
    assert len(bomb) < 200_000
    headers = {"Content-Encoding": "gzip"}
    feed.documents["/feed/0"] = Document(raw=("text/turtle", bomb), headers=headers)
    with pytest.raises(FeedError, match="larger than 1000000 bytes"):
        await copy(f"{feed.base}/feed", tmp_path, limits=with_limits(page_bytes=1_000_000))


@pytest.mark.parametrize("depth", [100, 1_000, 100_000])
@pytest.mark.parametrize("context", ['"@context": "/context", ', ""])
async def test_cli_19_deep_documents_are_refused(feed: FeedServer, tmp_path: Path, depth: int, context: str) -> None:
    """CLI-19: JSON nested without end is read or refused with an error; it never ends the process."""
    feed.documents["/context"] = Document(raw=("application/ld+json", b'{"@context": {"@vocab": "urn:"}}'))
    body = f'{{{context}"a": ' + '{"urn:a": ' * depth + "1" + "}" * depth + "}"
    feed.documents["/feed/1"] = Document(raw=("application/ld+json", body.encode()))
    try:
        await copy(f"{feed.base}/feed", tmp_path)
    except FeedError as error:
        assert "/feed/1" in str(error)  # noqa: PT017 - either is right


async def test_http_29_a_root_may_move(feed: FeedServer, tmp_path: Path) -> None:
    """HTTP-29: a stable address may redirect to another root from one run to the next; no member is lost or doubled."""
    feed.documents["/one"] = Document(trig=ROOT + link("/feed/0") + link("/feed/1"))
    feed.documents["/two"] = Document(trig=ROOT + link("/feed/1") + link("/feed/2"))
    feed.always["/entry"] = Reaction(status=307, headers={"Location": "/one"})
    assert (await copy(f"{feed.base}/entry", tmp_path)).numbers == list(range(10))
    feed.always["/entry"] = Reaction(status=307, headers={"Location": "/two"})
    assert (await copy(f"{feed.base}/entry", tmp_path, runs=2)).numbers == list(range(15))


@pytest.mark.parametrize("media", [*FORMATS, "text/html", "application/json"])
async def test_http_01_what_cannot_be_read_is_named(feed: FeedServer, tmp_path: Path, media: str) -> None:
    """HTTP-01: a body that is not what it says, or no RDF at all, is an error with its address, never half a page."""
    feed.documents["/feed/1"] = Document(raw=(media, b"<html>\xff no RDF {"))
    with pytest.raises(FeedError, match=r"/feed/1: (is not|sends)"):
        await copy(f"{feed.base}/feed", tmp_path)
    assert (tmp_path / "copy").read_bytes().count(b"\n") == 5


async def test_cli_20_it_is_polite(feed: FeedServer, tmp_path: Path) -> None:
    """CLI-20: no more than four requests at once, and it says who it is and whom to write to."""
    feed.documents = dict(history(200, 5))
    for number in range(40):
        feed.on(f"/feed/{number}", Reaction(silent=0.01))
    assert (await copy(f"{feed.base}/feed", tmp_path)).numbers == list(range(200))
    assert 2 <= feed.at_once <= 4
    assert {(asked.headers["User-Agent"], asked.headers["From"]) for asked in feed.asked} == {
        (AGENT, "test@example.org")
    }


async def test_ret_22_a_slow_follower_is_warned(feed: FeedServer, tmp_path: Path) -> None:
    """RET-22: who looks less often than the shortest window of the view is told that members will be missed."""
    policy = "<> ldes:retentionPolicy </p> . </p> a ldes:DurationAgoPolicy ; tree:value 'PT0S'^^xsd:duration .\n"
    feed.documents["/feed"] = Document(trig=ROOT + policy + member(1))
    copied = await copy(f"{feed.base}/feed", tmp_path)
    assert any("RET-22" in note for note in copied.notes)


def test_times_of_the_fixture_are_in_order() -> None:
    """The feed of these tests publishes its members in the order of their numbers."""
    assert [time_of(number) for number in range(23)] == sorted(time_of(number) for number in range(23))
