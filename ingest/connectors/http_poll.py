"""The HTTP polling connector: an address, or all its pages, asked at a steady cadence; only news becomes a payload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from ingest.connector import Poll
from ingest.connectors.asking import Asker, shown
from ingest.connectors.bookmark import Bookmark, digest_of
from ingest.connectors.paging import PagingError, first_page, next_page, read_json, same_host
from ingest.connectors.request import Answer, Request
from ingest.connectors.schedule import Schedule
from ingest.transports.http_poll import HttpPollOptions
from ingest.transports.post import Post
from streams.errors import SourceError
from streams.record import Payload

_TIME = re.compile(r"\{(since|until)\}")


class HttpPoll:
    """Asks one address at a steady cadence and returns its body, or the bodies of its pages, where they are news.

    The cursor holds the address, the publisher's validators, a digest of each page and the time of the answer. Since it
    is the cursor of a payload that is safe in the log, a 304 or the same body again can lose nothing, across restarts
    too. An address changed in the source file makes the cursor void.
    """

    def __init__(self, source: str, options: HttpPollOptions) -> None:
        self._source = source
        self._options = options
        self._asker = Asker(source, options)
        self._schedule = Schedule(options.every)

    async def __aenter__(self) -> Self:
        """Open the connection pool; a closed connector may be opened again."""
        await self._asker.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; polling is refused from now on."""
        await self._asker.__aexit__(kind, error, trace)

    async def poll(self, cursor: bytes) -> Poll:
        """Return the pages that differ from those `cursor` came with; without `pages` one payload or none.

        Raises:
            ClosedDoorError: the publisher asks for patience, and the error says how long.
            SourceError: no answer in time, an error status, a broken transfer, bodies over `max_bytes`, pages that do
                not end or lead elsewhere, or an answer that is an error by `error_when`.

        """
        self._schedule.begin()
        known = Bookmark.read(cursor, self._options.url)
        now = datetime.now(UTC)
        times = {} if self._options.window is None else self._options.window.times(known.at, now)
        answers = await self._answers(known, times)
        payloads = self._payloads(answers, known, now if times else None)
        return Poll(payloads=payloads, again_in=self._schedule.next())

    async def _answers(self, known: Bookmark, times: Mapping[str, str]) -> list[Answer]:
        """Ask for every page, in order; none when the publisher says that nothing is new."""
        options, pages = self._options, self._options.pages
        url = _TIME.sub(lambda found: quote(times.get(found.group(1), ""), safe=""), options.url)
        body = None if options.post is None else _body(options.post, times)
        found: list[Answer] = []
        taken, asked, target = 0, {""}, first_page(url, pages)
        while target not in asked:
            asked.add(target)
            answer = await self._asker.ask(self._request(target, body, known), taken=taken)
            if answer.status in (204, 304) and not found:
                return []
            self._check(answer)
            found.append(answer)
            taken += len(answer.body)
            following = None if pages is None else self._following(url, answer, len(found))
            if following is None:
                return found
            target = following
        raise self._error(
            "the pages lead in a circle", target, fix="check `pages` in the source file, or tell the publisher"
        )

    def _following(self, url: str, answer: Answer, count: int) -> str | None:
        pages = self._options.pages
        assert pages is not None
        try:
            target = next_page(url, pages, answer, count)
        except PagingError as error:
            fix = "check `pages` in the source file; if the publisher has a bad moment it passes by itself"
            raise self._error(f"page {count}: {error}", answer.url, fix=fix) from error
        if target is None:
            return None
        if count >= pages.most:
            fix = "raise `most` below `pages` if there really are more; nothing of this poll is kept"
            raise self._error(f"more than {pages.most} pages", answer.url, fix=fix)
        allowed = same_host(target, self._options.url)
        if allowed is None:
            fix = "name that host in the source file if its data are to be used"
            raise self._error(f"page {count} leads to another host, {shown(target)}", answer.url, fix=fix)
        return allowed

    def _request(self, url: str, body: bytes | None, known: Bookmark) -> Request:
        post = self._options.post
        if post is not None:
            return Request(url=url, headers={"Content-Type": post.media_type}, body=body)
        # Validators belong to one whole answer: of pages others may have changed, and a window is another one each time.
        whole = self._options.pages is None and self._options.window is None
        return Request(url=url, headers=known.conditions if whole else {})

    def _check(self, answer: Answer) -> None:
        """Raise what the source file calls an error; what is no JSON is none, and left to the normaliser."""
        wrong = self._options.error_when
        if wrong is None:
            return
        try:
            document = read_json(answer.body)
        except PagingError:
            return
        if wrong.shown_by(document):
            what = f"the publisher answered {answer.status} with an error: {wrong.words(document)}"
            raise self._error(what, answer.url, fix="check the address and what is asked; an outage passes by itself")

    def _payloads(self, answers: Sequence[Answer], known: Bookmark, at: datetime | None) -> tuple[Payload, ...]:
        """Make a payload of each page that is news; its cursor knows that page and those before it, the last one all."""
        digests = [digest_of(answer.body) for answer in answers]
        news = [number for number, digest in enumerate(digests) if known.digests[number : number + 1] != (digest,)]
        headers = answers[0].headers if len(answers) == 1 else {}
        payloads = []
        for number in news:
            known = known.turned(number, digests[number])
            if number == news[-1]:
                known = known.finished(digests, headers, at)
            payload = Payload(
                source=self._source,
                received_at=datetime.now(UTC),
                media_type=self._options.media_type or answers[number].media_type,
                body=answers[number].body,
                cursor=known.pack(),
            )
            payloads.append(payload)
        return tuple(payloads)

    def _error(self, what: str, url: str, *, fix: str) -> SourceError:
        return SourceError(what, where=f"{self._source}, {shown(url)}", fix=fix, retriable=True)


def _body(post: Post, times: Mapping[str, str]) -> bytes:
    """Write the body, with the times of the window in its texts."""

    def put(text: str) -> str:
        return _TIME.sub(lambda found: times.get(found.group(1), found.group()), text)

    if post.kind == "json":
        return json.dumps(_each_text(post.value, put), ensure_ascii=False).encode()
    if post.kind == "form":
        return urlencode([(name, put(text)) for name, text in post.value]).encode()
    return put(str(post.value)).encode()


def _each_text(value: Any, put: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return put(value)
    if isinstance(value, list):
        return [_each_text(element, put) for element in value]
    if isinstance(value, dict):
        return {key: _each_text(element, put) for key, element in value.items()}
    return value
