"""The SensorThings connector: the observations of a service since the newest that is safe, page by page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urljoin

import orjson

from ingest.connector import Poll
from ingest.connectors.asking import Asker, shown
from ingest.connectors.bookmark import digest_of, fingerprint
from ingest.connectors.paging import same_host
from ingest.connectors.request import Answer, Request
from ingest.connectors.schedule import Schedule
from ingest.transports.sensorthings import SensorThingsOptions
from streams.errors import SourceError
from streams.record import Payload, parse_time

_AT_ONCE = timedelta(0)
# Remembered digests of observations, those of the overlap; a cursor of 130 kB is as much as a record should carry, and
# what is forgotten comes twice and is met again later on.
_MOST_KNOWN = 5000
_WIDTH = 12
# Clocks of stations may be a little fast.
_AHEAD = timedelta(hours=1)
# Ten million observations since the newest one are no news, but pages without end.
_MOST_PAGES = 10_000
# A service does not keep the pages of a question for ever.
_STALE = frozenset({400, 404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a cursor stands: the newest time, as the service wrote it, and the next page of the question in hand.

    `known` are digests of what the next question may bring again, with the time of each in seconds since 1970.
    """

    since: str = ""
    next: str = ""
    known: Mapping[str, float] = field(default_factory=dict)

    @property
    def time(self) -> float:
        """The newest time in seconds since 1970; 0 at the start."""
        return _begin(self.since).timestamp() if self.since else 0.0


