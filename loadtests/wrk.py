"""The generator for pages: wrk on one processor, so many keep-alive connections that each ask again when answered."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.tools import find

_SCRIPT = Path(__file__).with_suffix(".lua")
_NEWEST = _SCRIPT.with_stem("newest")
# Beyond the time it was given: connecting, the last answers, and a machine that is busy.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Volley:
    """What to ask for and how hard: `cpu` is the processor wrk may use, None for any.

    With `newest`, a file whose first four bytes are a number in the machine's order, each request asks for the URL and
    behind it the number that stands there at that moment.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    connections: int = 24
    seconds: int = 2
    cpu: int | None = None
    newest: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came back: answers and their bytes, in so many seconds; milliseconds from question to answer.

    `failures` counts answers of status 400 and above, and connections that broke or timed out.
    """

    requests: int
    bytes: int
    seconds: float
    failures: int
    p50: float
    p99: float


def fire(volley: Volley) -> Answers:
    """Ask for one address over and over, and return what came back.

    Raises:
        ToolUnavailableError: wrk cannot be had here.
        RuntimeError: wrk failed; the message says what it said.

    """
    tool = find("wrk")
    script, more = (_SCRIPT, {}) if volley.newest is None else (_NEWEST, {"SF_NEWEST": str(volley.newest)})
    command = [str(tool.path), "-t1", f"-c{volley.connections}", f"-d{volley.seconds}s", "-s", str(script)]
    for name, value in volley.headers.items():
        command += ["-H", f"{name}: {value}"]
    process = subprocess.Popen(
        [*command, volley.url],
        env={**os.environ, **tool.environ, "SF_DONE": str(_SCRIPT), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if volley.cpu is not None:
        os.sched_setaffinity(process.pid, {volley.cpu})
    try:
        said, _ = process.communicate(timeout=volley.seconds + _PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    line = next((line for line in said.splitlines() if line.startswith("{")), None)
    if process.returncode != 0 or line is None:
        raise RuntimeError(f"wrk ended with status {process.returncode}: {said[-2000:]}")
    found = json.loads(line)
    return Answers(
        requests=found["requests"],
        bytes=found["bytes"],
        seconds=found["duration"] / 1e6,
        failures=found["failures"],
        p50=found["p50"] / 1e3,
        p99=found["p99"] / 1e3,
    )
