"""Ways into a history: redirects to the page that holds a place, and the live stream from any place on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from ldes_server.events import hello, rewound
from ldes_server.fastlane import HAND_OVER, Connection
from ldes_server.live import Hub
from ldes_server.log_view import ROOT
from ldes_server.model import Head, PageId, Stream
from ldes_server.negotiate import PLAIN, choose
from ldes_server.outlet import open_outlet
from ldes_server.problems import Problem
from ldes_server.query import PLACE_FORM, Query, read_moment, read_place, read_query
from ldes_server.responses import CORS, Headers
from ldes_server.shelf import Shelf
from ldes_server.state_query import ASKED, media_of
from streams.metrics import REQUESTS

EVENTS = "text/event-stream"
# Which page holds a place never changes while it is kept; a minute keeps the answer from outliving it for long.
_PLACED = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_LAST = re.compile(r"-1|[0-9]{1,18}")
# Nothing between us and the listener may keep events back or keep them for others; the reader goes on until we close.
_LIVE: Headers = (
    (b"content-type", EVENTS.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"vary", b"Accept, Accept-Encoding"),
    *CORS,
)
_LIVE_LINES = b"".join(b"%s: %s\r\n" % pair for pair in _LIVE)
# Milliseconds before a browser comes back, spread so that thousands do not come back at once after a restart.
_RETRY, _SPREAD = 1000, 2000
_arrivals = count()


class Site(Protocol):
    """What the ways in need of the site."""

    shelf: Shelf
    base_url: str
    live: Hub

    def stream(self, name: str) -> Stream:
        """Return the stream, or end the request."""
        ...


async def stream(request: Request, stream: str) -> Response:
    """Lead to the root of the history, or with `since` or `at` to the page that holds this place in it."""
    site, known = _known(request, stream)
    query = read_query(request.scope["query_string"], ASKED["/{stream}"])
    if not query.is_canonical:
        return _canonical(site, f"/{stream}", query)
    places = {name: value for name, value in query.values.items() if name != "format"}
    media = media_of(query.values)
    wish = f"?format={PLAIN[media].value}" if media else ""
    if len(places) > 1:
        raise Problem(400, "since and at are two places", fix="ask for one of them", near=places)
    if not places:
        # See Other, never permanent: the stream outlives any root (HTTP-29).
        return _see(site, ROOT.path(stream) + wish, max_age=_HOUR)
    page, settled = await _page_of(site, known, places)
    return _see(site, page.path(stream) + wish, max_age=_PLACED if settled else known.max_age)


async def live(request: Request, stream: str) -> Response:
    """Begin a live stream: behind `Last-Event-ID`, else from `since` on, else with what comes next."""
    site, _ = _known(request, stream)
    if choose(",".join(request.headers.getlist("accept")) or None, (EVENTS,)) is None:
        raise Problem(406, f"there is {EVENTS}", fix="ask for it, or leave the Accept header out", near=[EVENTS])
    query = read_query(request.scope["query_string"], {"since": PLACE_FORM})
    if not query.is_canonical:
        return _canonical(site, f"/{stream}/live", query)
    asked = await _asked(request, site, stream, query.values)
    head = await site.shelf.head(stream, fresh=True)
    if asked is not None and asked > head.count:
        head = await site.shelf.store.newest_head(stream)
    if request.method == "HEAD":
        response = Response()
        response.raw_headers = list(_LIVE)
        return response
    return _Handover(site, stream, asked=head.count if asked is None else asked, head=head)


class _Handover(Response):
    """Takes the connection away from the web server and gives it to the hub."""

    def __init__(self, site: Site, stream: str, *, asked: int, head: Head) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = list(_LIVE)
        self._hub = site.live
        self._stream = stream
        self._asked = asked
        self._head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take over, or refuse while there is no room."""
        hand_over = scope.get("state", {}).get(HAND_OVER)
        if hand_over is None or not self._hub.has_room:
            problem = Problem(
                503, "no room for another listener", fix="ask again in a while, or poll the root of the history"
            )
            await problem.response()(scope, receive, send)
            return
        connection: Connection = hand_over()
        REQUESTS.labels("live", "ok").inc()
        if connection.transport.is_closing():  # who asked has left already
            return
        outlet = open_outlet(connection.transport, paused=connection.paused)
        start = min(self._asked, self._head.count)
        retry = _RETRY + next(_arrivals) * 619 % _SPREAD
        # Without a length and without chunks the end of the connection ends the answer, in HTTP/1.0 and 1.1: events
        # mark their own ends, and what all listeners get is the same bytes.
        head = b"HTTP/1.1 200 OK\r\n" + connection.dated + _LIVE_LINES + b"connection: close\r\n\r\n"
        note = rewound(self._asked, self._head.count) if self._asked > self._head.count else b""
        outlet.write(head + hello(after=start - 1, retry=retry) + note)
        self._hub.join(self._stream, outlet, start=start, count=self._head.count)


