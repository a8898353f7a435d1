"""A process that reads one topic as slowly as it is told: `python -m tests.support.paused_reader TOPIC`.

The log is that of the settings. It prints a line when it is ready and the bytes of each batch, and takes the next batch for
each line on its standard input: whoever looks at its memory meanwhile sees what a reader holds that nobody lets go on.
"""

from __future__ import annotations

import asyncio
import os
import sys

from smartflanders.logs_of import open_log
from streams.settings import load_settings


async def _read(topic: str) -> None:
    settings = load_settings(os.environ)
    async with open_log(settings, settings.database_url or "", kept={}) as log:
        # Connections and code are there before anything is read.
        await log.append(topic, ())
        print("ready", flush=True)
        sys.stdin.readline()
        async for entries in log.read(topic, after=-1, limit=100_000):
            print(sum(len(entry.record.value) for entry in entries), flush=True)
            if not await asyncio.to_thread(sys.stdin.readline):
                return


if __name__ == "__main__":
    asyncio.run(_read(sys.argv[1]))
