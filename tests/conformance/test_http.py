"""HTTP: formats, caching, conditions and errors (HTTP-01..34), over HTTP against real members."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import resource
import socket
from contextlib import ExitStack

import asyncpg
import pytest

from ldes_server.app import CONCURRENCY
from ldes_server.postgres_store import PostgresStore
from tests.conformance.city import NAME, VIEWS
from tests.conformance.kit import FORMATS, LDES, PLAIN, Answer, Site
from tests.conformance.pages import Library, facts_of

ROOT, OPEN, FINAL, NODE = (f"/gent-parking/log{tail}" for tail in ("", "/0/27", "/0/3", "/1/2"))
VIEW, BUCKET, BUCKET_FINAL = (f"/{NAME}/by-open{tail}" for tail in ("", "/1/true", "/1/true/0/0"))
PAGES = (ROOT, OPEN, FINAL, NODE, VIEW, BUCKET, BUCKET_FINAL)
MUTABLE = (ROOT, OPEN, VIEW, BUCKET)
OTHERS = ("/gent-parking", "/gent-parking/latest", "/", "/models/parking", "/docs", "/nowhere", "/healthz")
TREES = [("gent-parking", "log"), ("gent-traffic", "log"), (NAME, "log"), *((NAME, view) for view in VIEWS)]
SQUEEZED = {"accept_encoding": "gzip"}
pages = pytest.mark.parametrize("path", PAGES)
medias = pytest.mark.parametrize("media", FORMATS)


def twice(site: Site, path: str, accept: str | None = None, **headers: str) -> Answer:
    """Ask twice and return the second answer, which comes from memory and, for final pages, by the fast lane."""
    first, second = site.get(path, accept, **headers), site.get(path, accept, **headers)
    assert (first.status, first.body, plain(first)) == (second.status, second.body, plain(second))
    return second


def plain(answer: Answer) -> dict[str, str]:
    """Return the headers without the date."""
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pages
@medias
def test_http_01_bodies_are_what_they_are_called(site: Site, path: str, media: str) -> None:
    """HTTP-01: each of the five types is served under its own name and parses as such."""
    answer = twice(site, path, media)
    assert (answer.status, answer.media) == (200, media)
    assert len(answer.graph()) > 3


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/ld+json"),
        ("*/*", "application/ld+json"),
        ("application/json", "application/ld+json"),
        ("text/turtle;q=0.5, application/n-quads;q=0.8, */*;q=0.1", "application/n-quads"),
        ("application/n-quads,application/trig;q=0.95,application/ld+json;q=0.9", "application/n-quads"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/ld+json"),
        ('text/turtle;profile="https://w3id.org/tree/profile"', "text/turtle"),
        ("image/png", None),
        ("application/ld+json;q=0", None),
    ],
)
def test_http_02_negotiation_honours_weights(site: Site, accept: str | None, media: str | None) -> None:
    """HTTP-02: the best accepted type is served; what we do not have is refused with the list of what we have."""
    for path in (ROOT, FINAL):
        answer = twice(site, path, accept)
        if media is None:
            assert answer.status == 406
            assert sorted(json.loads(answer.body)["near"]) == sorted((*FORMATS, *PLAIN))
        else:
            assert answer.media == media


@pages
def test_http_03_vary_names_what_matters(site: Site, path: str) -> None:
    """HTTP-03: 200 and 304 vary by Accept and Accept-Encoding."""
    answer = twice(site, path)
    unchanged = twice(site, path, if_none_match=answer.headers["etag"])
    assert answer.headers["vary"] == unchanged.headers["vary"] == "Accept, Accept-Encoding"


@pages
def test_http_04_formats_say_the_same(site: Site, path: str) -> None:
    """HTTP-04: all five formats of a page are the same statements."""
    assert len({facts_of(twice(site, path, media)).canonical() for media in FORMATS}) == 1


@pytest.mark.parametrize("path", ["/gent-traffic/log", "/gent-traffic/log/0/2", "/gent-traffic/latest"])
def test_http_04_formats_of_observations_say_the_same(site: Site, path: str) -> None:
    """HTTP-04: the same holds for a stream of observations and for the newest states."""
    assert len({facts_of(site.get(path, media)).canonical() for media in FORMATS}) == 1


def test_http_04_odd_values_survive_every_format(site: Site, library: Library) -> None:
    """HTTP-04, HTTP-28: pages with line breaks, quotes, accents and characters beyond the first plane are the same in all."""
    odd = [page for page in library.tree(NAME, "by-operator").pages.values() if page.members or "/1/" not in page.url]
    for page in odd[::5]:
        answers = [site.get(page.url, media) for media in FORMATS]
        assert len({facts_of(answer).canonical() for answer in answers}) == 1


@pytest.mark.parametrize(("stream", "view"), TREES, ids=["/".join(each) for each in TREES])
def test_http_08_every_page_says_how_long(library: Library, stream: str, view: str) -> None:
    """HTTP-03, HTTP-05, HTTP-07, HTTP-08: every page of every view is either final or kept briefly, with a tag and Vary."""
    for page in library.tree(stream, view).pages.values():
        headers = page.answer.headers
        final = bool(page.facts.pairs(f"{LDES}immutable"))
        assert headers["cache-control"] == ("public, max-age=604800, immutable" if final else "public, max-age=5")
        assert headers["vary"] == "Accept, Accept-Encoding"
        assert re.fullmatch(r'"[0-9a-z-]+"', headers["etag"])


@pages
def test_http_05_every_representation_has_its_tag(site: Site, path: str) -> None:
    """HTTP-05, HTTP-26: media types and codings have ten different strong tags."""
    answers = [twice(site, path, media, accept_encoding=coding) for media in FORMATS for coding in ("gzip", "identity")]
    tags = {answer.headers["etag"] for answer in answers}
    assert len(tags) == 10
    assert all(re.fullmatch(r'"[0-9a-z-]+"', tag) for tag in tags)


def test_http_05_tag_changes_with_the_content(growing: Site) -> None:
    """HTTP-05, HTTP-09: after a publication root and open page have new tags, within a second."""
    growing.append("gent-parking", 3)
    before = [growing.get(path).headers["etag"] for path in ("/gent-parking/log", "/gent-parking/log/0/0")]
    growing.append("gent-parking", 3)
    after = [growing.get(path).headers["etag"] for path in ("/gent-parking/log", "/gent-parking/log/0/0")]
    for _ in range(100):
        if not set(before) & set(after):
            break
        growing.pause(0.02)
        after = [growing.get(path).headers["etag"] for path in ("/gent-parking/log", "/gent-parking/log/0/0")]
    assert not set(before) & set(after)


@pages
def test_http_06_conditions_are_weighed(site: Site, path: str) -> None:
    """HTTP-06: the current tag, a weak one, one in a list and `*` give 304 without a body; another tag gives 200."""
    tag = site.get(path).headers["etag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        unchanged = twice(site, path, if_none_match=condition)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["etag"] == tag
        assert unchanged.headers["cache-control"] == site.get(path).headers["cache-control"]
    assert twice(site, path, if_none_match='"other"').status == 200


@pages
def test_http_07_cache_control_says_what_changes(site: Site, path: str) -> None:
    """HTTP-07, HTTP-08, HTTP-09: final pages for a week and immutable; others briefly, never immutable, never absent."""
    expected = "public, max-age=5" if path in MUTABLE else "public, max-age=604800, immutable"
    assert twice(site, path).headers["cache-control"] == expected


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_http_10_head_mirrors_get(site: Site, path: str) -> None:
    """HTTP-10: HEAD has the status and headers of GET and no body."""
    got, head = site.get(path), site.get(path, method="HEAD")
    assert (head.status, plain(head), head.body) == (got.status, plain(got), b"")


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_http_11_any_web_page_may_read(site: Site, path: str) -> None:
    """HTTP-11: every answer, redirects, errors and 304 included, is open to other origins."""
    answer = site.get(path, origin="https://app.example")
    conditional = site.get(path, if_none_match="*", origin="https://app.example")
    for each in (answer, conditional, site.get(path, "image/png")):
        assert each.headers["access-control-allow-origin"] == "*"
        assert each.headers["access-control-expose-headers"] == "ETag, Link, Retry-After, Location, Age"


def test_http_11_preflight_allows_conditions(site: Site) -> None:
    """HTTP-11: a preflight allows GET and HEAD with Accept and If-None-Match."""
    answer = site.get(FINAL, method="OPTIONS", origin="https://app.example", access_control_request_method="GET")
    assert answer.status == 204
    assert {"GET", "HEAD"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert {"Accept", "If-None-Match"} <= set(answer.headers["access-control-allow-headers"].split(", "))


def test_http_12_too_much_at_once_is_told_to_wait(growing: Site) -> None:
    """HTTP-12, HTTP-13: while the database hangs and as many wait as may, others get 429 and when to come back; then all is well."""
    growing.append("gent-parking", 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * CONCURRENCY)), hard))
    lock: list[asyncpg.Connection] = []

    async def hang(store: PostgresStore) -> None:
        lock.append(await asyncpg.connect(growing._dsn))
        await lock[0].execute("BEGIN; LOCK TABLE ldes.members IN ACCESS EXCLUSIVE MODE")

    async def go_on(store: PostgresStore) -> None:
        await lock[0].execute("ROLLBACK")
        await lock[0].close()
        await asyncio.sleep(0)

    growing.run(hang)
    with ExitStack() as waiting:
        asked = []
        for number in range(CONCURRENCY):
            line = waiting.enter_context(socket.create_connection(("127.0.0.1", growing.port), timeout=20))
            path = f"/gent-parking/members/nobody/{number}"
            line.sendall(f"GET {path} HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n".encode())
            asked.append(line)
        refused = growing.get("/gent-parking/members/nobody/more")
        for _ in range(100):
            if refused.status == 429:
                break
            refused = growing.get("/gent-parking/members/nobody/more")
        growing.run(go_on)
        statuses = {line.recv(12) for line in asked}
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["access-control-allow-origin"] == "*"
    assert statuses <= {b"HTTP/1.1 404", b"HTTP/1.1 503"}
    assert growing.get("/gent-parking/log").status == 200


@pytest.mark.parametrize("path", [*PAGES, "/gent-parking/latest"])
def test_http_18_pages_name_their_own_address(site: Site, path: str) -> None:
    """HTTP-18: the page's own address in the body is the one it was asked by, whatever Host the request names."""
    answer = site.get(path, "application/n-triples", x_forwarded_host="elsewhere.example")
    assert f"<{site.base}{path.removesuffix('/latest')}".encode() in answer.body
    assert b"elsewhere" not in answer.body


