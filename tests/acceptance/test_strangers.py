"""Clients that nobody here wrote, on a stream with four views and late data: what they copy is what the ledger says."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from smartflanders.embedded import EmbeddedPostgres
from streams.record import format_time
from tests.conftest import make_database
from tests.support import crawl
from tests.support.clients import run_older, run_reference, run_traversal
from tests.support.cluster import slowness, until
from tests.support.copies import check_parts, published, same, sequences
from tests.support.graphs import Node, members, parse
from tests.support.latecomers import NAMES, Latecomers

pytestmark = pytest.mark.slow

# Published so soon after it was observed it came in time, and its window closes before the same car park speaks again.
RECENT = timedelta(minutes=2)
# More than a page holds; and news enough to judge who comes again, which are less than half of the car parks.
FULL, NEW = 250, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What was there when a client stopped: how many members, and what it printed of each view and where it kept state."""

    count: int
    printed: Mapping[str, str]
    states: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The stream when everything is told: its members by their IRI, as the history and each view show them.

    `came` counts the members that by-minute shows below `late`, and in windows that have closed since they came.
    """

    count: int
    views: Mapping[str, Mapping[str, Node]]
    came: Mapping[str, int]
    linked: AbstractSet[str]

    @property
    def members(self) -> Mapping[str, Node]:
        """The members of the history."""
        return self.views["log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What clients printed of the history and of each view when everything was told."""

    reference: Mapping[str, str]
    older: Mapping[str, str]
    traversal: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a policy promises of the stream, what is there, and what clients printed while the rest left and after it.

    `refused` are the addresses at which they, following links, got nothing.
    """

    promised: AbstractSet[int]
    views: Mapping[str, Mapping[str, Node]]
    during: Copies
    after: Copies
    refused: Sequence[str]


def each_view(work: Callable[[str], str], *, names: Sequence[str] = NAMES) -> dict[str, str]:
    """Do something for the history and every view, two at a time: these programs mostly compute."""
    with ThreadPoolExecutor(2) as threads:
        return dict(zip(names, threads.map(work, names), strict=True))


@pytest.fixture(scope="module")
def scene(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Latecomers]:
    """Start a city and a platform for the module."""
    dsn = make_database(postgres, f"strangers_{uuid.uuid4().hex}")
    # In the grace period every client must come to the end of a view.
    grace = timedelta(seconds=15 * slowness())
    with Latecomers(tmp_path_factory.mktemp("strangers"), dsn, grace=grace) as scene:
        yield scene


@pytest.fixture(scope="module")
def half(scene: Latecomers, tmp_path_factory: pytest.TempPathFactory) -> Half:
    """Let the city tell some hours until its time is ours, and a client read that far and keep its state."""
    until(
        lambda: scene.newest() > (FULL, "") and scene.newest()[1] > format_time(datetime.now(UTC) - RECENT), within=90
    )
    verdict = scene.rest()
    assert verdict.faultless, verdict
    states = {name: tmp_path_factory.mktemp("states") / name for name in NAMES}
    return Half(
        count=verdict.members,
        printed=each_view(lambda name: run_reference(scene.roots[name], state=states[name], tree=True)),
        states=states,
    )


@pytest.fixture(scope="module")
def whole(scene: Latecomers, half: Half) -> Whole:
    """Let the city tell more, some of it late, and compare all that is published with the ledger."""
    before = scene.newest()
    scene.collect()
    until(lambda: scene.newest()[0] > before[0] + NEW and scene.newest()[1] > before[1], within=180)
    verdict = scene.rest()
    assert verdict.faultless, verdict
    came = {"late": 0, "closed": 0}
    for page in crawl.crawl(scene.roots["by-minute"]):
        kind = "late" if "/late" in page.url else "closed" if page.final else ""
        came[kind] = came.get(kind, 0) + len(page.document.get("member", []))
    return Whole(
        count=verdict.members,
        views={name: published(root) for name, root in scene.roots.items()},
        came=came,
        linked=set(json.loads(crawl.fetch(scene.roots["log"])[0])["views"]),
    )


def copy(scene: Latecomers, *, older: Sequence[str]) -> Copies:
    """Let every client read the history and every view, the slowest one those in `older`."""
    roots = scene.roots
    return Copies(
        reference=each_view(lambda name: run_reference(roots[name], tree=True)),
        older=each_view(lambda name: run_older(roots[name]), names=older),
        traversal=dict(zip(NAMES, run_traversal(*roots.values()), strict=True)),
    )


@pytest.fixture(scope="module")
def saved(scene: Latecomers, half: Half, whole: Whole) -> Mapping[str, str]:
    """Let a client that was there before go on from where it was, in the history and every view."""
    del whole  # it must be told
    return each_view(lambda name: run_reference(scene.roots[name], state=half.states[name], tree=True))


@pytest.fixture(scope="module")
def copies(scene: Latecomers, whole: Whole) -> Copies:
    """Copy everything."""
    del whole  # it must be told
    return copy(scene, older=NAMES)


@pytest.fixture(scope="module")
def kept(scene: Latecomers, whole: Whole, saved: Mapping[str, str], copies: Copies) -> Kept:
    """Let the older half of the stream leave, while clients read and before they read again."""
    del saved, copies  # they must be made before
    history = scene.members("log")
    since = history[max(FULL, whole.count // 2)]["generatedAtTime"]
    oldest = next(page.url for page in crawl.crawl(scene.roots["log"]) if page.document.get("member"))
    scene.proxy.only(None)
    scene.keep(since)
    time.sleep(scene.grace.total_seconds() + 1)
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(copy, scene, older=())
        scene.look()
        during = reading.result()
    refused = [*scene.proxy.refused]
    time.sleep(scene.grace.total_seconds() + 1)
    scene.look()
    until(lambda: is_gone(oldest), within=30)
    scene.proxy.only(None)
    views = {name: published(root) for name, root in scene.roots.items()}
    after = copy(scene, older=("log", "by-minute"))
    return Kept(
        promised={member["sequence"] for member in history if member["generatedAtTime"] >= since},
        views=views,
        during=during,
        after=after,
        refused=[*refused, *scene.proxy.refused],
    )


def is_gone(address: str) -> bool:
    """Whether a page answers 410."""
    try:
        crawl.fetch(address)
    except HTTPError as error:
        error.close()
        return error.code == 410
    return False


def test_the_stream_is_worth_reading(half: Half, whole: Whole) -> None:
    """The history has several pages; by minute there are members that came in time, in windows since closed, and late."""
    assert whole.count > half.count > FULL
    assert whole.came["late"] > 0
    assert whole.came["closed"] > 0


def test_every_view_is_the_whole_history(scene: Latecomers, whole: Whole) -> None:
    """Each of the four views shows exactly the members of the history, late ones and all, and says the same of them."""
    assert len(whole.members) == whole.count
    assert whole.linked == set(scene.roots.values()) - {scene.roots["log"]}
    for shown in whole.views.values():
        same(shown, whole.members)


def test_the_reference_client_copies_every_view(whole: Whole, copies: Copies) -> None:
    """ldes-client prints each member of the history and of each view once, with all that is said of it."""
    for printed in copies.reference.values():
        same(members(parse(printed)), whole.members)
        assert sorted(sequences(printed)) == list(range(whole.count))


def test_a_client_saved_half_way_finds_exactly_the_rest(half: Half, whole: Whole, saved: Mapping[str, str]) -> None:
    """ldes-client with its state from before prints all that was told since, whichever view it reads, late or not."""
    for name, printed in saved.items():
        assert set(sequences(half.printed[name])) == set(range(half.count))
        assert set(sequences(printed)) - set(range(half.count)) == set(range(half.count, whole.count))
        same(members(parse(half.printed[name])) | members(parse(printed)), whole.members)


def test_the_older_client_copies_every_view(whole: Whole, copies: Copies) -> None:
    """actor-init prints each member of the history and of each view, and of each all but what it is known to drop."""
    for printed in copies.older.values():
        assert sorted(sequences(printed)) == list(range(whole.count))
        check_parts(members(parse(printed)), whole.members)


def test_link_traversal_finds_every_member_from_every_root(whole: Whole, copies: Copies) -> None:
    """Comunica, told to follow TREE links from a root, finds each member with all that is said of it, and no other."""
    for text in copies.traversal.values():
        same(members(parse(text)), whole.members)


def test_clients_miss_nothing_that_is_kept_while_pages_leave(whole: Whole, kept: Kept) -> None:
    """Whoever reads while the older half leaves gets all that is promised, as it was published, and no link is refused."""
    assert kept.refused == []
    for copies in (kept.during, kept.after):
        for printed in (*copies.reference.values(), *copies.older.values(), *copies.traversal.values()):
            numbers = sequences(printed)
            assert kept.promised <= set(numbers)
            assert len(numbers) == len(set(numbers))
        for printed in (*copies.reference.values(), *copies.traversal.values()):
            found = members(parse(printed))
            same(found, {name: whole.members[name] for name in found})


def test_clients_copy_what_is_left(whole: Whole, kept: Kept) -> None:
    """Once the rest has left, the history and every view are shorter, and each client copies exactly what is there."""
    for name, shown in kept.views.items():
        assert len(shown) < whole.count
        same(members(parse(kept.after.reference[name])), shown)
        same(members(parse(kept.after.traversal[name])), shown)
    for name, printed in kept.after.older.items():
        check_parts(members(parse(printed)), kept.views[name])
