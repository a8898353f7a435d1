"""The web process: fast lane, overload, freshness, shutdown, documents and pages for people."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httptools
import pytest
from starlette.types import Message, Receive, Scope, Send

from ldes_server.app import create_app
from ldes_server.descriptions import RESERVED
from ldes_server.gate import Gate
from ldes_server.serve import Address, serve
from streams.errors import ConfigError
from tests.conformance.kit import Site, make_stream, two_streams
from vocab.model import load_model

FINAL = "/gent-parking/log/0/1"
MEMBERS = 57


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Run a site with a few pages."""
    with Site(database_url, two_streams()) as running:
        running.append("gent-parking", MEMBERS)
        yield running


class Answers:
    """Splits what comes over one connection into answers."""

    def __init__(self) -> None:
        self.found: list[tuple[int, dict[bytes, bytes], bytes]] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Begin an answer."""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """End an answer."""
        self.found.append((self._parser.get_status_code(), self._headers, self._body))


def talk(site: Site, *requests: bytes, count: int) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """Send requests in one packet over one connection, and read that many answers."""
    answers = Answers()
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(b"".join(requests))
        while len(answers.found) < count:
            data = connection.recv(65536)
            assert data, f"closed after {len(answers.found)} of {count} answers"
            answers.feed(data)
    return answers.found


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    """Write a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: h", *headers, "", ""]).encode()


def lane_hits(site: Site) -> float:
    """Return how many requests the lane answered, as the metrics say once they are flushed."""
    found = re.findall(rb'sf_http_requests_total\{outcome="\w+",route="lane"\} ([0-9.]+)', site.get("/metrics").body)
    return sum(float(value) for value in found)


def test_the_lane_answers_what_the_routes_answer(site: Site) -> None:
    """The first answer comes through a route, the second from the lane; but for the Date they are the same, and counted."""
    before = lane_hits(site)
    for headers in ({}, {"accept_encoding": "gzip"}, {"if_none_match": "*"}):
        for method in ("GET", "HEAD"):
            first, second = (site.get(FINAL, method=method, **headers) for _ in range(2))
            assert (first.status, first.body) == (second.status, second.body)
            assert first.headers.keys() == second.headers.keys()
            assert "date" in second.headers
    deadline = time.monotonic() + 10
    while lane_hits(site) < before + 6 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lane_hits(site) >= before + 6


@pytest.mark.parametrize("name", ["ndjson", "geojson", "csv"])
def test_the_lane_knows_formats_in_addresses(site: Site, name: str) -> None:
    """A final page asked for by its format in the address comes from the lane from the second time on."""
    before = lane_hits(site)
    found = {site.get(f"{FINAL}?format={name}", "text/turtle").body for _ in range(4)}
    assert len(found) == 1
    deadline = time.monotonic() + 10
    while lane_hits(site) < before + 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lane_hits(site) == before + 3
    assert site.get(f"{FINAL}?format={name}&x=1").status == 400
    assert site.get(f"{FINAL}?x={name}").status == 400


@pytest.mark.parametrize("path", ["/gent-parking/log", "/gent-parking/log/0/5"])
def test_the_lane_knows_pages_that_may_change(site: Site, path: str) -> None:
    """Root and open leaf come from the lane until members come; then both the page and the answer to its old tag are new."""
    first = site.get(path)
    etag = first.headers["etag"]
    deadline = time.monotonic() + 10
    while True:
        # What is shown is shown for a second at most, so one of a few quick questions is answered by the lane.
        before = lane_hits(site)
        answers = [site.get(path) for _ in range(3)] + [site.get(path, if_none_match=etag) for _ in range(3)]
        if lane_hits(site) >= before + 4:
            break
        assert time.monotonic() < deadline
    assert [answer.status for answer in answers] == [200] * 3 + [304] * 3
    assert {answer.body for answer in answers[:3]} == {first.body}
    assert answers[0].headers.keys() == first.headers.keys()
    site.append("gent-parking", 2)
    newer = site.get(path, if_none_match=etag)
    assert newer.status == 200
    assert newer.body != first.body


