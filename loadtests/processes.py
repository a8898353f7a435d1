"""Processes beside ours: ports for them, an orderly end, and what a module of ours says that runs as one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[1]
_STOP_WITHIN_SECONDS = 15.0


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end and wait for it; one that does not listen for fifteen seconds is killed."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start a module of this package as a process, with pipes to talk to it."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", f"loadtests.{module}", *arguments]
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)


async def replicate(*arguments: str) -> dict[str, Any]:
    """Run a copying client (loadtests/replicator.py) to its end and return what it found.

    Raises:
        RuntimeError: it failed; the message holds its last lines.

    """
    process = await start("replicator", *arguments)
    try:
        said, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"a copying client failed: {errors.decode()[-2000:]}")
    found: dict[str, Any] = orjson.loads(said)
    return found
