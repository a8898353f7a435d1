"""Keys, tokens and manners over HTTP: what is shown to whom, and how hosts that several sources ask are spared."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from ingest.connectors.http_poll import HttpPoll
from ingest.connectors.manners import host_of
from ingest.connectors.request import ClosedDoorError
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError
from tests.support.http_script import Asked, Script, as_json, scripted
from tests.unit.ingest.transporting import faults, read

ENVIRON = {"ID": "city & co", "SECRET": "s:e/c"}


def options(script: Script, more: str = "", *, service: str = "") -> HttpPollOptions:
    """Read the options of a source that shows a token of the script's token service."""
    oauth2 = "{ token_url: '%s/token', client_id: '${ID}', client_secret: '${SECRET}', scope: read }"
    text = f"url: {script.origin}/feed\nevery: 60s\noauth2: {oauth2 % (service or script.origin)}\n{more}"
    found = read("http_poll", text, ENVIRON)
    assert isinstance(found, HttpPollOptions)
    return found


class Guarded:
    """A feed behind tokens: `lives` are the lifetimes that the service gives, `bad` says which tokens the feed refuses."""

    def __init__(self, *, lives: object = 3600, bad: Sequence[str] = ()) -> None:
        self.lives = lives
        self.bad = set(bad)
        self.made = 0

    def __call__(self, asked: Asked) -> web.Response:
        """Answer as token service or as feed."""
        if asked.path == "/token":
            self.made += 1
            return as_json({"access_token": f"t{self.made}", "token_type": "bearer", "expires_in": self.lives})
        shown = asked.headers.get("Authorization", "")
        if not shown.startswith("Bearer t") or shown.removeprefix("Bearer ") in self.bad:
            return web.Response(status=401)
        return as_json({"shown": shown})


def asked_for(script: Script, path: str) -> list[Asked]:
    """Return the questions for a path."""
    return [asked for asked in script.asked if asked.path == path]


async def refused(wanted: HttpPollOptions) -> SourceError:
    """Poll once and return the error it must end in, which shows no secret."""
    async with HttpPoll("demo", wanted) as connector:
        with pytest.raises(SourceError) as caught:
            await connector.poll(b"")
    assert caught.value.retriable
    assert ENVIRON["SECRET"] not in str(caught.value)
    return caught.value


async def test_a_token_is_fetched_once_and_shown() -> None:
    """The token is asked for with Basic credentials, encoded as the standard says, and kept while it lives."""
    async with scripted(Guarded()) as script, HttpPoll("demo", options(script)) as connector:
        for _ in range(3):
            (payload,) = (await connector.poll(b"")).payloads
    assert payload.body == b'{"shown":"Bearer t1"}'
    (token,) = asked_for(script, "/token")
    assert b64decode(token.headers["Authorization"].removeprefix("Basic ")) == b"city+%26+co:s%3Ae%2Fc"
    assert parse_qs(token.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["read"]}


async def test_credentials_may_go_in_the_body() -> None:
    """Services that know no Basic credentials get them as fields."""
    async with scripted(Guarded()) as script:
        oauth2 = (
            "{ token_url: '%s/token', client_id: '${ID}', client_secret: '${SECRET}', credentials: body, audience: x }"
        )
        text = f"url: {script.origin}/feed\nevery: 60s\noauth2: {oauth2 % script.origin}"
        wanted = read("http_poll", text, ENVIRON)
        assert isinstance(wanted, HttpPollOptions)
        async with HttpPoll("demo", wanted) as connector:
            await connector.poll(b"")
    (token,) = asked_for(script, "/token")
    assert "Authorization" not in token.headers
    said = parse_qs(token.body.decode())
    assert (said["client_id"], said["client_secret"], said["audience"]) == (["city & co"], ["s:e/c"], ["x"])


