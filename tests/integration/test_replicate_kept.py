"""`smartflanders replicate --verify` on feeds that keep less: a proof begins at what is kept, and asks for all of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ldes_server.digests import sign_closed
from ldes_server.retention import Retention
from smartflanders.cli import main
from tests.integration.test_keeping import GARAGES, TIME, VERSIONS, Keeping, status
from tests.support.cluster import until
from tests.support.keeping import HOUR, kept_stream
from tests.support.views import NAME

# Closed pages of four members, and an open one with one.
COUNT = 121
# A reader sees news within a second (HTTP-09).
NEWS = 1.1


class Feed(Keeping):
    """A feed whose closed pages are signed off, and its copies in a folder."""

    def __init__(self, dsn: str, policy: Retention, folder: Path) -> None:
        super().__init__(dsn, kept_stream(policy))
        self.folder = folder

    def grow(self, count: int) -> None:
        """Publish more members and sign off what has closed."""
        self.publish(count)
        self.run(lambda store: sign_closed(self.stream, store, stop=asyncio.Event()))
        self.pause(NEWS)

    def copy(self, name: str, *words: str) -> int:
        """Make a copy or go on with one; return the status of the command."""
        return main(["replicate", f"{self.base}/{NAME}", "--out", str(self.folder / name), *words])

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of the members of a copy, in order."""
        return sorted(json.loads(line)["sequence"] for line in (self.folder / name).read_bytes().splitlines())

    def lose(self, name: str, number: int, *, of: str) -> None:
        """Make a copy elsewhere of a copy, without one member."""
        lines = (self.folder / of).read_bytes().splitlines(keepends=True)
        (self.folder / name).write_bytes(b"".join(line for line in lines if json.loads(line)["sequence"] != number))


@pytest.fixture
def feed(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Feed]:
    """Run a feed with a policy and publish for four hours of its clock; there is a copy of all of it."""
    with Feed(database_url, request.param, tmp_path) as running:
        running.declare(running.stream)
        running.grow(COUNT)
        assert running.copy("early") == 0
        running.clock.now += 4 * HOUR
        yield running


def proven(said: str) -> int:
    """Read how many members were proven."""
    found = re.search(r"^(\d+) members proven: [0-9a-f]{64}$", said, re.MULTILINE)
    assert found, said
    return int(found[1])


@pytest.mark.parametrize("feed", [TIME, VERSIONS], ids=["window", "versions"], indirect=True)
def test_copies_are_proven_while_pages_leave(feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies from before, from the grace period and from after it are proven as far as they go, whichever pages left."""
    first = f"{feed.root()}/0/0"
    for passed, gone in ((timedelta(0), False), (HOUR / 2, False), (HOUR, True)):
        feed.pass_time(passed)
        feed.pause(NEWS)
        if gone:
            # What a process has in memory it forgets within two polls of its store.
            until(lambda: status(first) != 200, within=30)
        name = f"after-{passed.seconds}"
        assert feed.copy(name, "--verify") == 0
        said = capsys.readouterr().out
        numbers = feed.numbers(name)
        begin = feed.run(lambda store: store.head(NAME)).first
        assert numbers[-1] == COUNT - 1
        assert [number for number in numbers if number >= begin] == list(range(begin, COUNT))
        whole = [page for page in range(COUNT // 4) if {*range(4 * page, 4 * page + 4)} <= {*numbers}]
        assert proven(said) == 4 * len(whole)
        # What is left of other pages is compared with what the feed has of it, and said to be no proof.
        rest = len([number for number in numbers if number < COUNT - 1]) - 4 * len(whole)
        assert (f"{rest} members stand on pages of which" in said) == bool(rest)
        assert begin > 0
        assert f"members before number {begin} are not all kept" in said
        # Who was there before has it all, and proves it all.
        assert feed.copy("early", "--verify") == 0
        assert proven(capsys.readouterr().out) == COUNT - 1
    feed.grow(GARAGES)
    for each in ("early", name):
        assert feed.copy(each, "--verify") == 0
        assert feed.numbers(each)[-1] == COUNT + GARAGES - 1


@pytest.mark.parametrize("feed", [TIME, VERSIONS], ids=["window", "versions"], indirect=True)
def test_what_a_copy_lacks_of_what_is_kept_is_named(feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """A member that is lost or altered, of the oldest page that is kept or kept for its version, is named; status 1."""
    for passed in (timedelta(0), HOUR):
        feed.pass_time(passed)
    feed.pause(NEWS)
    assert feed.copy("late", "--verify") == 0
    begin = feed.run(lambda store: store.head(NAME)).first
    numbers = feed.numbers("late")
    older = [number for number in numbers if number < begin]
    assert bool(older) == (feed.stream.retention == VERSIONS)
    for lost in (begin, *older[:1], *older[-1:]):
        feed.lose(f"without-{lost}", lost, of="late")
        capsys.readouterr()
        assert feed.copy(f"without-{lost}", "--verify") == 1
        assert f"member {lost} is missing" in capsys.readouterr().out
        number = f'"sequence":{lost}'.encode()
        altered = re.sub(number + rb"\b", number.replace(b":", b": "), (feed.folder / "late").read_bytes())
        (feed.folder / f"altered-{lost}").write_bytes(altered)
        assert feed.copy(f"altered-{lost}", "--verify") == 1
        assert f"member {lost} says something else" in capsys.readouterr().out


@pytest.mark.parametrize("feed", [TIME], ids=["window"], indirect=True)
def test_a_gap_in_what_left_is_still_a_gap(feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy from before that lacks a member in its middle is not proven, though the feed has dropped the page since."""
    for passed in (timedelta(0), HOUR):
        feed.pass_time(passed)
    feed.pause(NEWS)
    assert feed.run(lambda store: store.head(NAME)).gone > 6
    feed.lose("torn", 6, of="early")
    assert feed.copy("torn", "--verify") == 1
    assert "page 1: member 6 is missing" in capsys.readouterr().out
