"""Live streams and ways into a history over HTTP: resumed anywhere, refused in words, ended in time."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from starlette.types import Message

from ldes_server.app import create_app
from ldes_server.model import Head
from streams.record import format_time, parse_time
from tests.conformance.kit import PAGE_SIZE, Site, two_streams

NAME = "gent-parking"
MEMBERS = 57
LIVE = f"/{NAME}/live"


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Run a site with a few pages."""
    with Site(database_url, two_streams()) as running:
        running.append(NAME, MEMBERS)
        yield running


class Listening:
    """An open live stream: its status, headers and events as they come."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response

    def event(self) -> dict[str, str]:
        """Wait for the next event; empty at the end."""
        found: dict[str, str] = {}
        while line := self._response.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                found[name] = value
            elif found:
                return found
        return {}

    def numbers(self, count: int) -> list[int]:
        """Wait for so many members; return their ids."""
        found: list[int] = []
        while len(found) < count and (event := self.event()):
            if event.get("event") == "member":
                assert json.loads(event["data"])["sequence"] == int(event["id"])
                found.append(int(event["id"]))
        return found


@contextmanager
def listening(site: Site, path: str = LIVE, **headers: str) -> Iterator[Listening]:
    """Open a live stream."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        with connection.getresponse() as response:
            yield Listening(response)
    finally:
        connection.close()


def test_replay_from_any_id_is_the_rest_of_the_log(site: Site) -> None:
    """From every id, by header or by `since`, come the members behind it to the newest, then what is published next."""
    with listening(site, f"{LIVE}?since=0") as everything:
        assert everything.numbers(MEMBERS) == list(range(MEMBERS))
        for last in (-1, 0, 1, 8, 9, 10, 24, 55, 56):
            rest = list(range(last + 1, MEMBERS))
            with listening(site, f"{LIVE}?since=3", last_event_id=str(last)) as resumed:
                assert resumed.numbers(len(rest)) == rest
            with listening(site, f"{LIVE}?since={last + 1}") as begun:
                assert begun.numbers(len(rest)) == rest
        site.append(NAME, 5)
        assert everything.numbers(5) == list(range(MEMBERS, MEMBERS + 5))


def test_a_live_stream_begins_with_what_comes_next(site: Site) -> None:
    """Without a wish only new members come; before them the id to resume from and the time to wait."""
    with listening(site) as live:
        greeting = live.event()
        assert greeting["id"] == str(MEMBERS - 1)
        assert 1000 <= int(greeting["retry"]) < 3000
        site.append(NAME, 3)
        assert live.numbers(3) == [57, 58, 59]