async def test_a_token_is_renewed_before_it_expires() -> None:
    """A token of half a second is not shown after it: the next poll asks for another one."""
    async with scripted(Guarded(lives="0.5")) as script, HttpPoll("demo", options(script)) as connector:
        await connector.poll(b"")
        await asyncio.sleep(0.6)
        (payload,) = (await connector.poll(b"")).payloads
    assert payload.body == b'{"shown":"Bearer t2"}'


async def test_a_refused_token_is_renewed_once() -> None:
    """A 401 brings a new token and the answer; when that one is refused too it is a closed door with a name."""
    async with scripted(Guarded(bad=["t1"])) as script, HttpPoll("demo", options(script)) as connector:
        assert len((await connector.poll(b"")).payloads) == 1
        assert len(asked_for(script, "/token")) == 2
    async with scripted(Guarded(bad=["t1", "t2", "t3"])) as script:
        error = await refused(options(script))
        assert len(asked_for(script, "/token")) == 2
    assert isinstance(error, ClosedDoorError)
    assert "401 Unauthorized" in error.what


@pytest.mark.parametrize(
    ("answer", "says", "closed"),
    [
        (as_json({"error": "invalid_client", "error_description": "s:e/c"}, status=401), "401 invalid_client", True),
        (as_json({"error": "invalid_scope"}, status=400), "400 invalid_scope", True),
        (web.Response(status=500, text="<html>"), "answered 500", False),
        (web.Response(status=302, headers={"Location": "/login"}), "answered 302", False),
        (as_json({"access_token": ""}), "no bearer token", False),
        (as_json({"access_token": "a\nb"}), "no bearer token", False),
        (as_json({"access_token": "t1", "token_type": "mac"}), "no bearer token", False),
        (as_json(["t1"]), "no bearer token", False),
        (as_json({"access_token": "t1", "expires_in": 0}), "have expired already", False),
        (as_json({"access_token": "t1", "expires_in": -60}), "have expired already", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_token_service_that_gives_none_is_named(answer: web.Response, says: str, closed: bool) -> None:
    """Each way in which a token service fails is an error of the source that says so; a refusal is not repeated soon."""
    body, status, headers = answer.body, answer.status, {k: v for k, v in answer.headers.items() if k == "Location"}
    async with scripted(lambda _: web.Response(body=body, status=status, headers=headers)) as script:
        error = await refused(options(script))
        assert len(script.asked) == 1
    assert says in error.what
    assert "/token" in error.where
    assert isinstance(error, ClosedDoorError) is closed


async def test_a_token_service_that_is_away_is_an_error() -> None:
    """A refused connection to the token service is named as any other."""
    async with scripted(Guarded()) as script:
        away = script.origin
    async with scripted(Guarded()) as script:
        assert "no answer" in (await refused(options(script, service=away))).what


async def test_tokens_and_posted_bodies_stay_at_home() -> None:
    """After a redirect to another origin no token is shown, and a body is not sent at all."""
    async with scripted(lambda _: as_json(["other"])) as other:
        guarded = Guarded()

        def reply(asked: Asked) -> web.Response:
            if asked.path == "/token":
                return guarded(asked)
            return web.Response(status=307, headers={"Location": f"{other.origin}/elsewhere"})

        async with scripted(reply) as script:
            async with HttpPoll("demo", options(script)) as connector:
                assert len((await connector.poll(b"")).payloads) == 1
            error = await refused(options(script, "post: { text: mine }"))
    assert "would go to another host" in error.what
    assert [(asked.method, asked.headers.get("Authorization")) for asked in other.asked] == [("GET", None)]


async def test_a_posted_body_follows_at_home() -> None:
    """307 posts again, 303 asks for what came of it."""
    async with scripted(lambda _: as_json([])) as script:
        wanted = read("http_poll", f"url: {script.origin}/feed\nevery: 60s\npost: {{ text: mine }}")
        assert isinstance(wanted, HttpPollOptions)
        for status in (307, 303):
            first = web.Response(status=status, headers={"Location": "/result"})
            replies = iter([first, as_json([status])])
            script.reply = lambda _, replies=replies: next(replies)  # type: ignore[misc]
            async with HttpPoll("demo", wanted) as connector:
                await connector.poll(b"")
    assert [(asked.method, asked.path, asked.body) for asked in script.asked] == [
        ("POST", "/feed", b"mine"),
        ("POST", "/result", b"mine"),
        ("POST", "/feed", b"mine"),
        ("GET", "/result", b""),
    ]


def poll(script: Script, path: str, **more: Any) -> HttpPollOptions:
    """Make options without keys."""
    return HttpPollOptions(url=f"{script.origin}{path}", every=timedelta(seconds=60), **more)


async def test_a_host_that_asks_one_source_for_patience_is_left_alone_by_the_others() -> None:
    """After a 429 another source with the same key waits without asking; one with a key of its own asks."""
    async with scripted(lambda _: web.Response(status=429, headers={"Retry-After": "120"})) as script:
        for source, headers, asked in (("a", {}, 1), ("b", {}, 1), ("c", {"X-Api-Key": "k"}, 2)):
            async with HttpPoll(source, poll(script, f"/{source}", headers=headers)) as connector:
                with pytest.raises(ClosedDoorError) as caught:
                    await connector.poll(b"")
            assert timedelta(seconds=100) < caught.value.again_in <= timedelta(seconds=120)
            assert len(script.asked) == asked


async def test_a_door_opens_again() -> None:
    """When the time that a host asked for is over, its sources ask again."""
    async with scripted(lambda _: web.Response(status=503, headers={"Retry-After": "1"})) as script:
        for _ in range(2):
            async with HttpPoll("a", poll(script, "/a")) as connector:
                with pytest.raises(ClosedDoorError):
                    await connector.poll(b"")
            await asyncio.sleep(1.05)
    assert len(script.asked) == 2


async def test_sources_of_one_host_share_their_slots() -> None:
    """Twenty sources of one host are never more than six questions at once, and all get their answer."""

    async def ask(script: Script, name: int) -> int:
        async with HttpPoll(str(name), poll(script, f"/{name}")) as connector:
            return len((await connector.poll(b"")).payloads)

    async with scripted(lambda _: as_json([])) as script:
        script.delay = 0.02
        assert await asyncio.gather(*(ask(script, name) for name in range(20))) == [1] * 20
        assert script.most_at_once == 6


async def test_the_pause_of_a_host_is_kept_by_all_its_sources() -> None:
    """A pause that one source asks for lies between any two questions to the host."""
    host = host_of("http://pause.example")
    begun: list[float] = []

    async def ask(pause: float) -> None:
        async with host.turn(timedelta(seconds=pause)):
            begun.append(asyncio.get_running_loop().time())

    await ask(0.1)
    await asyncio.gather(*(ask(0) for _ in range(3)))
    assert all(after - before >= 0.099 for before, after in pairwise(begun))


@pytest.mark.parametrize(
    ("oauth2", "says"),
    [
        ("{ client_id: a, client_secret: '${SECRET}' }", "token_url is missing"),
        ("{ token_url: 'https://x.example/', client_id: a }", "client_secret is missing"),
        ("{ token_url: 'https://x.example/', client_id: a, client_secret: b }", "client_secret holds a secret"),
        ("{ token_url: x, client_id: a, client_secret: '${SECRET}' }", "no web address"),
        (
            "{ token_url: 'https://x.example/', client_id: a, client_secret: '${SECRET}', credentials: q }",
            "'q' is unknown",
        ),
    ],
)
def test_faults_of_oauth2_are_told(oauth2: str, says: str) -> None:
    """What a token needs is asked for when the file is read."""
    found = faults("http_poll", f"url: https://x.example/\nevery: 60s\noauth2: {oauth2}", ENVIRON)
    assert any(says in fault for fault in found)
