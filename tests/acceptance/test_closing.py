"""A car park closes and comes back: what the city tells, to what readers of every kind find."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import crawl
from tests.support.running import Running

pytestmark = pytest.mark.slow

# A small and quick city: the portal says something new every two seconds.
CITY = ("--lanes", "1", "--speed", "60")
PLAYED = "publishers played by "
FEED = "/gent-parking"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Running]:
    """Start a city with a platform, and wait until its car parks are known."""
    with Running(tmp_path / "data", *CITY) as running:
        until(lambda: len(entities(running)) >= 17)
        yield running


def until(done: Callable[[], bool], *, within: float = 90) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.2)


def entities(running: Running) -> dict[str, dict[str, Any]]:
    """Return the newest state of each car park."""
    return {each["isVersionOf"]: each for each in json.loads(running.get(f"{FEED}/latest")).get("member", ())}


def tell(running: Running, *faults: str) -> None:
    """Switch the city's faults."""
    (line,) = [line for line in running.lines if line.startswith(PLAYED)]
    address = line.removeprefix(PLAYED).split(" ", 1)[0] + "-/faults"
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(faults).encode()), timeout=30) as answer:
        assert answer.status == 200


def status(running: Running, path: str) -> int:
    """Ask for an address and return the status."""
    try:
        running.get(path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_a_car_park_closes_and_comes_back(platform: Running) -> None:
    """It is deleted once and then created anew; no other one is; every payload's members are closed by one, the last."""
    closed = min(each for each in entities(platform) if "/parkings-gent/" in each)
    tell(platform, "closed@bezetting-parkeergarages")
    until(lambda: closed not in entities(platform))
    assert status(platform, f"{FEED}/latest?entity={closed}") == 410
    assert closed not in platform.get(f"{FEED}/latest?format=csv").decode()
    tell(platform)
    until(lambda: closed in entities(platform))
    history = crawl.members(f"{platform.base}{FEED}/log")
    told = [each["operation"] for each in history if each["isVersionOf"] == closed and each["operation"] != "Update"]
    assert told == ["Create", "Delete", "Create"]
    others = [each["operation"] for each in history if each["isVersionOf"] != closed]
    assert "Delete" not in others
    assert others.count("Create") == len({each["isVersionOf"] for each in history}) - 1
    open_now: str | None = None
    seen: set[str] = set()
    for each in history:
        name = each.get("transaction")
        assert name is not None
        assert name == (open_now or name)
        assert name not in seen
        open_now = None if each.get("transactionFinal") else name
        if open_now is None:
            seen.add(name)
    assert open_now is None
    newest = {each["isVersionOf"] for each in crawl.members(f"{platform.base}{FEED}/newest")}
    assert newest == {each["isVersionOf"] for each in history}
