"""Two npm clients that nobody here wrote replicate our feeds, count and content."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.conftest import PART, OwnLog
from tests.support import crawl
from tests.support.clients import AcceptProxy, run_older, run_reference
from tests.support.copies import check_parts, published, same, sequences
from tests.support.graphs import GENERATED_AT, Node, members, parse
from tests.support.running import Running, free_port

STREAMS = ("gent-parking", "miv-meetpunten", "miv-verkeer")
# What ldes-client can read, in the order in which it prefers them.
FORMATS = ("application/n-quads", "application/trig", "application/ld+json", "application/n-triples", "text/turtle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """A feed that stands still, and the proxy at its public address."""

    proxy: AcceptProxy
    expected: Mapping[str, Mapping[str, Node]]

    def root(self, stream: str) -> str:
        """Return the address of a stream."""
        return f"{self.proxy.base}/{stream}"


@pytest.fixture(scope="module")
def fed(part: Path, own_log: OwnLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """Publish a part of the recordings once for the module, at the public address of a proxy."""
    port, public = free_port(), free_port()
    environ = {**own_log(), "SF_BASE_URL": f"http://127.0.0.1:{public}"}
    data = tmp_path_factory.mktemp("fed") / "data"
    with (
        AcceptProxy(public, f"http://127.0.0.1:{port}") as proxy,
        Running(data, "--replay", str(part), port=port, environ=environ) as running,
    ):
        running.wait_for("replay complete", within=60)
        yield Fed(proxy=proxy, expected={stream: published(f"{proxy.base}/{stream}/log") for stream in STREAMS})


def test_the_feed_is_large_enough_to_judge_clients(fed: Fed) -> None:
    """The part that clients replicate spans several pages in two of three streams, and none is empty."""
    assert len(fed.expected["miv-verkeer"]) == len(fed.expected["miv-meetpunten"]) == PART
    assert fed.expected["gent-parking"]


# Pages come from the store, so their formats have nothing to do with the log.
ONE_LOG = pytest.mark.parametrize("own_log", ["postgres"], indirect=True)


@pytest.mark.slow
def test_the_reference_client_replicates_every_stream(fed: Fed) -> None:
    """In the format it prefers ldes-client gets every member once, with all that is said of it, oldest first."""
    _replicate(fed, FORMATS[0])


@pytest.mark.slow
@ONE_LOG
@pytest.mark.parametrize("media_type", FORMATS[1:])
def test_the_reference_client_replicates_every_stream_in_every_format(fed: Fed, media_type: str) -> None:
    """And so it does in each other format that it can read."""
    _replicate(fed, media_type)


def _replicate(fed: Fed, media_type: str) -> None:
    fed.proxy.only(media_type)
    for stream in STREAMS:
        printed = run_reference(fed.root(stream))
        found = members(parse(printed))
        same(found, fed.expected[stream])
        assert len(sequences(printed)) == len(found)
        times = [node.one(GENERATED_AT) for node in found.values()]
        assert times == sorted(times)
    assert fed.proxy.served.keys() == {media_type}


@pytest.mark.slow
def test_the_reference_client_replicates_every_view(fed: Fed) -> None:
    """From the root of any view of a stream ldes-client gets every page and every member, with all that is said of it."""
    expected = fed.expected[STREAMS[0]]
    fed.proxy.only(None)
    roots = json.loads(crawl.fetch(f"{fed.root(STREAMS[0])}/log")[0])["views"]
    assert len(roots) > 1
    for view in roots:
        pages = {page.url for page in crawl.crawl(view)}
        fed.proxy.only(None)
        printed = run_reference(view, tree=True)
        assert fed.proxy.handed >= pages
        found = members(parse(printed))
        same(found, expected)
        assert len(sequences(printed)) == len(found)


@pytest.mark.slow
def test_the_older_client_replicates_a_stream(fed: Fed) -> None:
    """actor-init gets every member, and of each all but quads with an IRI it has already met in that member.

    Version 4.0.9 drops, within one member, each quad whose object is an IRI it has visited: the member's own, or one
    that another quad of the member already had as its object, such as the same type on a second nested node. So what
    it prints must be part of what is published, and each quad it lacks must have such an IRI as its object.
    """
    _replicate_with_the_older(fed, STREAMS[0])


@pytest.mark.slow
@ONE_LOG
@pytest.mark.parametrize("stream", STREAMS[1:])
def test_the_older_client_replicates_every_stream(fed: Fed, stream: str) -> None:
    """And so it does with the large streams, which take it long."""
    _replicate_with_the_older(fed, stream)


def _replicate_with_the_older(fed: Fed, stream: str) -> None:
    fed.proxy.only(None)
    printed = run_older(fed.root(stream))
    assert sorted(sequences(printed)) == list(range(len(fed.expected[stream])))
    check_parts(members(parse(printed)), fed.expected[stream])


@pytest.mark.slow
def test_a_client_with_saved_state_finds_exactly_what_is_new(recordings: Path, part: Path, tmp_path: Path) -> None:
    """ldes-client stops, the feed grows by several pages, and it finds all of the rest; a fresh copy is complete.

    It may tell again what stands on pages that were still open, so what it finds is judged as a set.
    """
    port = free_port()
    before = {}
    with Running(tmp_path / "data", "--replay", str(part), port=port) as running:
        running.wait_for("replay complete", within=60)
        for stream in STREAMS:
            printed = run_reference(f"{running.base}/{stream}", state=tmp_path / stream)
            before[stream] = set(sequences(printed))
            assert before[stream] == set(range(len(crawl.members(f"{running.base}/{stream}/log"))))
    with Running(tmp_path / "data", "--replay", str(recordings), port=port) as running:
        running.wait_for("replay complete", within=60)
        for stream in STREAMS:
            log = crawl.members(f"{running.base}/{stream}/log")
            after = set(sequences(run_reference(f"{running.base}/{stream}", state=tmp_path / stream)))
            assert len(log) > len(before[stream])
            assert after - before[stream] == set(range(len(before[stream]), len(log)))
            assert len(after & before[stream]) < 250
            _check_fresh_copy(running.base, stream, [member["@id"] for member in log])


def _check_fresh_copy(base: str, stream: str, expected: list[str]) -> None:
    """Replicate a whole stream; check every identity, and the content of each twentieth member of a page."""
    found = members(parse(run_reference(f"{base}/{stream}")))
    assert found.keys() == set(expected)
    sample = published(f"{base}/{stream}/log", every=20)
    same({name: found[name] for name in sample}, sample)