def test_openapi_names_the_parameters(site: Site) -> None:
    """Programs that read OpenAPI find every parameter of the newest states with its form, beside the names in paths."""
    paths = json.loads(site.get("/openapi.json").body)["paths"]
    found = {each["name"]: each["in"] for each in paths["/{stream}/latest"]["get"]["parameters"]}
    assert found == {"stream": "path", **dict.fromkeys(("entity", "bbox", "since", "after", "format"), "query")}


def test_pipelined_answers_keep_their_order(site: Site) -> None:
    """Answers come in the order of the requests, though some are ready in memory and others are not."""
    site.get(FINAL)
    paths = ["/healthz", FINAL, "/gent-parking/log", FINAL, FINAL, "/nowhere", FINAL, "/readyz"]
    found = talk(site, *(request(path) for path in paths), count=len(paths))
    assert [status for status, _, _ in found] == [200, 200, 200, 200, 200, 404, 200, 200]
    final = site.get(FINAL).body
    assert [body == final for _, _, body in found] == [path == FINAL for path in paths]


def test_connection_close_is_honoured(site: Site) -> None:
    """Who asks to close gets `connection: close` and a closed connection, from the lane too."""
    site.get(FINAL)
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(request(FINAL, "Connection: close"))
        data = b""
        while part := connection.recv(65536):
            data += part
    assert b"\r\nconnection: close" in data.split(b"\r\n\r\n")[0]
    assert data.endswith(site.get(FINAL).body)


def test_many_large_answers_to_a_slow_reader(site: Site) -> None:
    """A reader that lets answers pile up gets all of them, whole and in order."""
    site.get(FINAL)
    found = talk(site, request(FINAL) * 400, count=400)
    assert {body for _, _, body in found} == {site.get(FINAL).body}


@pytest.mark.parametrize("headers", [("Content-Length: 0",), ("Range: bytes=0-3",), ("Expect: 100-continue",)])
def test_what_the_lane_does_not_know_goes_the_usual_way(site: Site, headers: tuple[str, ...]) -> None:
    """A request with a body, a range or an expectation is answered in full by the route."""
    body = site.get(FINAL).body
    ((status, _, found),) = talk(site, request(FINAL, *headers), count=1)
    assert (status, found) == (200, body)


def test_garbage_is_refused_and_the_next_one_served(site: Site) -> None:
    """What is no HTTP gets 400 and a closed connection; the process goes on."""
    ((status, _, _),) = talk(site, b"\x16\x03\x01 nonsense\r\n\r\n", count=1)
    assert status == 400
    assert site.get(FINAL).status == 200


