"""What takes the deliveries of publishers in a process that answers HTTP: the inlet, with a log of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest.transports.webhook import WebhookOptions
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan
from streams.hooks import Hooks
from streams.settings import Settings


@asynccontextmanager
async def open_hooks(plan: Plan, settings: Settings, dsn: str) -> AsyncIterator[Hooks | None]:
    """Open the inlet when a source of the plan has `webhook:`; else there is none, and no log is opened.

    Raises:
        LogError: the log cannot be reached.

    """
    sources = {each.name: each.transport for each in plan.sources if isinstance(each.transport, WebhookOptions)}
    if not sources:
        yield None
        return
    # Imported where it is used: most platforms are asked by nobody.
    from ingest.inlet import Inlet  # noqa: PLC0415

    async with open_log(settings, dsn, kept=kept_for(plan, settings)) as log:
        yield Inlet(sources, log)
