"""Polling in pages, with POST and windows, and errors that come with status 200, against a real server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web

from ingest.connectors.http_poll import HttpPoll
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError
from streams.record import Payload
from tests.support.http_script import Asked, Script, as_json, scripted
from tests.unit.ingest.transporting import faults, read

PAGES = [[{"n": 1}, {"n": 2}], [{"n": 3}, {"n": 4}], [{"n": 5}]]


def options(script: Script, path: str, more: str, environ: dict[str, str] | None = None) -> HttpPollOptions:
    """Read the options of a source that asks the script."""
    found = read("http_poll", f"url: '{script.origin}{path}'\nevery: 60s\n{more}", environ)
    assert isinstance(found, HttpPollOptions)
    return found


async def polled(wanted: HttpPollOptions, cursor: bytes = b"") -> tuple[Payload, ...]:
    """Poll once with a connector of its own."""
    async with HttpPoll("demo", wanted) as connector:
        return (await connector.poll(cursor)).payloads


async def refused(wanted: HttpPollOptions) -> SourceError:
    """Poll once and return the error it must end in."""
    with pytest.raises(SourceError) as caught:
        await polled(wanted)
    assert caught.value.retriable
    return caught.value


def by_next(asked: Asked) -> web.Response:
    """Lead on by an address in the page."""
    page = int(asked.query.get("page", 0))
    more = {"links": {"next": f"/feed?page={page + 1}"}} if page + 1 < len(PAGES) else {}
    return as_json({"items": PAGES[page], **more})


def by_link(asked: Asked) -> web.Response:
    """Lead on by the Link header."""
    page = int(asked.query.get("page", 0))
    link = f'</about>; rel="about", <feed?page={page + 1}>; rel="NEXT prefetch"'
    return as_json({"items": PAGES[page]}, headers={"Link": link} if page + 1 < len(PAGES) else {})


def by_offset(asked: Asked) -> web.Response:
    """Answer two items from an offset on."""
    start = int(asked.query["start"])
    return as_json(
        {"items": [item for page in PAGES for item in page][start : start + 2], "limit": asked.query["limit"]}
    )


def by_number(asked: Asked) -> web.Response:
    """Answer a page by number, from 0; the one after the last is empty."""
    number = int(asked.query["p"])
    return as_json({"items": PAGES[number] if number < len(PAGES) else []})


def by_cursor(asked: Asked) -> web.Response:
    """Lead on by a mark."""
    page = {"": 0, "b=&/": 1, "c": 2}[asked.query.get("after", "")]
    return as_json({"items": PAGES[page], "meta": {"after": ["b=&/", "c", None][page]}})


WAYS: list[Any] = [
    (by_next, "/feed", "pages: { next: links.next }"),
    (by_link, "/feed", "pages: { link: next }"),
    (by_offset, "/feed?limit=2", "pages: { offset: start, size: 2, items: items }"),
    (by_number, "/feed", "pages: { number: p, first: 0, items: items }"),
    (by_cursor, "/feed", "pages: { cursor: meta.after, parameter: after }"),
]


@pytest.mark.parametrize(("reply", "path", "pages"), WAYS, ids=["next", "link", "offset", "number", "cursor"])
async def test_every_page_becomes_a_payload(reply: Any, path: str, pages: str) -> None:
    """Each way of paging reaches all pages in order; the same pages again are no news."""
    async with scripted(reply) as script:
        wanted = options(script, path, pages)
        payloads = await polled(wanted)
        items = [orjson.loads(payload.body)["items"] for payload in payloads]
        assert [found for found in items if found] == PAGES
        assert await polled(wanted, payloads[-1].cursor) == ()


async def test_only_pages_that_changed_are_news_and_a_crash_in_between_repeats_the_rest() -> None:
    """A changed page comes alone; the cursor of a page says nothing of the pages behind it."""
    content = [[1], [2], [3]]

    def reply(asked: Asked) -> web.Response:
        page = int(asked.query.get("page", 0))
        return as_json({"items": content[page], **({"next": f"?page={page + 1}"} if page < 2 else {})})

    async with scripted(reply) as script:
        wanted = options(script, "/feed", "pages: { next: next }")
        first = await polled(wanted)
        content[1] = [20]
        assert [orjson.loads(it.body)["items"] for it in await polled(wanted, first[-1].cursor)] == [[20]]
        assert [orjson.loads(it.body)["items"] for it in await polled(wanted, first[0].cursor)] == [[20], [3]]


@pytest.mark.parametrize(
    ("target", "more", "says"),
    [
        ("?page={n}", "", "more than 100 pages"),
        ("?page={n}", ", most: 3", "more than 3 pages"),
        ("?again", "", "in a circle"),
        ("http://elsewhere.example/feed", "", "another host, http://elsewhere.example/feed"),
        ("//127.0.0.1:1/feed?key=secret", "", "another host, http://127.0.0.1:1/feed"),
        ("ftp://x/", "", "another host"),
    ],
)
async def test_pages_that_do_not_end_or_lead_away_are_an_error(target: str, more: str, says: str) -> None:
    """Endless pages, a circle and a link to another host end the poll with an error, and nothing of it is kept."""

    def reply(asked: Asked) -> web.Response:
        return as_json({"next": target.format(n=int(asked.query.get("page", 0)) + 1)})

    async with scripted(reply) as script:
        error = await refused(options(script, "/feed", f"pages: {{ next: next{more} }}"))
    assert says in error.what
    assert "secret" not in str(error)


async def test_the_limit_counts_all_pages_together() -> None:
    """Pages that are small each may not add up to more than max_bytes."""

    def reply(asked: Asked) -> web.Response:
        return as_json({"next": f"?page={int(asked.query.get('page', 0)) + 1}", "items": ["x" * 300]})

    async with scripted(reply) as script:
        error = await refused(options(script, "/feed", "pages: { next: next }\nmax_bytes: 1000"))
        assert "pages together are larger than 1000 bytes" in error.what
        assert len(script.asked) == 4


async def test_a_page_that_is_no_json_is_an_error_with_its_number() -> None:
    """Paging by a path needs JSON; a page that is none, or lacks its list, names itself."""
    async with scripted(lambda _: web.Response(text="<html>")) as script:
        assert "page 1: the page is no JSON" in (await refused(options(script, "/", "pages: { next: next }"))).what
    async with scripted(lambda _: as_json({})) as script:
        by_offset = options(script, "/", "pages: { offset: o, size: 5, items: results }")
        assert "no list at results" in (await refused(by_offset)).what


async def test_a_body_is_posted_with_times_and_secrets() -> None:
    """JSON, form and text bodies carry the window and what comes from the environment, each with its media type."""
    form = "post: { form: { since: '{since}', api_key: '${KEY}' } }"
    text = "post: { text: '<since>{since}</since>', type: application/xml }"
    window = "\nwindow: { first: 1h, format: '%Y' }"
    async with scripted(lambda asked: as_json(["2026", len(asked.body)])) as script:
        json = "post: { json: { from: '{since}', n: 3, deep: [true, null, '${KEY}', 2026-07-01], api_key: '${KEY}' } }"
        for more in (json, form, text):
            await polled(options(script, "/feed", more + window, {"KEY": "k&y"}))
    posted = [(asked.method, asked.headers["Content-Type"]) for asked in script.asked]
    assert posted == [
        ("POST", "application/json"),
        ("POST", "application/x-www-form-urlencoded"),
        ("POST", "application/xml"),
    ]
    first = orjson.loads(script.asked[0].body)
    year = first.pop("from")
    assert year.isdecimal()
    assert first == {"n": 3, "deep": [True, None, "k&y", "2026-07-01"], "api_key": "k&y"}
    assert script.asked[1].body == f"since={year}&api_key=k%26y".encode()
    assert script.asked[2].body == f"<since>{year}</since>".encode()


async def test_the_window_begins_where_the_last_answer_in_the_log_was_asked() -> None:
    """The first question goes back by `first`, the next one to the last answer that is safe, less the overlap."""
    async with scripted(lambda asked: as_json([asked.query["from"]])) as script:
        window = "window: { first: 1h, overlap: 10m, format: epoch_seconds }"
        wanted = options(script, "/feed?from={since}&to={until}", window)
        (payload,) = await polled(wanted)
        await polled(wanted, payload.cursor)
        await polled(wanted)
    first, second, again = [(int(asked.query["from"]), int(asked.query["to"])) for asked in script.asked]
    hour, ten = timedelta(hours=1).total_seconds(), timedelta(minutes=10).total_seconds()
    assert first[1] - first[0] == hour
    assert first[1] - ten - 1 <= second[0] <= first[1] - ten + 1
    assert again[1] - again[0] == hour
    assert all("If-None-Match" not in asked.headers for asked in script.asked)


@pytest.mark.parametrize(
    ("body", "wanted", "says"),
    [
        (
            {"type": "error", "message": "No such site"},
            "{ path: type, equals: error, message: message }",
            "No such site",
        ),
        ({"type": "error"}, "{ path: type, equals: error, message: message }", "type is error"),
        ({"ok": False}, "{ path: ok, equals: false }", "ok is false"),
        ({"errors": [{"code": 7}]}, "{ path: errors, message: 'errors[0].code' }", "an error: 7"),
    ],
)
async def test_an_error_with_status_200_is_an_error(body: Any, wanted: str, says: str) -> None:
    """What the source file calls an error is one of the source, with the publisher's own words."""
    async with scripted(lambda _: as_json(body)) as script:
        assert says in (await refused(options(script, "/", f"error_when: {wanted}"))).what


