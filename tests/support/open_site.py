"""A site that takes members of one stream over HTTP, with a writer that can be held back."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.serve import Address, serve
from ldes_server.writer import run_writer
from smartflanders.door import open_door
from smartflanders.pilots import Plan
from streams.postgres_log import PostgresLog
from streams.settings import load_settings
from tests.conformance.kit import Answer, Site, members_of, two_streams

STREAM = "gent-parking"
TOKEN = "0123456789abcdef-token"
TURTLE = "text/turtle"


class OpenSite(Site):
    """The site of the tests over HTTP, with a door for those who post, and a writer that can be held back."""

    def __init__(self, dsn: str, folder: Path) -> None:
        super().__init__(dsn, two_streams())
        self._tokens = folder / "tokens"
        self._tokens.write_text(f"# who may post\n{STREAM} {TOKEN}\n", "utf-8")

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        settings = load_settings({"SF_BASE_URL": self.base, "SF_POST_TOKENS": str(self._tokens)})
        plan = Plan(sources=(), streams=tuple(self.streams.values()))
        async with AsyncExitStack() as stack:
            self._store = await stack.enter_async_context(PostgresStore(self._dsn, base_url=self.base))
            door = await stack.enter_async_context(open_door(plan, settings, self._dsn, self._store))
            address = Address(host="127.0.0.1", port=self.port, base_url=self.base, door=door)
            await serve(plan.streams, self._store, address=address, stop=self._stop, ready=self._ready.set)

    def post(self, document: bytes | str, media: str = TURTLE, **headers: str) -> Answer:
        """Post a document with the token, unless `headers` say otherwise."""
        body = document if isinstance(document, bytes) else document.encode()
        sent = {"content_type": media, "authorization": f"Bearer {TOKEN}", **headers}
        named = {name.replace("_", "-"): value for name, value in sent.items() if value}
        return self.send("POST", f"/{STREAM}", named, body)

    def publish(self, count: int) -> None:
        """Run the writer until so many members are published."""

        async def work(store: PostgresStore) -> None:
            stop = asyncio.Event()
            stream: Stream = self.streams[STREAM]
            async with PostgresLog(self._dsn) as log, asyncio.timeout(20), asyncio.TaskGroup() as group:
                group.create_task(run_writer(stream, log, store, stop=stop))
                while (await store.head(STREAM)).count < count:  # noqa: ASYNC110 - the writer sets no event
                    await asyncio.sleep(0.02)
                stop.set()

        self.run(work)

    def count(self) -> int:
        """Count the members on the pages."""
        return sum(len(members_of(page.graph(), f"{self.base}/{STREAM}")) for page in self.crawl(STREAM))


def member(number: int, *, free: int = 7) -> str:
    """Write a car park's state in Turtle."""
    return (
        f"<https://e.example/v/{number}> a <http://schema.mobivoc.org/#ParkingFacility> ;"
        f" <http://purl.org/dc/terms/isVersionOf> <https://e.example/p/{number}> ;"
        ' <http://www.w3.org/ns/sosa/resultTime> "2026-11-23T20:00:44Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> ;'
        f" <http://vocab.datex.org/terms#parkingNumberOfVacantSpaces> {free} ;"
        f" <http://schema.mobivoc.org/#capacity> [ <http://schema.mobivoc.org/#currentValue> {free} ] ;"
        " <http://purl.org/dc/terms/license> <https://e.example/licence> ;"
        " <http://www.w3.org/ns/prov#wasAttributedTo> <https://e.example/city> .\n"
    )


def lines(answer: Answer) -> list[dict[str, object]]:
    """Read an answer's lines."""
    return [json.loads(line) for line in answer.body.splitlines()]


def results(answer: Answer) -> list[object]:
    """Read what became of each member."""
    return [line["result"] for line in lines(answer)]
