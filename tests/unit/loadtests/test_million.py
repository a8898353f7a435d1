"""The parts of the scenario of a million: the members it makes, the reader that proves a copy, and what figures say."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ingest.mapping import compile_mapping
from loadtests.crawler import crawl
from loadtests.million import FIFTH, PARKS, Measured, batches
from loadtests.publisher import VIEWS, write_pilot
from smartflanders.pilots import load_plan
from streams.record import Member
from vocab.model import load_model


def test_every_member_is_another_one(tmp_path: Path) -> None:
    """So many members as were asked for come in batches of all car parks, each with an id of its own, in order of time."""
    write_pilot(tmp_path, sources=1)
    (source,) = load_plan([tmp_path]).sources
    mapper = compile_mapping(source, load_model(source.model), base_url="https://data.example.org")
    made = [[Member.from_record(record) for record in records] for records in batches(source, mapper, 2 * PARKS + 7)]
    assert [len(each) for each in made] == [PARKS, PARKS, 7]
    members = [member for each in made for member in each]
    assert len({member.id for member in members}) == len(members)
    assert len({member.entity for member in members}) == PARKS
    times = [member.observed_at for member in members]
    assert times == sorted(times)


def test_a_fifth_view_is_declared_beside_the_four(tmp_path: Path) -> None:
    """The wider pilot has the same views and one more, and no fault."""
    write_pilot(tmp_path, sources=1, views=len(VIEWS) + 1, more=[f"{FIFTH}: {{ by_property: entity }}"])
    (stream,) = load_plan([tmp_path]).streams
    assert list(stream.views) == [*(view.partition(":")[0] for view in VIEWS), FIFTH]


def test_a_step_says_what_it_cost() -> None:
    """A thousand in two seconds with 30 and 10 ms of processor: 500 a second, 40 us each, told by process."""
    measured = Measured(seconds=2.0, processor={"write": 0.03, "database": 0.01, "serve": 0.0}, others=0.5)
    assert measured.rate(1000) == 500
    assert measured.cost(1000) == pytest.approx(40)
    assert measured.told(1000).split("; ")[1:] == [
        "  40.0 us of processor each (write 30.0, database 10.0)",
        "others 0.5 cores",
    ]


@asynccontextmanager
async def serving(pages: Mapping[str, Any]) -> AsyncIterator[str]:
    """Serve these documents, compressed; anything else is 404."""

    async def answer(request: web.Request) -> web.Response:
        if request.path not in pages:
            return web.Response(status=404)
        document = json.dumps(pages[request.path]).replace("BASE", str(request.url.origin()))
        return web.Response(body=gzip.compress(document.encode()), headers={"Content-Encoding": "gzip"})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def page(nodes: list[str], sequences: list[int]) -> dict[str, Any]:
    """Make a page with relations to these nodes and members with these numbers."""
    return {
        "view": {"relation": [{"node": f"BASE/{node}"} for node in nodes]},
        "member": [{"sequence": number} for number in sequences],
    }


async def test_the_reader_finds_every_page_once() -> None:
    """Pages that several relations lead to are read once; members are counted, told apart, and seen to be without gap."""
    pages = {"/root": page(["a", "a", "b"], []), "/a": page(["b", "root"], [0, 1]), "/b": page([], [1, 2])}
    async with serving(pages) as base:
        found = await crawl(f"{base}/root", connections=2, limit=10)
    assert {name: found[name] for name in ("pages", "members", "distinct", "dense")} == {
        "pages": 3,
        "members": 4,
        "distinct": 3,
        "dense": True,
    }
    assert found["wire"] > 0
    assert found["bytes"] > 100


async def test_the_reader_sees_a_gap_and_minds_its_bounds() -> None:
    """A missing number is no dense copy; a page that is denied or one too many ends the reading with a reason."""
    pages = {"/root": page(["a"], []), "/a": page([], [0, 2]), "/broken": page(["none"], [])}
    async with serving(pages) as base:
        assert (await crawl(f"{base}/root", connections=1, limit=10))["dense"] is False
        with pytest.raises(RuntimeError, match="more than 1 pages"):
            await crawl(f"{base}/root", connections=1, limit=1)
        with pytest.raises(RuntimeError, match="/none answered 404"):
            await crawl(f"{base}/broken", connections=1, limit=10)