PROFILE = "https://w3id.org/tree/profile"
LINES = [media for media in FORMATS if media != "application/ld+json"]


@pages
@pytest.mark.parametrize("media", LINES)
def test_http_19_the_tree_profile_is_offered(site: Site, path: str, media: str) -> None:
    """HTTP-19: whoever asks by the TREE profile gets it named, with the bytes of the plain type and a tag of its own."""
    plainly, profiled = twice(site, path, media), twice(site, path, f'{media};profile="{PROFILE}"')
    assert profiled.headers["content-type"].endswith(f'profile="{PROFILE}"')
    assert "profile" not in plainly.headers["content-type"]
    assert profiled.body == plainly.body
    assert profiled.headers["etag"] != plainly.headers["etag"]


@pages
@pytest.mark.parametrize("media", ["application/n-quads", "application/n-triples"])
def test_http_20_a_profiled_page_can_be_read_as_a_stream(site: Site, path: str, media: str) -> None:
    """HTTP-20, LDES-26: hypermedia first, then each member in one piece, opened by its tree:member, in order."""
    answer = site.get(path, f'{media};profile="{PROFILE}"')
    page, blocks = f"<{site.base}{path}>", []
    for line in answer.body.decode().splitlines():
        subject, predicate, rest = line.split(" ", 2)
        if predicate == "<https://w3id.org/tree#member>":
            blocks.append((rest.removesuffix(" ."), [line], set[str]()))
        elif blocks:
            member, lines, known = blocks[-1]
            assert subject == member or subject in known, line
            assert subject != page
            lines.append(line)
            if rest.startswith("_:"):
                known.add(rest.removesuffix(" ."))
    keys = [re.search(r'ns#sequence> "(\d+)"', "\n".join(lines)) for _, lines, _ in blocks]
    order = [int(key.group(1)) for key in keys if key]
    assert len(order) == len(blocks)
    assert order == sorted(order)


