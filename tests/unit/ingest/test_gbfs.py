"""GBFS: feeds are found in both layouts of the discovery file, asked as their ttl allows, and fail apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ingest.connectors.gbfs import Gbfs
from ingest.transports.gbfs import GbfsOptions
from streams.errors import ConfigError, SourceError
from tests.unit.ingest.workbench import GARAGES, changed


class System:
    """A mobility system: paths and what they answer, and who asked for what with which key."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.origin = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer what there is."""
        self.asked.append((request.path, request.headers.get("X-Key", "")))
        found = self.answers.get(request.path, 404)
        if isinstance(found, int):
            return web.Response(status=found)
        return web.json_response(found)

    def feed(self, name: str, *, ttl: Any = 0, **data: Any) -> None:
        """Publish a feed."""
        self.answers[f"/{name}"] = {"last_updated": 1793523600, "ttl": ttl, "version": "2.3", "data": data}

    def discovery(self, *names: str, language: str = "", others: Mapping[str, Any] | None = None) -> None:
        """Publish the discovery file, of version 3 or split by language."""
        feeds = {"feeds": [{"name": name, "url": f"{self.origin}/{name}"} for name in names]}
        data = {**(others or {}), language: feeds} if language else feeds
        self.answers["/gbfs.json"] = {"last_updated": 1, "ttl": 0, "version": "3.0", "data": data}

    def connector(self, *feeds: str, language: str = "", **more: Any) -> Gbfs:
        """Make a connector for feeds of this system."""
        every = timedelta(seconds=30)
        options = GbfsOptions(url=f"{self.origin}/gbfs.json", every=every, feeds=feeds, language=language, **more)
        return Gbfs("bikes", options)


