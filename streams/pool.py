"""Pools of PostgreSQL sessions: opened when one answers, closed within a second whatever the server does (asyncpg)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg


async def open_pool(options: Mapping[str, Any], *, connections: int, patience: float) -> Any:
    """Open a pool of at most so many sessions, made with asyncpg's `options`, and wait for the first of them.

    `patience` are the seconds to wait for it. Raises whatever the driver raises; then nothing stays open.
    """
    # No floor: the driver logs a trace whenever it cannot keep one. Our sessions change no setting, so resetting them
    # after each use would be a round trip for nothing.
    pool = await asyncpg.create_pool(min_size=0, max_size=connections, reset=_leave_as_is, **options)
    try:
        async with pool.acquire(timeout=patience):
            return pool
    except BaseException:
        pool.terminate()
        raise


async def close_pool(pool: Any) -> None:
    """Close a pool whose users have ended; a session whose server was killed would be waited for without end."""
    try:
        async with asyncio.timeout(1):
            await pool.close()
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pool.terminate()


async def _leave_as_is(_connection: Any) -> None:
    return None