async def test_what_is_no_such_error_is_a_payload() -> None:
    """Data, and what is no JSON at all, pass by `error_when`."""
    for body in (b'{"type": "data"}', b"<html>", b"[1]"):
        async with scripted(lambda _, body=body: web.Response(body=body)) as script:  # type: ignore[misc]
            wanted = options(script, "/", "error_when: { path: type, equals: error }")
            assert [payload.body for payload in await polled(wanted)] == [body]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("post: {}", "post has no body"),
        ("post: { json: {}, text: a }", "json and text"),
        ("post: { form: [a] }", "form must be a mapping"),
        ("post: { form: { a: 1 }, type: text/plain }", "type does not fit form"),
        ("post: { json: { api_key: abc } }", "api_key holds a secret"),
        ("pages: { next: a, link: next }", "next and link"),
        ("pages: {}", "does not say how"),
        ("pages: { offset: o }", "need items"),
        ("pages: { offset: o, items: a, size: 0 }", "no positive whole number"),
        ("pages: { cursor: a }", "need parameter"),
        ("pages: { next: a, first: 1 }", "first does not fit"),
        ("pages: { next: 'a[*]' }", "many values"),
        ("pages: { number: p, items: a, first: -1 }", "no number of a page"),
        ("window: { first: 1h }", "{since} nowhere"),
        ("post: { text: '{since}' }", "without a window"),
        ("window: { zone: Mars }\npost: { text: '{since}' }", "no time zone"),
        ("window: { format: iso }\npost: { text: '{since}' }", "writes no time"),
        ("error_when: { equals: a }", "path is missing"),
        ("error_when: { path: 'a..b' }", "is no path"),
    ],
)
def test_faults_of_these_words_are_told(text: str, says: str) -> None:
    """Words that contradict each other, lack company or mean nothing are refused before anything is asked."""
    assert any(says in fault for fault in faults("http_poll", f"url: https://x.example/\nevery: 60s\n{text}"))


def test_an_address_may_hold_a_secret_from_outside_only() -> None:
    """A key in the query comes from the environment, written as addresses want it; in clear it is refused."""
    found = read("http_poll", "url: 'https://x.example/?apikey=${KEY}'\nevery: 60s", {"KEY": "a b&c"})
    assert isinstance(found, HttpPollOptions)
    assert found.url == "https://x.example/?apikey=a%20b%26c"
    assert "is a secret" in faults("http_poll", "url: 'https://x.example/?apikey=abc'\nevery: 60s")[0]
    assert "no web address" in faults("http_poll", "url: 'https://x.example:port/'\nevery: 60s")[0]
