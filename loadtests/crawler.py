"""A bounded reader of a feed: `python -m loadtests.crawler URL`; every page once, what it found as one line of JSON.

It knows TREE relations and nothing of the server. Members are told apart by their sequence numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import sys
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

# Each answer must come within this many seconds.
_PATIENCE_SECONDS = 60.0


async def crawl(root: str, *, connections: int, limit: int) -> dict[str, Any]:
    """Read every page below `root`, at most `limit` pages, over so many connections; return what was found.

    Raises:
        RuntimeError: there are more pages than that, or one was denied.

    """
    began = time.perf_counter()
    waiting, seen = [root], {root}
    sequences: list[int] = []
    wire = plain = 0
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(auto_decompress=False, connector=connector, timeout=timeout) as session:
        while waiting:
            # As many pages at once as there are connections: nothing is asked for before it can be read.
            turn, waiting = waiting[:connections], waiting[connections:]
            for body in await asyncio.gather(*(_fetch(session, url) for url in turn)):
                text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
                wire, plain = wire + len(body), plain + len(text)
                page = orjson.loads(text)
                sequences += [member["sequence"] for member in page.get("member", ())]
                for node in (relation["node"] for relation in page["view"].get("relation", ())):
                    if node not in seen:
                        seen.add(node)
                        waiting.append(node)
            if len(seen) > limit:
                raise RuntimeError(f"more than {limit} pages")
    distinct = set(sequences)
    return {
        "pages": len(seen),
        "members": len(sequences),
        "distinct": len(distinct),
        "dense": bool(distinct) and max(distinct) + 1 == len(distinct),
        "wire": wire,
        "bytes": plain,
        "seconds": time.perf_counter() - began,
        "processor": time.process_time(),
    }


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    headers = {"Accept": "application/ld+json", "Accept-Encoding": "gzip"}
    async with session.get(url, headers=headers) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}")
        return await answer.read()


def main(argv: Sequence[str] | None = None) -> int:
    """Read one feed; 0 when it was read to its end, 1 when it was not."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.crawler", description=__doc__)
    parser.add_argument("url", help="the root of a view")
    parser.add_argument("--connections", type=int, default=4, help="pages asked for at once (default 4)")
    parser.add_argument("--limit", type=int, default=200_000, help="pages to read at most (default 200000)")
    asked = parser.parse_args(argv)
    try:
        found = asyncio.run(crawl(asked.url, connections=asked.connections, limit=asked.limit))
    except (RuntimeError, TimeoutError, aiohttp.ClientError) as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    print(orjson.dumps(found).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
