"""What 2,000 live listeners cost at ten members a second, against a bare loop that writes the same bytes to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.ground import filled
from loadtests.listening import affordable, ours, reference
from loadtests.sampling import MB, places
from loadtests.scenario import Plan
from loadtests.speakers import EACH_SECOND

LISTENERS = 2000
SECONDS = 10
# Measured on two shared virtual cores: 0.4 to 1.4 times the bare loop, a route 2.2 to 4.5. Room for a busy machine.
CEILING = 2.0


@pytest.mark.benchmark
async def test_two_thousand_listeners(tmp_path: Path) -> None:
    """2,000 listeners get ten members a second, each once and in order, for little more than writing them costs."""
    assert affordable(LISTENERS) == LISTENERS, "raise the limit on open files"
    server, generator = places()
    async with filled(Plan(folder=tmp_path, server=server, generator=generator), 300, lambda _: None) as ground:
        ground.serve()
        found = {
            "bare": await reference(ground, "bare", LISTENERS, SECONDS),
            "ours": await ours(ground, LISTENERS, SECONDS),
            "route": await reference(ground, "route", LISTENERS, SECONDS),
        }
    for kind, it in found.items():
        print(f"{kind:6}{it.cost:.1f} us an event, {it.cores:.2f} cores", end="")
        print(f"  p50 {it.times.at(50):.0f} ms  p99 {it.times.at(99):.0f} ms  {it.memory / MB:.0f} MB", end="")
        print(f"  {it.each / 1e3:.1f} kB each  heard {it.heard:,}  gaps {it.gaps}")
    mine, bare, route = found["ours"].cost, found["bare"].cost, found["route"].cost
    print(f"ours is {mine / bare:.2f} of the bare loop, a route {route / bare:.2f}")
    assert found["ours"].gaps == 0
    assert found["ours"].heard == LISTENERS * SECONDS * EACH_SECOND
    assert mine / bare <= CEILING