class SensorThings:
    """Asks for observations in the order of their time, and gives each page with new ones as it came.

    A question is "since the newest time that is safe", less the overlap, that time included: stations report late, and a
    service may add to a time. Observations that were given already are left out of a page; one without others is no
    news. The cursor keeps the address of the next page, so a long history goes on where the log ends. What is no
    SensorThings is a payload as it is.
    """

    def __init__(self, source: str, options: SensorThingsOptions) -> None:
        self._source = source
        self._options = options
        self._asker = Asker(source, options)
        self._schedule = Schedule(options.every)
        self._after: bytes | None = None  # the cursor that the place in hand goes on from
        self._place = _Place()
        self._seen: set[str] = set()  # pages of the question in hand

    async def __aenter__(self) -> Self:
        """Open the connection pool; a closed connector may be opened again."""
        await self._asker.__aenter__()
        self._after = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; polling is refused from now on."""
        await self._asker.__aexit__(kind, error, trace)

    async def poll(self, cursor: bytes) -> Poll:
        """Return the next page of observations with news, or an empty poll.

        Raises:
            ClosedDoorError: the publisher asks for patience, and the error says how long.
            SourceError: no answer, an error status, too large a page, or a page that leads nowhere.

        """
        self._schedule.begin()
        if cursor != self._after:
            self._place, self._after = _read(cursor, self._options.url), cursor
        place = self._place
        answer = await self._asked(place)
        payload, self._place = self._page(answer, place)
        if payload is not None:
            self._after = payload.cursor
        more = _AT_ONCE if self._place.next else self._schedule.next()
        return Poll(payloads=() if payload is None else (payload,), again_in=more)

    async def _asked(self, place: _Place) -> Answer:
        """Ask for the next page, or with a new question where that page is not kept any more."""
        headers = {"Accept": "application/json"}
        self._seen = self._seen | {place.next} if place.next else set()
        if place.next:
            answer = await self._asker.ask(Request(url=place.next, headers=headers, allow=_STALE))
            if answer.status not in _STALE:
                return answer
        return await self._asker.ask(Request(url=self._question(place), headers=headers))

    def _question(self, place: _Place) -> str:
        options = self._options
        since = datetime.now(UTC) - options.first
        if place.since:
            since = _begin(place.since) - options.overlap
        told = [f"{options.by} ge {since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"]
        if options.filter:
            told.append(f"({options.filter})")
        words = {"$filter": " and ".join(told), "$orderby": f"{options.by} asc", "$top": str(options.page)}
        if options.expand:
            words["$expand"] = options.expand
        query = "&".join(f"{name}={quote(text, safe='')}" for name, text in words.items())
        return f"{options.url.rstrip('/')}/Observations?{query}"

    def _page(self, answer: Answer, place: _Place) -> tuple[Payload | None, _Place]:
        """Return the payload of a page when it has news, and where that leads."""
        observations, target = self._understood(answer)
        if observations is None:
            digest = digest_of(answer.body)[:_WIDTH]
            after = replace(place, next="", known={**place.known, digest: place.time})
            return (None if digest in place.known else self._payload(answer.body, answer.media_type, after)), after
        marks = {digest_of(orjson.dumps(it))[:_WIDTH]: it for it in observations}
        after = _Place(since=self._newest(observations, place.since), next=target)
        times = {mark: self._time(it, after.time) for mark, it in marks.items()}
        begin = after.time - self._options.overlap.total_seconds()
        known = [(mark, time) for mark, time in {**place.known, **times}.items() if time >= begin]
        after = replace(after, known=dict(known[-_MOST_KNOWN:]))
        news = [it for mark, it in marks.items() if mark not in place.known]
        if not news:
            return None, after
        body = answer.body if len(news) == len(observations) else orjson.dumps({"value": news})
        return self._payload(body, answer.media_type, after), after

    def _understood(self, answer: Answer) -> tuple[list[dict[str, Any]] | None, str]:
        """Read a page into its observations and the address of the next one; None when it is no such page."""
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return None, ""
        if not isinstance(said, dict) or not isinstance(said.get("value"), list):
            return None, ""
        link = said.get("@iot.nextLink")
        if not link:
            return [it for it in said["value"] if isinstance(it, dict)], ""
        target = same_host(urljoin(answer.url, str(link)), self._options.url)
        if target is None:
            raise self._error(f"@iot.nextLink leads to another host, {shown(str(link))}", answer.url)
        if target in self._seen or len(self._seen) >= _MOST_PAGES:
            what = "@iot.nextLink leads in a circle" if target in self._seen else f"more than {_MOST_PAGES} pages"
            raise self._error(what, answer.url)
        return [it for it in said["value"] if isinstance(it, dict)], target

    def _newest(self, observations: list[dict[str, Any]], since: str) -> str:
        """Return the newest time of a page, or the one before where it has none that can be read.

        A time to come is a wrong clock: asking from there on would pass over everything in between.
        """
        latest = (datetime.now(UTC) + _AHEAD).timestamp()
        times = [str(it.get(self._options.by)) for it in observations if 0 < self._time(it, 0.0) <= latest]
        return max([*times, since] if since else times, key=_begin, default="")

    def _time(self, observation: Mapping[str, Any], otherwise: float) -> float:
        """Return the time of an observation in seconds since 1970."""
        try:
            return _begin(str(observation.get(self._options.by))).timestamp()
        except ValueError:
            return otherwise

    def _payload(self, body: bytes, media_type: str, after: _Place) -> Payload:
        fields = {"sensorthings": fingerprint(self._options.url), "since": after.since, "known": after.known}
        if after.next:
            fields["next"] = after.next
        cursor = json.dumps(fields, separators=(",", ":")).encode()
        now = datetime.now(UTC)
        return Payload(source=self._source, received_at=now, media_type=media_type, body=body, cursor=cursor)

    def _error(self, what: str, url: str) -> SourceError:
        fix = "tell the publisher: the service's own address is often set wrongly behind a proxy"
        return SourceError(what, where=f"{self._source}, {shown(url)}", fix=fix, retriable=True)


def _read(cursor: bytes, url: str) -> _Place:
    """Read a cursor; one of another address or another transport stands at the start."""
    try:
        said = json.loads(cursor)
        if said["sensorthings"] != fingerprint(url):
            return _Place()
        known = {str(mark): float(time) for mark, time in said["known"].items()}
        place = _Place(since=str(said["since"]), next=str(said.get("next", "")), known=known)
        return place if place.time >= 0 else _Place()
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Place()


def _begin(text: str) -> datetime:
    """Read a time; of an interval, `start/end`, its begin, by which services sort and filter.

    Raises:
        ValueError: it is none.

    """
    return parse_time(text.partition("/")[0])
