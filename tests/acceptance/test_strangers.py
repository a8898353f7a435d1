"""Clients that nobody here wrote, on a stream with four views and late data: what they copy is what the ledger says."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
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
from tests.support.clients import run_followers, run_reference, run_traversal
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
class Part:
    """What the clients that can keep state printed of the history and of each view in one run."""

    reference: Mapping[str, str]
    older: Mapping[str, str]

    def each(self) -> Iterator[tuple[str, str, str]]:
        """Yield each printed text with the names of its client and view."""
        for client in ("reference", "older"):
            for view, printed in getattr(self, client).items():
                yield client, view, printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What was there when clients stopped: how many members, what they printed, and a folder with their states."""

    count: int
    printed: Part
    states: Path


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

    `refused` are the addresses at which they, following links, got nothing. `saved` is what those printed that stopped
    half-way, and came again when the rest had left.
    """

    promised: AbstractSet[int]
    views: Mapping[str, Mapping[str, Node]]
    during: Copies
    after: Copies
    saved: Part
    refused: Sequence[str]


def copy(scene: Latecomers, *, older: bool = True) -> Copies:
    """Let every client read the history and every view, two programs at a time: they mostly compute."""
    urls = list(scene.roots.values())
    with ThreadPoolExecutor(2) as threads:
        # What takes long begins.
        followers = threads.submit(run_followers, *(urls if older else []))
        traversal = threads.submit(run_traversal, *urls)
        reference = list(threads.map(lambda url: run_reference(url, tree=True), urls))
    return Copies(
        reference=dict(zip(NAMES, reference, strict=True)),
        older=dict(zip(NAMES, followers.result(), strict=older)),
        traversal=dict(zip(NAMES, traversal.result(), strict=True)),
    )


def go_on(scene: Latecomers, states: Path) -> Part:
    """Let the clients that can keep state read on from what they have in a folder, and keep it there."""
    urls = list(scene.roots.values())
    files = [states / f"{name}.json" for name in NAMES]
    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(run_followers, *urls, states=files)
        reference = list(
            threads.map(lambda name: run_reference(scene.roots[name], state=states / name, tree=True), NAMES)
        )
    return Part(reference=dict(zip(NAMES, reference, strict=True)), older=dict(zip(NAMES, older.result(), strict=True)))


@pytest.fixture(scope="module")
def scene(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Latecomers]:
    """Start a city and a platform for the module."""
    dsn = make_database(postgres, f"strangers_{uuid.uuid4().hex}")
    # In the grace period every client must come to the end of a view.
    grace = timedelta(seconds=20 * slowness())
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
    states = tmp_path_factory.mktemp("states")
    return Half(count=verdict.members, printed=go_on(scene, states), states=states)


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


@pytest.fixture(scope="module")
def saved(scene: Latecomers, half: Half, whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Part:
    """Let clients that were there before go on from where they were, in the history and every view."""
    del whole  # it must be told
    states = tmp_path_factory.mktemp("saved") / "states"
    shutil.copytree(half.states, states)
    return go_on(scene, states)


@pytest.fixture(scope="module")
def copies(scene: Latecomers, whole: Whole) -> Copies:
    """Copy everything; what actor-init makes of it shows when it goes on from a state, and reading again takes it long."""
    del whole  # it must be told
    return copy(scene, older=False)


@pytest.fixture(scope="module")
def kept(scene: Latecomers, half: Half, whole: Whole, saved: Part, copies: Copies) -> Kept:
    """Let the older half of the stream leave, while clients read and before they read again."""
    del saved, copies  # they must be made before
    history = scene.members("log")
    since = history[max(FULL, whole.count // 2)]["generatedAtTime"]
    oldest = next(page.url for page in crawl.crawl(scene.roots["log"]) if page.document.get("member"))
    scene.proxy.only(None)
    scene.keep(since)
    time.sleep(scene.grace.total_seconds() + 1)
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(copy, scene)
        scene.look()
        during = reading.result()
    refused = [*scene.proxy.refused]
    time.sleep(scene.grace.total_seconds() + 1)
    scene.look()
    until(lambda: is_gone(oldest), within=30)
    scene.proxy.only(None)
    views = {name: published(root) for name, root in scene.roots.items()}
    after = copy(scene)
    refused += scene.proxy.refused
    return Kept(
        promised={member["sequence"] for member in history if member["generatedAtTime"] >= since},
        views=views,
        during=during,
        after=after,
        saved=go_on(scene, half.states),
        refused=refused,
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


def test_a_client_saved_half_way_finds_exactly_the_rest(half: Half, whole: Whole, saved: Part) -> None:
    """A client with its state from before prints all that was told since, whichever view it reads, late or not."""
    rest = set(range(half.count, whole.count))
    for client, view, printed in saved.each():
        before = getattr(half.printed, client)[view]
        assert set(sequences(before)) == set(range(half.count)), (client, view)
        assert set(sequences(printed)) - set(range(half.count)) == rest, (client, view)
        if client == "reference":
            same(members(parse(before)) | members(parse(printed)), whole.members)


def test_the_older_client_copies_every_view(half: Half, whole: Whole, saved: Part) -> None:
    """actor-init, in two runs, prints each member of the history and of each view once, all but what it is known to drop."""
    for view, printed in saved.older.items():
        before = half.printed.older[view]
        assert sorted(sequences(before) + sequences(printed)) == list(range(whole.count))
        check_parts(members(parse(before)) | members(parse(printed)), whole.members)


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


def test_a_client_saved_half_way_finds_the_rest_when_pages_have_left(half: Half, whole: Whole, kept: Kept) -> None:
    """A client whose state names pages that have left since prints all that was told since, and nothing that has left."""
    rest = set(range(half.count, whole.count))
    assert rest <= kept.promised
    for client, view, printed in kept.saved.each():
        assert set(sequences(printed)) - set(range(half.count)) == rest, (client, view)
        assert members(parse(printed)).keys() <= kept.views[view].keys(), (client, view)