@pages
def test_http_21_no_profile_is_claimed_for_json(site: Site, path: str) -> None:
    """HTTP-19, HTTP-20, HTTP-21: no TREE profile is claimed, for JSON-LD least of all."""
    assert site.get(path).headers["content-type"] == "application/ld+json"


def test_http_22_contexts_are_inline_and_served(site: Site) -> None:
    """HTTP-22: pages refer to no remote context, and the model's own is served with caching and CORS."""
    page = json.loads(site.get(FINAL).body)
    assert type(page["@context"]).__name__ != "http"
    assert isinstance(page["@context"], dict)
    context = site.get("/models/parking", "application/ld+json")
    assert context.media == "application/ld+json"
    assert json.loads(context.body)["@context"] == page["@context"]["member"]["@context"]
    assert "max-age" in context.headers["cache-control"]


def test_http_23_context_makes_no_lists(site: Site) -> None:
    """HTTP-23: neither members nor paths become RDF lists."""
    assert b"#first" not in site.get(FINAL, "application/n-quads").body
    assert "@list" not in json.dumps(json.loads(site.get(FINAL).body)["@context"])


def test_http_25_no_link_header_is_needed(site: Site) -> None:
    """HTTP-25: the root is found without Link headers, for there are none."""
    assert "link" not in site.get("/gent-parking").headers


