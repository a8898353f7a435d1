"""Webhooks over HTTP: who may post, what is kept, and that a success means: it is in the log."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from ingest.inlet import Bounds, Inlet
from ingest.transports.webhook import Signature, WebhookOptions
from ingest.trouble import Told
from ldes_server.postgres_store import PostgresStore
from ldes_server.serve import Address, serve
from streams.errors import Trouble
from streams.metrics import COLLECTED_PAYLOADS, DELIVERIES
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic, trouble_topic
from tests.support.running import free_port

TOKEN = "0123456789abcdef-token"
SECRET = b"fedcba9876543210-secret"
SOURCES = {
    "broker": WebhookOptions(bearer=TOKEN, headers=("fiware-servicepath",), max_bytes=1000),
    "shop": WebhookOptions(signature=Signature(secret=SECRET)),
    "coded": WebhookOptions(
        signature=Signature(secret=SECRET, header="x-signature", prefix="", encoding="base64"), media_type="text/csv"
    ),
    "both": WebhookOptions(bearer=TOKEN, signature=Signature(secret=SECRET)),
}
NOTIFICATION = json.dumps({"type": "Notification", "data": [{"id": "urn:p1", "free": {"value": 4}}]}).encode()


class Site:
    """The addresses of a web process, and the log behind it."""

    def __init__(self, base: str, session: aiohttp.ClientSession, log: PostgresLog) -> None:
        self.base = base
        self.session = session
        self.log = log

    async def post(self, source: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any, Mapping[str, str]]:
        """Post a delivery; return status, problem and headers."""
        sent = {"Content-Type": "application/json", **headers}
        async with self.session.post(f"{self.base}/hooks/{source}", data=body, headers=sent) as answer:
            text = await answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers

    async def kept(self, source: str) -> list[Payload]:
        """Read what is in the log of a source."""
        newest = await self.log.last(raw_topic(source))
        found: list[Payload] = []
        if newest is not None:
            async for entries in self.log.read(raw_topic(source), after=-1):
                found += [Payload.from_record(entry.record) for entry in entries]
                if entries[-1].offset >= newest.offset:
                    break
        return found


@asynccontextmanager
async def site_of(dsn: str, *, hooks: bool = True, of_one: int = 256) -> AsyncIterator[Site]:
    """Run a web process without streams, whose hooks append to the log in that database."""
    stop, ready = asyncio.Event(), asyncio.Event()
    port = free_port()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(PostgresLog(dsn))
        store = await stack.enter_async_context(PostgresStore(dsn))
        base = f"http://127.0.0.1:{port}"
        taker = Inlet(SOURCES, log, bounds=Bounds(of_one=of_one))
        address = Address(host="127.0.0.1", port=port, base_url=base, hooks=taker if hooks else None)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(serve((), store, address=address, stop=stop, ready=ready.set))
        await ready.wait()
        try:
            async with aiohttp.ClientSession() as session:
                yield Site(base, session, log)
        finally:
            stop.set()


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    """Run one site for a test."""
    async with site_of(database_url) as running:
        yield running


def signed(body: bytes, *, secret: bytes = SECRET) -> dict[str, str]:
    """Sign a body the way of X-Hub-Signature-256."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, "sha256").hexdigest()}


BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def test_what_is_taken_is_in_the_log(site: Site) -> None:
    """202 for a notification with the token; body, media type and the wished header are kept, no other header is."""
    before = COLLECTED_PAYLOADS.labels(source="broker")._value.get()
    said = {**BEARER, "Fiware-ServicePath": "/parking", "X-Other": "1", "Content-Type": "application/ld+json"}
    assert (await site.post("broker", NOTIFICATION, said))[:2] == (202, None)
    (kept,) = await site.kept("broker")
    assert (kept.body, kept.media_type) == (NOTIFICATION, "application/ld+json")
    assert kept.message == {"headers": {"fiware-servicepath": "/parking"}}
    assert COLLECTED_PAYLOADS.labels(source="broker")._value.get() == before + 1


async def test_signatures_are_checked_over_the_bytes(site: Site) -> None:
    """In hexadecimal or base64, with or without a word before it; the file may correct the media type."""
    assert (await site.post("shop", b"{ }", signed(b"{ }")))[0] == 202
    code = base64.b64encode(hmac.new(SECRET, b"1;2", "sha256").digest()).decode()
    assert (await site.post("coded", b"1;2", {"X-Signature": code}))[0] == 202
    assert (await site.post("both", b"{}", {**BEARER, **signed(b"{}")}))[0] == 202
    assert [each.media_type for each in await site.kept("coded")] == ["text/csv"]
    squeezed = gzip.compress(b"[]")
    assert (await site.post("shop", squeezed, {**signed(b"[]"), "Content-Encoding": "gzip"}))[0] == 202
    assert [each.body for each in await site.kept("shop")] == [b"{ }", b"[]"]


