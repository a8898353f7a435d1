"""The pilots that ship: which run where none is named."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingest.source import load_source
from ingest.transports.http_poll import HttpPollOptions
from smartflanders.pilots import load_plan
from smartflanders.platform import SIMULATED, shipped_pilots
from testbed.simulator.formats import ENDPOINTS
from tests.unit.ingest.workbench import PILOTS, SOURCES, keys_of


def test_what_the_simulated_city_plays_runs_by_itself() -> None:
    """Where no pilot is named, exactly the folders run whose publishers the simulated city plays, and they need no key."""
    assert shipped_pilots() == tuple(PILOTS / name for name in SIMULATED)
    played = {endpoint.path for endpoint in ENDPOINTS}
    assert {source.name for source in load_plan(shipped_pilots()).sources} == {it.source for it in ENDPOINTS}
    for file in SOURCES:
        assert _is_played(file, played) == (str(file.parent.relative_to(PILOTS)) in SIMULATED), file


@pytest.mark.parametrize("folder", sorted({file.parent for file in SOURCES}), ids=lambda it: "/".join(it.parts[-2:]))
def test_every_pilot_runs_by_itself(folder: Path) -> None:
    """Each folder is a whole pilot: its sources and stream files make a plan without any other folder's."""
    plan = load_plan([folder], keyless=True)
    assert set(plan.files.values()) == {file for file in SOURCES if file.parent == folder}
    assert {stream.name for stream in plan.streams} == {source.stream for source in plan.sources}


def test_all_pilots_run_together() -> None:
    """No two pilots claim the same source or say different things of a stream."""
    assert len(load_plan([PILOTS], keyless=True).sources) == len(SOURCES)


def _is_played(file: Path, played: set[str]) -> bool:
    options = load_source(file, environ=keys_of(file)).transport
    parts = urlsplit(options.url) if isinstance(options, HttpPollOptions) else None
    return parts is not None and f"/{parts.netloc}{parts.path}" in played