async def _asked(request: Request, site: Site, name: str, values: Mapping[str, str]) -> int | None:
    """Return the sequence number a listener asks to begin with; None for what is published next."""
    last = request.headers.get("last-event-id", "")
    if last:
        # Before `since`: a browser that comes back sends both, and has heard everything up to here.
        if not _LAST.fullmatch(last):
            raise Problem(400, f"Last-Event-ID: {last[:60]} is not of its form", fix="send the id of an event of ours")
        return int(last) + 1
    if "since" not in values:
        return None
    place = read_place("since", values["since"])
    return place if isinstance(place, int) else await site.shelf.store.since(name, place)


async def _page_of(site: Site, stream: Stream, values: Mapping[str, str]) -> tuple[PageId, bool]:
    """Return the page that holds a place, and whether that will stay so."""
    # The head first: what is published while we look further is then behind it.
    head = await site.shelf.head(stream.name, fresh=True)
    if "at" in values:
        moment = read_moment("at", values["at"])
        later = await _after(site, stream.name, moment)
        last = (head.count if later is None else later) - 1
        if last < head.first:
            return await _oldest(site, stream, head)
        return _leaf(stream, last), later is not None
    place = read_place("since", values["since"])
    if isinstance(place, datetime):
        found = await site.shelf.store.since(stream.name, place)
        if found is not None and found <= head.first:
            return await _oldest(site, stream, head)
        return (ROOT, False) if found is None else (_leaf(stream, found), True)
    if place >= head.count:
        head = await site.shelf.store.newest_head(stream.name)
    if place < head.first:
        return await _oldest(site, stream, head)
    # Nothing is there yet, but it will be reached from the root.
    return (_leaf(stream, place), True) if place < head.count else (ROOT, False)


async def _oldest(site: Site, stream: Stream, head: Head) -> tuple[PageId, bool]:
    """Return the page where reading the history from its beginning begins, and whether that will stay so.

    That is its oldest leaf, or the root where there is none and where it links older members, kept for their version.
    """
    if head.first == head.count or await site.shelf.has_older(stream.name):
        return ROOT, False
    return _leaf(stream, head.first), head.first == 0


async def _after(site: Site, name: str, moment: datetime) -> int | None:
    """Return the first sequence number published after a moment; None when there is none yet."""
    try:
        following = moment + timedelta(microseconds=1)
    except OverflowError:  # the last moment there is
        return None
    return await site.shelf.store.since(name, following)


def _leaf(stream: Stream, sequence: int) -> PageId:
    return PageId(level=0, index=sequence // stream.page_size)


def _known(request: Request, name: str) -> tuple[Site, Stream]:
    site: Site = request.app.state.site
    return site, site.stream(name)


def _canonical(site: Site, path: str, query: Query) -> Response:
    return RedirectResponse(
        f"{site.base_url}{path}?{query.canonical}", 308, headers={"cache-control": f"public, max-age={_HOUR.seconds}"}
    )


def _see(site: Site, path: str, *, max_age: timedelta) -> Response:
    cache = f"public, max-age={int(max_age.total_seconds())}"
    return RedirectResponse(site.base_url + path, 303, headers={"cache-control": cache})