@pytest.mark.parametrize(
    ("source", "headers", "status"),
    [
        ("broker", {}, 401),
        ("broker", {"Authorization": "Basic abc"}, 401),
        ("broker", {"Authorization": f"Bearer {TOKEN}x"}, 403),
        ("shop", {}, 403),
        ("shop", signed(b"{ }"), 403),
        ("shop", signed(b"{}", secret=b"guessed-guessed-guessed"), 403),
        ("shop", {"X-Hub-Signature-256": "sha256=zz"}, 403),
        ("shop", {"X-Hub-Signature-256": "sha256="}, 403),
        ("both", BEARER, 403),
        ("both", signed(b"{}"), 401),
        ("nobody", BEARER, 404),
    ],
)
async def test_strangers_are_refused(site: Site, source: str, headers: dict[str, str], status: int) -> None:
    """Nothing is kept of who does not prove who it is; the answer says how to mend it, and the doctor can tell."""
    found, problem, _ = await site.post(source, b"{}", headers)
    assert found == status
    assert problem["fix"]
    assert TOKEN not in json.dumps(problem)
    assert await site.kept(source) == []
    if status != 404:
        newest = await site.log.last(trouble_topic(source))
        assert newest is not None
        told = Told.from_record(newest.record)
        assert told is not None
        assert told.kind is Trouble.REFUSED


async def test_the_next_good_delivery_ends_the_trouble(site: Site) -> None:
    """After a refusal the first delivery that is taken says in the log that all is well."""
    await site.post("shop", b"{}", {})
    await site.post("shop", b"{}", signed(b"{}"))
    newest = await site.log.last(trouble_topic("shop"))
    assert newest is not None
    assert Told.from_record(newest.record) is None


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 1001, {}, 413),
        (gzip.compress(b"x" * 10_000_000), {"Content-Encoding": "gzip"}, 413),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"[]")[:-4], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"[]") + b"more", {"Content-Encoding": "gzip"}, 400),
        (b"x", {"Content-Encoding": "br"}, 415),
    ],
)
async def test_bodies_have_bounds(site: Site, body: bytes, headers: dict[str, str], status: int) -> None:
    """Too large, packed or not, broken, or packed in a way that we do not know: refused, and nothing kept."""
    found, problem, _ = await site.post("broker", body, {**BEARER, **headers})
    assert (found, bool(problem["fix"])) == (status, True)
    assert await site.kept("broker") == []


async def test_garbage_is_kept_as_it_is(site: Site) -> None:
    """What an authenticated sender sends is raw: the normaliser refuses it, with its bytes to look at."""
    assert (await site.post("broker", b"\x00<html>{{{", BEARER))[0] == 202
    assert [each.body for each in await site.kept("broker")] == [b"\x00<html>{{{"]


async def test_a_storm_is_told_to_come_back(database_url: str) -> None:
    """Of many at once some are told 429 with Retry-After; who comes back is taken; what had a 202 is kept, once each."""
    async with site_of(database_url, of_one=4) as site:
        await storm(site)


async def storm(site: Site) -> None:
    """Send sixty at once, and each again until it is taken."""
    busy = DELIVERIES.labels(source="broker", outcome="busy")._value.get()
    taken: list[bytes] = []
    refused = 0

    async def send(number: int) -> None:
        nonlocal refused
        body = b'{"n": %d}' % number
        while True:
            status, _, headers = await site.post("broker", body, BEARER)
            if status == 202:
                taken.append(body)
                return
            assert status == 429, status
            assert int(headers["Retry-After"]) >= 1
            refused += 1
            await asyncio.sleep(0.05)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(send(number))
    assert sorted(each.body for each in await site.kept("broker")) == sorted(taken)
    assert len(set(taken)) == 60
    assert refused == DELIVERIES.labels(source="broker", outcome="busy")._value.get() - busy > 0


async def test_without_the_log_nothing_is_promised(site: Site) -> None:
    """When the log does not take it the sender hears 503 with Retry-After, and sends it again."""
    await site.log.__aexit__(None, None, None)
    status, problem, headers = await site.post("broker", NOTIFICATION, BEARER)
    assert (status, bool(problem["fix"])) == (503, True)
    assert int(headers["Retry-After"]) >= 1


async def test_a_platform_without_webhooks_has_no_inlet(database_url: str) -> None:
    """Where no source takes deliveries the address says so, also to who has a token."""
    async with site_of(database_url, hooks=False) as site:
        status, problem, _ = await site.post("broker", b"{}", BEARER)
        assert status == 404
        assert "takes deliveries" in problem["detail"]