@asynccontextmanager
async def running() -> AsyncIterator[System]:
    """Run a system on a port of its own."""
    system = System()
    application = web.Application()
    application.router.add_get("/{path:.*}", system.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        system.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield system
    finally:
        await runner.cleanup()


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """Run one system."""
    async with running() as found:
        yield found


def names(payloads: Any) -> list[str]:
    """Name the feeds that payloads are of, by what they hold."""
    return [next(iter(json.loads(payload.body)["data"])) for payload in payloads]


async def test_feeds_are_found_in_the_language_asked_for(system: System) -> None:
    """Of a discovery file split by language the part asked for is read, and the first where none is."""
    french = {"fr": {"feeds": [{"name": "station_status", "url": "/fr"}]}}
    system.discovery("station_status", language="nl", others=french)
    system.feed("station_status", nl=[])
    system.feed("fr", fr=[])
    for language, expected in (("nl", "nl"), ("fr", "fr"), ("", "fr")):
        async with system.connector("station_status", language=language) as connector:
            assert names((await connector.poll(b"")).payloads) == [expected]
    async with system.connector("station_status", language="de") as connector:
        with pytest.raises(SourceError, match="no feeds in language de; there are fr, nl"):
            await connector.poll(b"")


async def test_version_3_has_one_list_and_other_names(system: System) -> None:
    """`vehicle_status` is found where it is called `free_bike_status`, and the other way round."""
    system.discovery("free_bike_status")
    system.feed("free_bike_status", bikes=[])
    async with system.connector("vehicle_status") as connector:
        (payload,) = (await connector.poll(b"")).payloads
        assert (names([payload]), payload.media_type) == (["bikes"], "application/json")


async def test_a_feed_is_not_asked_before_its_ttl_is_over(system: System) -> None:
    """A feed that counts for a minute is left alone, one with ttl 0 is asked each time, and the wait is the shorter."""
    system.discovery("station_status", "station_information")
    system.feed("station_status", ttl=0, status=[])
    system.feed("station_information", ttl=3600, information=[])
    async with system.connector("station_status", "station_information") as connector:
        first = await connector.poll(b"")
        assert names(first.payloads) == ["status", "information"]
        assert timedelta(seconds=20) < first.again_in <= timedelta(seconds=30)
        cursor = first.payloads[-1].cursor
        system.feed("station_status", ttl=0, status=[1])
        system.feed("station_information", ttl=3600, information=[1])
        second = await connector.poll(cursor)
        assert names(second.payloads) == ["status"]
    asked = [path for path, _ in system.asked]
    assert (asked.count("/station_information"), asked.count("/gbfs.json")) == (1, 1)


async def test_a_ttl_longer_than_every_is_waited_for(system: System) -> None:
    """A publisher that asks for ten minutes is given them."""
    system.discovery("station_status")
    system.feed("station_status", ttl=600, status=[])
    async with system.connector("station_status") as connector:
        again_in = (await connector.poll(b"")).again_in
    assert timedelta(seconds=590) < again_in <= timedelta(seconds=600)


@pytest.mark.parametrize("ttl", [-5, "60", None, True, [1]])
async def test_nonsense_in_ttl_is_0(system: System, ttl: Any) -> None:
    """A ttl that is no number of seconds asks for no patience."""
    system.discovery("station_status")
    system.feed("station_status", ttl=ttl, status=[])
    async with system.connector("station_status") as connector:
        assert (await connector.poll(b"")).again_in <= timedelta(seconds=30)


async def test_what_is_not_safe_is_given_again_whatever_its_ttl(system: System) -> None:
    """Half of the payloads being safe, the other half comes again; a new connector goes on there."""
    system.discovery("station_status", "station_information")
    system.feed("station_status", ttl=600, status=[])
    system.feed("station_information", ttl=600, information=[])
    async with system.connector("station_status", "station_information") as connector:
        first = await connector.poll(b"")
        again = await connector.poll(first.payloads[0].cursor)
        assert names(again.payloads) == ["information"]
    async with system.connector("station_status", "station_information") as connector:
        assert names((await connector.poll(first.payloads[0].cursor)).payloads) == ["information"]
        assert (await connector.poll(first.payloads[1].cursor)).payloads == ()


async def test_a_feed_that_fails_keeps_nobody_back(system: System) -> None:
    """The other feed comes through, the error is told by the next poll, and a feed that moved is found again."""
    system.discovery("station_status", "station_information")
    system.answers["/station_status"] = 500
    system.feed("station_information", information=[])
    async with system.connector("station_status", "station_information") as connector:
        first = await connector.poll(b"")
        assert names(first.payloads) == ["information"]
        assert first.again_in < timedelta(seconds=1)
        with pytest.raises(SourceError, match="500"):
            await connector.poll(first.payloads[0].cursor)
        system.feed("moved", status=[])
        feeds = [{"name": "station_status", "url": f"{system.origin}/moved"}]
        feeds += [{"name": "station_information", "url": f"{system.origin}/station_information"}]
        system.answers["/gbfs.json"] = {"data": {"feeds": feeds}}
        assert names((await connector.poll(first.payloads[0].cursor)).payloads) == ["status"]


async def test_keys_go_to_the_host_of_the_discovery_file_only(system: System) -> None:
    """A discovery file that leads elsewhere takes no key there."""
    async with running() as other:
        other.feed("station_information", information=[])
        system.feed("station_status", status=[])
        feeds = [
            {"name": "station_status", "url": f"{system.origin}/station_status"},
            {"name": "station_information", "url": f"{other.origin}/station_information"},
        ]
        system.answers["/gbfs.json"] = {"data": {"feeds": feeds}}
        keys: dict[str, Any] = {"headers": {"X-Key": "secret"}}
        async with system.connector("station_status", "station_information", **keys) as connector:
            assert len((await connector.poll(b"")).payloads) == 2
        assert {key for _, key in system.asked} == {"secret"}
        assert {key for _, key in other.asked} == {""}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": {"feeds": []}}, "no feed station_status; it has none"),
        ({"data": {"feeds": [{"name": "station_status", "url": "file:///etc/passwd"}]}}, "no GBFS discovery file"),
        ({"feeds": []}, "no GBFS discovery file"),
        ([1], "no GBFS discovery file"),
        (503, "503"),
    ],
)
async def test_what_leads_nowhere_is_a_named_error(system: System, answer: Any, said: str) -> None:
    """Each fault of a discovery file is a source error that says what is wrong, and trying again helps when it is mended."""
    system.answers["/gbfs.json"] = answer
    async with system.connector("station_status") as connector:
        with pytest.raises(SourceError, match=said) as caught:
            await connector.poll(b"")
        assert caught.value.retriable
        system.discovery("station_status")
        system.feed("station_status", status=[])
        assert len((await connector.poll(b"")).payloads) == 1


def test_a_source_file_names_system_and_feeds(tmp_path: Path) -> None:
    """The transport is a key of a source file, checked like the others."""
    words = {"url": "https://gbfs.example.org/gbfs.json", "every": "60s", "feeds": ["vehicle_status"], "language": "nl"}
    source = changed(tmp_path, GARAGES, http_poll=None, gbfs=words, sample=None)
    assert isinstance(source.transport, GbfsOptions)
    assert (source.transport.feeds, source.transport.language) == (("vehicle_status",), "nl")
    with pytest.raises(ConfigError, match=r"unknown feed 'bikes'"):
        changed(tmp_path, GARAGES, http_poll=None, gbfs={**words, "feeds": "bikes"}, sample=None)
    with pytest.raises(ConfigError, match="names no feed"):
        changed(tmp_path, GARAGES, http_poll=None, gbfs={**words, "feeds": []}, sample=None)
