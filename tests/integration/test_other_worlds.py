"""The page about NGSI-LD and SensorThings: every command and the script on it, run as they are written there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.kit import Site
from tests.conftest import make_database
from tests.support.running import ROOT
from tests.support.worlds import GARAGES, worlds

_PAGE = (ROOT / "docs" / "how-to" / "read-as-ngsi-ld-or-sensorthings.md").read_text("utf-8")
_ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site with the stream that the page asks for."""
    with worlds(make_database(postgres, "other_worlds")) as running:
        yield running


def blocks(language: str, site: Site) -> list[str]:
    """Return the blocks of the page in a language, with the site's address in place of the page's."""
    found = re.findall(rf"^```{language} worlds\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return [
        each.replace(quote(_ADDRESS, safe=""), quote(site.base, safe="")).replace(_ADDRESS, site.base) for each in found
    ]


def test_every_command_of_the_page_gives_data(site: Site) -> None:
    """Each command must succeed and print JSON that is about something."""
    for line in [line for block in blocks("sh", site) for line in block.splitlines()]:
        done = subprocess.run(["sh", "-c", f"{line} --fail"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
        found = json.loads(done.stdout)
        assert found if isinstance(found, list) else found.get("value", found), line


def test_the_script_of_the_page_prints_each_datastream(site: Site) -> None:
    """The script must print every Datastream of the Thing with all observations of it."""
    for script in blocks("python", site):
        command = [sys.executable, "-W", "ignore", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        lines = done.stdout.splitlines()
        assert f"free spaces: Garage 1 {list(range(36, 0, -GARAGES))}" in lines
        assert len(lines) == 4
