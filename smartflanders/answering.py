"""What answers readers: the store, its replica, the door for posts and the web server, opened in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from ldes_server.postgres_store import PostgresStore
from ldes_server.replica import ReplicaStore
from ldes_server.serve import Address, WatchedStore, serve
from smartflanders.door import open_door
from smartflanders.hooks import open_hooks
from smartflanders.pilots import Plan
from streams.settings import Settings


async def answer_readers(
    plan: Plan, settings: Settings, dsn: str, *, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Serve the plan's streams from the database at `dsn` until `stop`; calls `ready` when it listens.

    With SF_DATABASE_READ_URL pages come from that replica.
    """
    async with AsyncExitStack() as stack:
        open_store = partial(PostgresStore, base_url=settings.base_url)
        primary = await stack.enter_async_context(open_store(dsn))
        store: WatchedStore = primary
        if settings.database_read_url is not None:
            replica = await stack.enter_async_context(open_store(settings.database_read_url))
            store = ReplicaStore(primary, replica)
        door = await stack.enter_async_context(open_door(plan, settings, dsn, primary))
        hooks = await stack.enter_async_context(open_hooks(plan, settings, dsn))
        address = Address(host=settings.host, port=settings.port, base_url=settings.base_url, door=door, hooks=hooks)
        await serve(plan.streams, store, address=address, stop=stop, ready=ready)
