"""The tutorial: its files written and its commands typed in order, everything it shows compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ports import free_ports
from tests.support.running import ROOT
from tests.support.tutorial import Session, steps_of

PAGE = ROOT / "docs" / "tutorial" / "add-a-source.md"


@pytest.mark.slow
def test_the_tutorial_leads_from_samples_to_live_members(database_url: str, tmp_path: Path) -> None:
    """Whoever does what the page says sees what the page shows, up to the newest members of two feeds."""
    port, vendor = free_ports(2)
    steps = steps_of(PAGE, instead={":8080": f":{port}", "--port 8080": f"--port {port}", "8099": str(vendor)})
    assert sum(step.shows is not None for step in steps) >= 10
    with Session(tmp_path, {"SF_DATABASE_URL": database_url, "NO_COLOR": "1"}) as session:
        for step in steps:
            printed = session.do(step)
            assert step.shows is None or printed == step.shows, f"{step.text}\nsays\n{printed}\n{session.logs()}"


def test_the_tutorial_shows_what_a_marked_file_is() -> None:
    """The page has one feed in JSON and one in columns, each with its sample and its finished source file."""
    files = [step.mark for step in steps_of(PAGE, instead={}) if step.mark.startswith("file=")]
    assert sorted(Path(mark).suffix for mark in files) == [".csv", ".json", ".py", ".yaml", ".yaml"]
