"""The simulated city's web server: real paths, real validators, faults on command, and the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from aiohttp import web

from testbed.simulator.answers import Answer, digest, known_etags, send
from testbed.simulator.city import make_city
from testbed.simulator.faults import (
    BODY_FAULTS,
    DOCUMENT_FAULTS,
    Active,
    Fault,
    apply,
    parse_fault,
    spoiled_body,
)
from testbed.simulator.formats import ENDPOINTS, Document, Endpoint, Expected, page_of
from testbed.simulator.ledger import Ledger, Told
from testbed.simulator.options import Clock, SimulatorOptions
from testbed.simulator.page import front_page

# Requests that a silent publisher or a slow one still holds when the simulator stops are dropped after this.
_SHUTDOWN_SECONDS = 0.5
# How often a silent publisher looks whether its client is still there.
_LOOK_SECONDS = 0.2


async def serve(options: SimulatorOptions, *, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve the city until `stop`; `ready` is called once with the origin, such as `http://127.0.0.1:8081`."""
    ledger = Ledger(options.ledger)
    try:
        simulator = Simulator(options, ledger, stop=stop)
        await run_application(simulator.application(), options.port, host=options.host, ready=ready, stop=stop)
    finally:
        ledger.close()


async def run_application(
    application: web.Application,
    port: int,
    *,
    host: str = "127.0.0.1",
    ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve an application on `host` until `stop`; port 0 takes a free one, which `ready` is told."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready(f"http://{host}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


class Simulator:
    """The handlers of the city's server, and what they share: clock, faults, ledger, and the newest documents."""

    def __init__(self, options: SimulatorOptions, ledger: Ledger, *, stop: asyncio.Event) -> None:
        self._clock = Clock.of(options, datetime.now(UTC))
        self._city = make_city(seed=options.seed, lanes=options.lanes, start=self._clock.start)
        self._faults = list(options.faults)
        self._ledger = ledger
        self._stop = stop
        self._waiting = options.patient
        self._asked = 0
        self._newest: dict[str, tuple[int, Document]] = {}

    def application(self) -> web.Application:
        """Build the routes."""
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_get("/", self._front)
        application.router.add_get("/-/ledger", self._show_ledger)
        application.router.add_get("/-/faults", self._show_faults)
        application.router.add_post("/-/faults", self._set_faults)
        for endpoint in ENDPOINTS:
            application.router.add_get(endpoint.path, self._handler(endpoint))
        return application

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._publish(endpoint, request)

        return handle

    async def _publish(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        if self._waiting:
            self._clock, self._waiting = replace(self._clock, epoch=datetime.now(UTC)), False
        for etag in known_etags(request):
            self._ledger.confirm(endpoint.source, etag)
        chance, active = self._draw(endpoint)
        if Fault.SILENT in active:
            return await self._keep_silent(request)
        if Fault.ERROR in active:
            self._ledger.add(Told(source=endpoint.source, status=500, faults=("error",)), complete=True)
            return web.Response(status=500, text="Internal Server Error")
        try:
            limit, offset = _page(endpoint, request)
        except ValueError as error:
            return web.json_response({"error_code": "InvalidRESTParameterError", "message": str(error)}, status=400)
        document = await asyncio.to_thread(self._compose, endpoint, chance, active)
        if endpoint.paged:
            document = page_of(document, limit=limit, offset=offset)
        told, answer = await asyncio.to_thread(_wrap, endpoint.source, document, active)
        response, complete = await send(request, answer)
        if response.status == 200 and request.method != "HEAD":
            self._ledger.add(told, complete=complete)
        return response

    def _draw(self, endpoint: Endpoint) -> tuple[Random, tuple[Fault, ...]]:
        """Decide which of the faults that are on meet this request; the same request count, the same faults."""
        self._asked += 1
        chance = Random(f"{self._city.seed}/fault/{self._asked}")  # noqa: S311 - a simulation, not a secret
        on = [fault for fault in self._faults if fault.where in endpoint.path and chance.random() < fault.share]
        return chance, tuple(dict.fromkeys(active.fault for active in on))

    def _compose(self, endpoint: Endpoint, chance: Random, active: tuple[Fault, ...]) -> Document:
        at = self._time()
        document = self._document(endpoint, at)
        for fault in DOCUMENT_FAULTS:
            if fault in active:
                document = apply(fault, document, chance, lambda ago: endpoint.write(self._city, at - ago))
        return document

    def _time(self) -> datetime:
        return self._clock.start if self._waiting else self._clock.at(datetime.now(UTC))

    def _document(self, endpoint: Endpoint, at: datetime) -> Document:
        """Write the document of this period once: ten megabytes for four thousand lanes."""
        period = int(at.timestamp() // endpoint.period.total_seconds())
        known = self._newest.get(endpoint.source)
        if known is None or known[0] != period:
            known = self._newest[endpoint.source] = (period, endpoint.write(self._city, at))
        return known[1]

    async def _keep_silent(self, request: web.Request) -> web.StreamResponse:
        """Hold the request until the client gives up or the simulator stops."""
        while request.transport is not None and not request.transport.is_closing():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._stop.wait()
                    break
        return web.Response(status=503)

    async def _front(self, request: web.Request) -> web.StreamResponse:
        at = self._time()
        page = front_page(origin=str(request.url.origin()), at=at, lanes=len(self._city.lanes), faults=self._faults)
        return web.Response(text=page, content_type="text/html")

    async def _show_faults(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([str(fault) for fault in self._faults])

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        """Replace the faults that are on by the list in the body."""
        try:
            self._faults = _wishes(await request.text())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self._show_faults(request)

    async def _show_ledger(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for piece in self._ledger.lines():
            await response.write(piece)
        await response.write_eof()
        return response


def _wishes(text: str) -> list[Active]:
    wishes = json.loads(text)
    if not isinstance(wishes, list):
        raise ValueError("the body must be a JSON list of NAME[:SHARE][@PATH]")  # noqa: TRY004 - a wrong value of the client's
    return [parse_fault(str(wish)) for wish in wishes]


def _page(endpoint: Endpoint, request: web.Request) -> tuple[int, int]:
    """Read the page an Opendatasoft client asks for; ten records unless it says otherwise, a hundred at most."""
    limit, offset = int(request.query.get("limit", "10")), int(request.query.get("offset", "0"))
    if endpoint.paged and not (0 <= limit <= 100 and offset >= 0):
        raise ValueError("limit must be from 0 to 100, offset not below 0")
    return limit, offset


def _wrap(source: str, document: Document, active: tuple[Fault, ...]) -> tuple[Told, Answer]:
    """Turn a document into the answer to send and the line for the ledger."""
    spoiled = next((fault for fault in BODY_FAULTS if fault in active), None)
    body, media_type = (document.render(), document.media_type) if spoiled is None else spoiled_body(spoiled, document)
    etag = digest(body)
    told = Told(
        source=source,
        etag=etag,
        size=len(body),
        faults=tuple(fault.value for fault in active),
        fragments=document.fragments if spoiled is None else (),
        payload=Expected.MEMBER if spoiled is None else Expected.REJECTION,
    )
    answer = Answer(
        body=body,
        media_type=media_type,
        etag=etag,
        modified=document.published_at,
        slow=Fault.SLOW in active,
        broken=Fault.TRUNCATED in active,
    )
    return told, answer