def test_nobody_on_the_way_keeps_events_back(site: Site) -> None:
    """The headers say what it is and that nothing may store or buffer it; any web page may read it; HEAD has the same."""
    with listening(site) as live:
        assert live.status == 200
        expected = {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
            "access-control-allow-origin": "*",
        }
        assert expected.items() <= live.headers.items()
        assert not {"content-length", "transfer-encoding", "content-encoding"} & live.headers.keys()
    head = site.get(LIVE, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert expected.items() <= head.headers.items()


def test_a_member_is_json_ld_as_on_the_pages(site: Site) -> None:
    """The data are the member of the page, with the address of its context, which is served."""
    with listening(site, f"{LIVE}?since=0") as live:
        live.event()
        member = json.loads(live.event()["data"])
    context = member.pop("@context")
    assert member == json.loads(site.get(f"/{NAME}/log/0/0").body)["member"][0]
    assert site.get(context.removeprefix(site.base), "application/ld+json").body.startswith(b'{"@context":')


def test_what_cannot_be_given_is_said(site: Site) -> None:
    """A number beyond the newest, by `since` or by header, begins at the newest with an event that says so."""
    for words in ({"path": f"{LIVE}?since=1000"}, {"last_event_id": "999"}):
        with listening(site, **words) as live:
            assert live.event()["id"] == str(MEMBERS - 1)
            gap = live.event()
            assert gap["event"] == "gap"
            assert json.loads(gap["data"]) == {"from": MEMBERS, "to": 999, "reason": "not published yet"}


@pytest.mark.parametrize(
    ("path", "headers", "status", "says"),
    [
        (f"{LIVE}?since=yesterday", {}, 400, "since=yesterday"),
        (f"{LIVE}?since=", {}, 400, "since="),
        (f"{LIVE}?since=1&since=2", {}, 400, "'since' has two values"),
        (f"{LIVE}?at=2026-11-23T08:00:00Z", {}, 400, "no parameter 'at'"),
        (LIVE, {"last_event_id": "abc"}, 400, "Last-Event-ID: abc"),
        (LIVE, {"accept": "application/json"}, 406, "text/event-stream"),
        ("/gent-parkin/live", {}, 404, "gent-parkin"),
    ],
)
def test_refusals_name_what_is_wrong(site: Site, path: str, headers: dict[str, str], status: int, says: str) -> None:
    """A wrong parameter, header, form or name is a problem document that names it and how to mend it."""
    answer = site.get(path, **headers)
    problem = json.loads(answer.body)
    assert (answer.status, answer.media) == (status, "application/problem+json")
    assert says in problem["detail"]
    assert problem["fix"]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_room_a_listener_is_told_to_wait() -> None:
    """HTTP-12, HTTP-13: where nobody more can listen the answer is 503 with Retry-After."""
    app = create_app(two_streams(), Empty(), base_url="http://h")  # type: ignore[arg-type]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": LIVE,
        "raw_path": LIVE.encode(),
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 503
    assert int(dict(sent[0]["headers"])[b"retry-after"]) > 0


class Empty:
    """A store of nothing."""

    async def head(self, _stream: str) -> Head:
        """Return the empty head."""
        return Head()


def test_old_clients_get_events_too(site: Site) -> None:
    """An HTTP/1.0 client reads to the end of the connection; what it sends afterwards disturbs nobody."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(f"GET {LIVE}?since=55 HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
        connection.sendall(b"more of what nobody asked for")
        data = b""
        while data.count(b"event: member") < 2:
            data += connection.recv(65536)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert site.get("/healthz").status == 200


def test_the_end_of_the_server_ends_streams_at_once(database_url: str) -> None:
    """A server that stops says so to every listener and is gone within seconds, also with one who reads nothing."""
    with Site(database_url, two_streams()) as site:
        site.append(NAME, 600)
        deaf = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        deaf.sendall(f"GET {LIVE}?since=0 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        with listening(site) as live:
            live.event()
            begun = time.monotonic()
            assert site._loop is not None
            assert site._stop is not None
            site._loop.call_soon_threadsafe(site._stop.set)
            assert json.loads(live.event()["data"]) == {"reason": "stopped"}
            assert live.event() == {}
    assert time.monotonic() - begun < 8
    deaf.close()


def test_listeners_are_counted(site: Site) -> None:
    """The metrics say how many listen and how many members were sent to them."""
    with listening(site, f"{LIVE}?since=7") as live:
        live.numbers(50)
        text = site.get("/metrics").body.decode()
        assert f'sf_live_listeners{{stream="{NAME}"}} 1.0' in text
        sent = re.search(rf'sf_live_events_total{{stream="{NAME}"}} ([0-9.]+)', text)
        assert sent is not None
        assert float(sent.group(1)) >= 50


# --- ways into a history --------------------------------------------------------------------------------------------


def where(site: Site, query: str) -> str:
    """Return where a query leads, below the stream."""
    answer = site.get(f"/{NAME}?{query}")
    assert answer.status == 303, answer
    return answer.headers["location"].removeprefix(f"{site.base}/{NAME}/")


def times(site: Site) -> list[datetime]:
    """Return the publication times of all members."""
    found: list[datetime] = []
    for index in range(-(-MEMBERS // PAGE_SIZE)):
        page = json.loads(site.get(f"/{NAME}/log/0/{index}").body)
        found += [parse_time(member["generatedAtTime"]) for member in page["member"]]
    return found


def test_times_and_numbers_lead_to_the_page_that_holds_them(site: Site) -> None:
    """TREE-44: `since` leads to the first member from then on, `at` to the last until then, numbers to themselves."""
    published = times(site)
    for number in range(MEMBERS):
        assert where(site, f"since={number}") == f"log/0/{number // PAGE_SIZE}"
    for shift in (-60_000, -1, 0, 1, 60_000):
        for moment in sorted({each + timedelta(milliseconds=shift) for each in published}):
            text = format_time(moment)
            later = [number for number, each in enumerate(published) if each >= moment]
            earlier = [number for number, each in enumerate(published) if each <= moment]
            assert where(site, f"since={text}") == (f"log/0/{later[0] // PAGE_SIZE}" if later else "log")
            assert where(site, f"at={text}") == f"log/0/{(earlier[-1] if earlier else 0) // PAGE_SIZE}"


def test_what_is_not_there_yet_is_behind_the_root(site: Site) -> None:
    """A number or time beyond the newest member, and any place in an empty stream, lead to the root, briefly kept."""
    for query in ("since=57", "since=999999999999999999", "since=2999-01-01T00:00:00Z"):
        assert where(site, query) == "log"
    answer = site.get("/gent-traffic?at=2026-11-23T08:00:00Z")
    assert answer.headers["location"] == f"{site.base}/gent-traffic/log"
    assert answer.headers["cache-control"] == "public, max-age=5"


def test_the_search_form_agrees_with_the_redirects(site: Site) -> None:
    """TREE-41, TREE-44, TREE-45: the root's form, filled in with a time, leads to all members of that very time."""
    view = json.loads(site.get(f"/{NAME}/log").body)["view"]
    form = view["search"]
    assert form["mapping"]["property"] == "https://w3id.org/tree#timeQuery"
    assert form["mapping"]["path"] == "http://www.w3.org/ns/prov#generatedAtTime"
    published = times(site)
    for moment in sorted(set(published))[::3]:
        address = form["template"].replace("{at}", format_time(moment)).removeprefix(site.base)
        page = json.loads(site.get(site.get(address).headers["location"].removeprefix(site.base)).body)
        found = {member["sequence"] for member in page["member"]}
        assert {number for number, each in enumerate(published) if each == moment} <= found


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("until=1", 400, "no parameter 'until'"),
        ("since=noon", 400, "since=noon"),
        ("at=12", 400, "at=12"),
        ("since=1&at=2026-11-23T08:00:00Z", 400, "two places"),
    ],
)
def test_wrong_places_are_refused(site: Site, query: str, status: int, says: str) -> None:
    """A parameter that does not exist, two places at once, or a wrong form is 400 that names it."""
    answer = site.get(f"/{NAME}?{query}")
    assert answer.status == status
    assert says in json.loads(answer.body)["detail"]


def test_repetitions_lead_to_the_canonical_address(site: Site) -> None:
    """HTTP-33: a parameter that is said twice leads to the address that says it once."""
    for path in (f"/{NAME}", LIVE):
        answer = site.get(f"{path}?since=3&since=3")
        assert (answer.status, answer.headers["location"]) == (308, f"{site.base}{path}?since=3")


def test_the_stream_itself_leads_to_its_root(site: Site) -> None:
    """HTTP-29: without a place the stream leads to the root of its history, by a redirect that is not for ever."""
    answer = site.get(f"/{NAME}")
    assert (answer.status, answer.headers["location"]) == (303, f"{site.base}/{NAME}/log")
