"""A poller: what it asks for by turns, and what it makes of the answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadtests.caller import Caller
from loadtests.readers import Poller, Read


@asynccontextmanager
async def serving(nodes: list[str], asked: Counter[str]) -> AsyncIterator[str]:
    """Serve a root that links these leaves, with a tag that never changes; count what is asked for, by address and status."""

    async def root(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"r"':
            asked["root 304"] += 1
            return web.Response(status=304)
        asked["root"] += 1
        relations = [{"node": f"{request.url.origin()}/s/log/{node}"} for node in nodes]
        page = json.dumps({"view": {"relation": relations}}, separators=(",", ":"))
        return web.Response(text=page, headers={"ETag": '"r"'})

    async def leaf(request: web.Request) -> web.Response:
        asked[request.path] += 1
        return web.Response(status=200 if request.path.removeprefix("/s/log/") != "0/13" else 404)

    application = web.Application()
    application.router.add_get("/s/log", root)
    application.router.add_get("/s/log/{level}/{index}", leaf)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_poller_asks_for_news_and_history_by_turns() -> None:
    """The root once for its bytes and then on condition, the newest page it links, and twice a page before that one."""
    asked, read = Counter[str](), Read()
    async with serving(["1/0", "0/32", "0/33"], asked) as base, Caller(base) as caller:
        poller = Poller(caller, "s", read)
        for number in range(40):
            if number % 4 != 3 or number > 3:
                await poller.ask(number)
    assert (asked.pop("root"), asked.pop("root 304"), read.unchanged) == (1, 9, 9)
    assert asked.pop("/s/log/0/33") == 10
    assert sum(asked.values()) == 19
    assert all(0 <= int(path.rpartition("/")[2]) < 33 for path in asked)


async def test_a_page_that_is_denied_is_a_failure() -> None:
    """What a root links must be there: another status raises with address and status."""
    async with serving(["0/13"], Counter()) as base, Caller(base) as caller:
        poller = Poller(caller, "s", Read())
        await poller.ask(0)
        with pytest.raises(RuntimeError, match="/s/log/0/13 answered 404"):
            await poller.ask(1)
