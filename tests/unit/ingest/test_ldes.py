"""The LDES connector against real servers: walks of every shape, news only, resuming, and feeds that break promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from pyoxigraph import RdfFormat, parse

from ingest.connectors.ldes import Ldes
from ingest.connectors.request import ClosedDoorError
from ingest.transports.ldes import LdesOptions
from streams.errors import SourceError
from streams.record import Payload
from tests.support.http_script import Asked, Script, scripted
from tests.support.ldes_script import Feed, Written, chain
from tests.unit.ingest.transporting import faults, read

SAMPLES = Path("/work/shared/samples")
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded samples are not on this machine")


def options(script: Script, more: str = "", *, path: str = "/") -> LdesOptions:
    """Read the options of a source that follows the script."""
    found = read("ldes", f"url: '{script.origin}{path}'\nevery: 60s\n{more}")
    assert isinstance(found, LdesOptions)
    return found


async def walked(wanted: LdesOptions, cursor: bytes = b"", *, at_most: int = 1000) -> tuple[list[Payload], bytes]:
    """Poll until a round is over, each payload safe before the next; return payloads and the last cursor."""
    found: list[Payload] = []
    async with Ldes("demo", wanted) as connector:
        for _ in range(1000):
            poll = await connector.poll(cursor)
            found += poll.payloads
            cursor = poll.payloads[-1].cursor if poll.payloads else cursor
            if poll.again_in or len(found) >= at_most:
                return found, cursor
    raise AssertionError("the walk does not end")


def members(payloads: list[Payload]) -> list[str]:
    """List the members of payloads, each with all that hangs on it, in the order in which they came."""
    found = []
    for payload in payloads:
        assert payload.media_type == "application/n-quads"
        quads = list(parse(payload.body, format=RdfFormat.N_QUADS))
        for quad in quads:
            if quad.predicate.value == "https://w3id.org/tree#member":
                below = [it for it in quads if it.subject == quad.object]
                (at,) = [it.object for it in below if it.predicate.value.endswith("/at")]
                assert any(it.subject == at and it.predicate.value.endswith("/place") for it in quads)
                found.append(next(it.object.value for it in below if it.predicate.value.endswith("/n")))
    return found


def names(count: int) -> list[str]:
    """Return the numbers of so many members as they are written."""
    return [str(number) for number in range(count)]


TREE = {
    "/": Written(links=("/a", "/b", "/open")),
    "/a": Written(links=("/a0", "/a1"), final=True),
    "/a0": Written(members=(0, 1), final=True),
    "/a1": Written(members=(2,), final=True),
    "/b": Written(members=(3, 4), final=True),
    "/open": Written(members=(5,)),
}


@pytest.mark.parametrize(
    "pages", [chain([2, 2, 1, 1]), chain([2, 2, 1, 1], back=True), TREE], ids=["chain", "back", "tree"]
)
async def test_every_member_comes_once_in_the_order_of_links(pages: Mapping[str, Written]) -> None:
    """Lists, lists that link back and trees are walked whole; each page is asked for once, and nothing is new after."""
    async with scripted(Feed(pages)) as script:
        payloads, cursor = await walked(options(script))
        assert members(payloads) == names(6)
        assert sorted(asked.path for asked in script.asked) == sorted(pages)
        script.asked.clear()
        assert await walked(options(script), cursor) == ([], cursor)
        final = {path for path, page in pages.items() if page.final}
        assert final.isdisjoint(asked.path for asked in script.asked)


@pytest.mark.parametrize("stop", range(1, 5))
async def test_a_walk_goes_on_where_the_log_ends(stop: int) -> None:
    """A new connector after any payload brings the rest, and reads no final page twice."""
    async with scripted(Feed(TREE)) as script:
        first, cursor = await walked(options(script), at_most=stop)
        rest, _ = await walked(options(script), cursor)
        assert members(first + rest) == names(6)
        asked = [it.path for it in script.asked]
    assert all(asked.count(path) == 1 for path in ("/a0", "/a1", "/b"))


async def test_what_was_not_said_to_be_safe_is_given_again() -> None:
    """The same cursor gives the same page, also to the same connector."""
    async with scripted(Feed(TREE)) as script, Ldes("demo", options(script)) as connector:
        first = (await connector.poll(b"")).payloads
        again = (await connector.poll(b"")).payloads
        assert [(it.body, it.cursor) for it in first] == [(it.body, it.cursor) for it in again]


@pytest.mark.parametrize("tagged", [False, True])
async def test_an_open_page_gives_only_what_is_new(tagged: bool) -> None:
    """A page that grows gives its new members alone; when it closes it is read a last time, and its successor found."""
    feed = Feed(chain([1, 2]), tagged=tagged)
    async with scripted(feed) as script, Ldes("demo", options(script)) as connector:
        cursor, seen = b"", []

        async def round_of() -> list[str]:
            nonlocal cursor
            found: list[Payload] = []
            while True:
                poll = await connector.poll(cursor)
                found += poll.payloads
                cursor = found[-1].cursor if found else cursor
                if poll.again_in:
                    return members(found)

        seen.append(await round_of())
        seen.append(await round_of())
        feed.pages["/1"] = Written(members=(1, 2, 3))
        seen.append(await round_of())
        feed.pages["/1"] = Written(members=(1, 2, 3, 4), links=("/2",), final=True)
        feed.pages["/2"] = Written(members=(5,))
        seen.append(await round_of())
        script.asked.clear()
        seen.append(await round_of())
    assert seen == [["0", "1", "2"], [], ["3"], ["4", "5"], []]
    assert [asked.path for asked in script.asked] == ["/2"]


async def test_the_cache_header_may_say_that_a_page_is_final() -> None:
    """`Cache-Control: immutable` is as good as ldes:immutable."""
    pages = {"/": Written(members=(0,), headers={"Cache-Control": "public, max-age=604800, immutable"})}
    async with scripted(Feed(pages)) as script:
        _, cursor = await walked(options(script))
        script.asked.clear()
        assert (await walked(options(script), cursor))[0] == []
        assert script.asked == []


async def test_the_document_of_a_stream_leads_to_its_first_view() -> None:
    """An address that is no page leads to the first view it names; the views of a page do not."""
    pages = {
        "/": Written(more="ex:stream a ldes:EventStream ; tree:view </v1>, </v2> ; ldes:pollingInterval 600 ."),
        "/v1": Written(members=(0,), more="ex:stream tree:view </v1>, </v2> ."),
        "/v2": Written(members=(0,)),
    }
    async with scripted(Feed(pages)) as script:
        async with Ldes("demo", options(script)) as connector:
            first = await connector.poll(b"")
            assert first.again_in.total_seconds() == 600
        assert [asked.path for asked in script.asked] == ["/", "/v1"]


async def test_a_redirect_is_followed_and_a_page_that_is_gone_left() -> None:
    """An entry that redirects is the page it leads to; a linked page that answers 410 fell to retention."""
    pages = chain([1, 1])
    pages["/"] = Written(links=("/gone", "/1"), members=(0,))
    pages["/gone"] = Written(status=410)
    pages["/entry"] = Written(status=302, headers={"Location": "/"})
    async with scripted(Feed(pages)) as script:
        payloads, cursor = await walked(options(script, path="/entry"))
        assert members(payloads) == names(2)
        await walked(options(script, path="/entry"), cursor)
    assert [asked.path for asked in script.asked].count("/gone") == 1


async def test_a_page_that_is_not_there_is_named_and_does_not_hold_up_the_others() -> None:
    """A linked page that answers 404 is a closed door; the next polls bring the other pages."""
    pages = {"/": Written(links=("/lost", "/a"), final=True), "/a": Written(members=(0,))}
    async with scripted(Feed(pages)) as script, Ldes("demo", options(script)) as connector:
        with pytest.raises(ClosedDoorError, match="404") as caught:
            await connector.poll(b"")
        assert "/lost" in caught.value.where
        assert members(list((await connector.poll(b"")).payloads)) == ["0"]


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({"/": Written(more="ex:a ex:b ex:c .")}, "there is no event stream"),
        ({"/": Written(more="<> tree:relation [ a tree:Relation ] .")}, "no tree:node"),
        ({"/": Written(links=("http://elsewhere.example/p?key=x",))}, "another host, http://elsewhere.example/p"),
        ({"/": Written(links=("mailto:x@y",))}, "another host"),
        ({"/": Written(status=206)}, "206"),
    ],
)
async def test_a_broken_promise_is_an_error_that_names_it(pages: Mapping[str, Written], says: str) -> None:
    """What would lose members ends in an error of the source, each time it is asked."""
    async with scripted(Feed(pages)) as script, Ldes("demo", options(script)) as connector:
        for _ in range(2):
            with pytest.raises(SourceError) as caught:
                await connector.poll(b"")
            assert says in caught.value.what
            assert caught.value.retriable


async def test_a_feed_without_end_is_an_error() -> None:
    """Pages that lead to ever new pages end at `most`, and circles end by themselves."""

    def endless(asked: Asked) -> web.Response:
        number = int(asked.query.get("n", "0")) + 1
        return web.Response(text=Written(links=(f"?n={number}",)).turtle(), content_type="text/turtle")

    async with scripted(endless) as script:
        with pytest.raises(SourceError, match="more than 50 pages"):
            await walked(options(script, "most: 50"))
        assert len(script.asked) <= 51
    circle = {"/": Written(links=("/a", "/#top"), members=(0,)), "/a": Written(links=("/", "/a"), members=(1,))}
    async with scripted(Feed(circle)) as script:
        assert members((await walked(options(script)))[0]) == ["0", "1"]
        assert len(script.asked) == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "text/html"),
        (b"<a> <b> ", "text/turtle"),
        (b'{"@context": "https://elsewhere.example/c.jsonld", "a": 1}', "application/ld+json"),
    ],
)
async def test_a_page_that_cannot_be_read_is_a_payload_once(body: bytes, kind: str) -> None:
    """What is no RDF is passed on as it came, once, and asked for again: later it may be what it should."""
    now = [body, kind]
    async with scripted(lambda _: web.Response(body=now[0], content_type=str(now[1]))) as script:
        (payload,), cursor = await walked(options(script))
        assert (payload.body, payload.media_type.partition(";")[0]) == (body, kind)
        assert await walked(options(script), cursor) == ([], cursor)
        now[:] = [Written(members=(0,)).turtle().encode(), "text/turtle"]
        assert members((await walked(options(script), cursor))[0]) == ["0"]


async def test_keys_stay_at_home_where_other_hosts_are_allowed() -> None:
    """A page on a host that the source file names is read, without the keys of the source."""
    async with scripted(
        lambda _: web.Response(text=Written(members=(1,)).turtle(), content_type="text/turtle")
    ) as other:
        far = other.origin.replace("127.0.0.1", "localhost")
        async with scripted(Feed({"/": Written(members=(0,), links=(f"{far}/p",))})) as script:
            more = "hosts: localhost\nheaders: { X-Api-Key: '${KEY}' }"
            wanted = read("ldes", f"url: '{script.origin}/'\nevery: 60s\n{more}", {"KEY": "k"})
            assert isinstance(wanted, LdesOptions)
            assert members((await walked(wanted))[0]) == ["0", "1"]
        assert script.asked[0].headers["X-Api-Key"] == "k"
        assert "X-Api-Key" not in other.asked[0].headers


def served(folder: str, pages: Mapping[str, str], home: str) -> Callable[[Asked], web.Response]:
    """Serve recorded pages, which call themselves `home`, under the paths they had."""

    def answer(asked: Asked) -> web.Response:
        name = pages.get(asked.path)
        if name is None:
            return web.Response(text=Written(more="<> a tree:Node .").turtle(), content_type="text/turtle")
        body = (SAMPLES / folder / name).read_text("utf-8").replace(home, f"http://{asked.headers['Host']}")
        kind = "application/ld+json" if name.endswith("jsonld") else "text/turtle"
        return web.Response(text=body, content_type=kind)

    return answer


RECORDED = [
    (
        "gipod",
        {"/api/v1/ldes/mobility-hindrances": "1-relation-3-members.jsonld"},
        "https://private-api.gipod.beta-vlaanderen.be",
        "/api/v1/ldes/mobility-hindrances",
    ),
    ("geomobility-ldes", {"/ldes/observations/paged?pageNumber=1": "by-page-1.ttl"}, "http://localhost:9003", ""),
    (
        "gent-parking-ldes",
        {
            "/ldes/occupancy": "by-page.ttl",
            "/ldes/occupancy/by-page": "by-page.ttl",
            "/ldes/occupancy/by-page?pageNumber=1": "page1.ttl",
        },
        "http://localhost:9003",
        "/ldes/occupancy",
    ),
]


@needs_samples
@pytest.mark.parametrize(("folder", "pages", "home", "path"), RECORDED, ids=[it[0] for it in RECORDED])
async def test_recorded_feeds_of_the_field_are_followed(
    folder: str, pages: Mapping[str, str], home: str, path: str
) -> None:
    """The recorded pages of GIPOD and of OpenLDES servers give all their members, counted by another reading."""
    wanted = set()
    for name in set(pages.values()):
        text = (SAMPLES / folder / name).read_text("utf-8")
        form = RdfFormat.JSON_LD if name.endswith("jsonld") else RdfFormat.TURTLE
        found = parse(text.encode(), format=form, base_iri="http://x/")
        wanted |= {quad.object.value for quad in found if quad.predicate.value.endswith("tree#member")}
    async with scripted(served(folder, pages, home)) as script:
        payloads, cursor = await walked(options(script, path=path or next(iter(pages))))
        got = [
            quad.object.value.replace(script.origin, home)
            for payload in payloads
            for quad in parse(payload.body, format=RdfFormat.N_QUADS, lenient=True)
            if quad.predicate.value == "https://w3id.org/tree#member"
        ]
        assert (await walked(options(script, path=path or next(iter(pages))), cursor))[0] == []
    assert len(wanted) in (3, 250)
    assert sorted(got) == sorted(wanted)
    assert not re.search(rb"tree#(relation|node|view)>", b"".join(payload.body for payload in payloads))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hosts: https://x.example/", "is no host"),
        ("most: 0", "no positive whole number"),
        ("media_type: text/turtle", "unknown key 'media_type'"),
    ],
)
def test_faults_of_ldes_are_told(text: str, says: str) -> None:
    """What cannot be meant is refused when the file is read."""
    assert any(says in fault for fault in faults("ldes", f"url: https://x.example/\nevery: 60s\n{text}"))
