"""A site whose one stream has views: the members of `tests.support.views`, over HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ldes_server.building import run_views
from ldes_server.definition import definition_text
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.shelf import HEAD_MAX_AGE
from tests.conformance.kit import Site
from tests.support.crawl import crawl
from tests.support.views import NAME, publish


class Views(Site):
    """A site whose one stream has views, with a builder beside it that the test steps."""

    def __init__(self, dsn: str, stream: Stream) -> None:
        super().__init__(dsn, [stream])
        self.stream = stream

    def publish(self, count: int) -> None:
        """Publish more members."""
        self.run(lambda store: publish(store, count, base=self.base))

    def declare(self, stream: Stream, *, grace: timedelta = timedelta(hours=1)) -> None:
        """Do what `write` does at its start with another declaration, until its views are live and clean."""

        async def work(store: PostgresStore) -> None:
            stop = asyncio.Event()
            views = asyncio.ensure_future(run_views(stream, store, stop=stop, grace=grace))
            declared = {(name, definition_text(each)) for name, each in stream.views.items()}
            while True:
                await asyncio.sleep(0.05)
                states = await store.views(NAME)
                live = {(each.name, each.definition) for each in states if each.state == "live"}
                if live == declared and (grace or all(each.state != "retired" for each in states)):
                    break
            stop.set()
            await views
            # A head that was read just before the switch may be shown for so long.
            await asyncio.sleep(HEAD_MAX_AGE.total_seconds())

        self.run(work)

    def root(self, view: str) -> str:
        """Return the address of a view's root."""
        return f"{self.base}/{NAME}/{view}"

    def ledger(self) -> set[str]:
        """Return the ids of what was published, as far as the history shows it."""
        return {member["@id"] for page in crawl(self.root("log")) for member in page.document.get("member", [])}