def test_news_is_seen_at_once(site: Site) -> None:
    """A publication shows on the root within a second, without anybody asking the database each time."""
    before = site.get("/gent-parking/log").body
    site.append("gent-parking", 5)
    deadline = time.monotonic() + 5
    while site.get("/gent-parking/log").body == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_front_page_is_for_people_and_the_catalogue_for_programs(site: Site) -> None:
    """A browser gets every feed with links that work and nothing from elsewhere; a program gets DCAT."""
    page = site.get("/", "text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.media == "text/html"
    text = page.body.decode()
    own = set(re.findall(rf'(?:href="|curl -s ){site.base}([^"<\s]*)', text))
    assert {"/gent-parking/log", "/gent-parking/latest", "/models/parking"} <= own
    assert {site.get(path or "/", "text/html,*/*").status for path in own} <= {200, 303}
    assert not re.findall(r"<(?:script|img|iframe)[^>]*src=|<link[^>]*stylesheet|@import|url\(", text)
    assert site.get("/", "text/turtle").media == "text/turtle"
    assert site.get("/").media == "application/ld+json"


def test_models_are_explained_in_each_form(site: Site) -> None:
    """A model's address gives context, shape and explanation; an unknown model the names that come near."""
    assert site.get("/models/traffic", "text/turtle").body.startswith(b"@prefix")
    assert b"README" in site.get("/models/traffic", "text/html").body
    problem = json.loads(site.get("/models/trafic").body)
    assert problem["near"] == ["/models/traffic"]


@pytest.mark.parametrize("path", ["/ns", "/ns/traffic"])
def test_terms_of_ours_are_explained_in_each_form(site: Site, path: str) -> None:
    """The address of a namespace answers in RDF and for people, from any web page, and with 304 to who has it."""
    for media in ("text/turtle", "application/ld+json", "application/n-triples", "text/html"):
        answer = site.get(path, media)
        assert (answer.status, answer.media) == (200, media)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert "Accept" in answer.headers["vary"]
        assert site.get(path, media, if_none_match=answer.headers["etag"]).status == 304
    assert b"traffic#van" in site.get(path, "application/n-triples").body
    assert site.get(path, "image/png").status == 406


def test_an_unknown_namespace_is_told_its_neighbours(site: Site) -> None:
    """A namespace that there is not is a 404 with the names that come near."""
    answer = site.get("/ns/trafic")
    assert answer.status == 404
    assert json.loads(answer.body)["near"][0] == "/ns/traffic"


def test_documentation_lists_every_address(site: Site) -> None:
    """/docs is a page without anything from elsewhere, and /openapi.json the same for programs."""
    paths = json.loads(site.get("/openapi.json").body)["paths"]
    assert "/{stream}/log" in paths
    assert all(path in site.get("/docs").body.decode() for path in paths)


def test_a_taken_name_is_refused() -> None:
    """A stream cannot have the name of an address of ours; all such names are reported at once."""
    streams = [make_stream(name, load_model("parking")) for name in ("docs", "ns", "fine")]
    with pytest.raises(ConfigError) as caught:
        create_app(streams, None, base_url="http://h")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2
    assert {"docs", "ns"} < RESERVED


async def test_a_taken_port_is_a_configuration_error(site: Site) -> None:
    """A port somebody listens on is reported with a fix, before anything is served."""
    address = Address(host="127.0.0.1", port=site.port, base_url=site.base)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(host="127.0.0.1", port=taken.getsockname()[1], base_url=site.base)
        with pytest.raises(ConfigError, match="problem"):
            await serve((), None, address=address, stop=asyncio.Event())  # type: ignore[arg-type]


async def test_too_much_at_once_is_told_to_wait() -> None:
    """HTTP-12, HTTP-13: above the limit a request gets 429 with Retry-After and CORS; afterwards all is well."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        inside.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    gate = Gate(slow, limit=1)

    async def ask() -> Message:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        await gate({"type": "http", "method": "GET", "headers": []}, receive, send)
        return sent[0]

    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(), name="first")
        await inside.wait()
        refused = await ask()
        go_on.set()
    headers = dict(refused["headers"])
    assert (refused["status"], headers[b"retry-after"]) == (429, b"2")
    assert headers[b"access-control-allow-origin"] == b"*"
    assert first.result()["status"] == (await ask())["status"] == 200


def test_a_leaf_that_the_root_follows_with_another_is_shown_full(site: Site) -> None:
    """While members come, whoever reads the root and then the leaf before its last one finds that leaf full and final."""
    size, seen = site.streams["gent-parking"].page_size, set[int]()

    def read(path: str) -> tuple[str, dict[str, Any]]:
        answer = site.get(path, "application/ld+json")
        return answer.headers["cache-control"], json.loads(answer.body)

    with ThreadPoolExecutor(1) as pool:
        while len(seen) < 4:
            growing = pool.submit(site.append, "gent-parking", size // 2)
            while not growing.done():
                _, root = read("/gent-parking/log")
                newest = int(root["view"]["relation"][-1]["node"].rsplit("/", 1)[1])
                kept, leaf = read(f"/gent-parking/log/0/{newest - 1}")
                assert "immutable" in kept
                assert len(leaf["member"]) == size
                # Asked for while it is open, so that it is shown when it closes.
                read(f"/gent-parking/log/0/{newest}")
                seen.add(newest)