@pages
@medias
def test_http_26_gzip_is_the_same_content(site: Site, path: str, media: str) -> None:
    """HTTP-26: gzip is used when asked for, is smaller, and unpacks to the identity body."""
    identity, squeezed = twice(site, path, media), twice(site, path, media, **SQUEEZED)
    assert "content-encoding" not in identity.headers
    assert squeezed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(squeezed.body) == identity.body
    assert len(squeezed.body) < len(identity.body)


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_http_27_every_answer_has_its_length(site: Site, path: str) -> None:
    """HTTP-27: Content-Length is always there and true."""
    for headers in ({}, SQUEEZED):
        answer = site.get(path, **headers)
        assert int(answer.headers["content-length"]) == len(answer.body)


@pages
@medias
def test_http_28_everything_is_utf_8(site: Site, path: str, media: str) -> None:
    """HTTP-28: bodies are UTF-8 without a byte order mark."""
    body = site.get(path, media).body
    assert body.decode("utf-8")
    assert not body.startswith(b"\xef\xbb\xbf")


def test_http_29_entry_is_stable(site: Site) -> None:
    """HTTP-29: the stream redirects with 303 and a lifetime, never permanently."""
    answer = site.get("/gent-parking")
    assert answer.status == 303
    assert "max-age" in answer.headers["cache-control"]


def test_http_31_only_reading(site: Site) -> None:
    """HTTP-31: the pages take no other method than reading ones."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = site.get(ROOT, method=method)
        assert answer.status == 405
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/log",
        "/0",
        "/log/0/99",
        "/log/0/03",
        "/log/0/-1",
        "/log/7/0",
        "/log/1/99",
        "/log/x/0",
        "/log/0/1e3",
        "/log/0/" + "9" * 40,
    ],
)
def test_http_32_one_address_per_page(site: Site, path: str) -> None:
    """HTTP-32, HTTP-33: beyond the tail, before the start or otherwise spelled there is no page, and no error of ours."""
    prefix = "/gent-trafic" if path == "/log" else "/gent-parking"
    answer = site.get(prefix + path)
    assert (answer.status, answer.media) == (404, "application/problem+json")
    problem = json.loads(answer.body)
    assert problem["fix"]
    assert problem.get("near", ["/gent-traffic"])[0] == "/gent-traffic"


@pages
def test_http_34_one_statement_per_line(site: Site, path: str) -> None:
    """HTTP-34: every line of N-Quads is one statement."""
    lines = site.get(path, "application/n-quads").body.decode().splitlines()
    assert lines
    assert all(re.fullmatch(r"(<[^>]*>|_:\w+) <[^>]*> .+ \.", line) for line in lines)


def test_entities_lead_to_their_newest_member(site: Site) -> None:
    """An entity's address answers 303 to its newest member; an unknown one 404."""
    newest = json.loads(site.get("/gent-parking/latest").body)["member"][0]
    answer = site.get(newest["isVersionOf"])
    assert (answer.status, answer.headers["location"]) == (303, newest["@id"])
    assert site.get("/gent-parking/entities/none").status == 404
    assert site.get("/gent-parking/members/none").status == 404
