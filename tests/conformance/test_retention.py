"""Retention (RET-01..21, HTTP-15) over HTTP: what policies say, what they keep, and how the rest leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from pyoxigraph import Literal, NamedNode

from ldes_server.keeping import declare
from ldes_server.model import GENERATED_AT, VERSION_OF
from ldes_server.retention import BUFFER, Retention
from smartflanders.embedded import EmbeddedPostgres
from streams.record import format_time
from tests.conformance.asking import Between, Question, Starting, answers, follows
from tests.conformance.city import NAME as CITY
from tests.conformance.comparing import satisfies, span
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import LDES, TREE, Answer, Site
from tests.conformance.pages import LINES, TYPE, XSD, Library, Read, Tree, fetch, walk
from tests.integration.test_keeping import GARAGES, Keeping, status, until_gone
from tests.support.keeping import HOUR, kept_stream
from tests.support.views import MORNING, NAME, VIEWS, make_members
from vocab.terms import OPERATION

DURATIONS = ("fullLogDuration", "versionDuration", "versionDeleteDuration")
KNOWN = {"startingFrom", "versionAmount", *DURATIONS}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
START = MORNING + HOUR
POLICIES = (
    Retention(full_log=3 * HOUR),
    Retention(full_log=3 * HOUR, starting_from=START),
    Retention(full_log=HOUR, versions=2, version_for=timedelta(hours=2, minutes=30)),
    Retention(versions=1),
)
OBSERVED = "http://www.w3.org/ns/sosa/resultTime"
LABEL = ("http://schema.mobivoc.org/#operatedBy", "http://www.w3.org/2000/01/rdf-schema#label")
# A reader sees news within a second (HTTP-09).
NEWS = 1.1


# --- what policies say ----------------------------------------------------------------------------------------------


def policy_of(root: Read) -> dict[str, Literal] | None:
    """Read the policy of a root where a client looks for it: on the root and on its view's description (RET-02)."""
    facts, places = root.facts, [NamedNode(root.url)]
    places += [each for each in facts.objects(places[0], f"{TREE}viewDescription") if isinstance(each, NamedNode)]
    found = [each for place in places for each in facts.objects(place, f"{LDES}retentionPolicy")]
    assert len(found) <= 1
    if not found:
        return None
    (name,) = found
    assert isinstance(name, NamedNode)
    assert facts.objects(name, TYPE) == [NamedNode(f"{LDES}RetentionPolicy")]
    said = {predicate.removeprefix(LDES): value for predicate, value in facts.about(name) if predicate != TYPE}
    assert all(isinstance(value, Literal) for value in said.values())
    assert len(said) == len(facts.about(name)) - 1
    return {word: value for word, value in said.items() if isinstance(value, Literal)}


def duration(value: Literal) -> timedelta:
    """Read an xsd:duration of days and less."""
    found = _DURATION.fullmatch(value.value)
    assert found, value
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    assert any(each is not None for each in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


@pytest.fixture(scope="module")
def declared(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site with a stream for each policy, and one that keeps deletions for a while; views have their own."""
    policies = (*POLICIES, Retention(full_log=HOUR, deleted_for=timedelta(days=1, seconds=30)))
    streams = [
        replace(
            kept_stream(policy, by_hour=Retention(versions=3), by_operator=None),
            name=f"kept-{number}",
            operation_path=OPERATION if policy.deleted_for else "",
            views={name: VIEWS[name] for name in ("by-hour", "by-operator")},
        )
        for number, policy in enumerate(policies)
    ]
    with Site(database_of_site(postgres, "conformance_policies"), streams) as running:
        for stream in streams:
            running.declare(stream)
            running.run(lambda store, stream=stream: declare(stream, store, now=MORNING))  # type: ignore[misc]
        running.pause(NEWS)
        yield running


def roots(site: Site) -> Iterator[Read]:
    """Read all roots of all streams."""
    for name in site.streams:
        for view in ("log", "by-hour", "by-operator"):
            yield fetch(site, f"{site.base}/{name}/{view}", f"{site.base}/{name}")


def test_ret_02_a_policy_is_one_and_has_a_name(declared: Site) -> None:
    """RET-02, RET-03, RET-04, RET-05, RET-17: a root has one policy at most, with an IRI, described in place by properties."""
    found = {root.url.removeprefix(declared.base): policy_of(root) for root in roots(declared)}
    assert all(policy is None or (policy and policy.keys() <= KNOWN) for policy in found.values())
    assert {word: duration(value) for word, value in (found["/kept-0/log"] or {}).items()} == {
        "fullLogDuration": 3 * HOUR
    }
    assert [found[f"/kept-{number}/log"] is not None for number in range(5)] == [True] * 5
    assert {word for policy in found.values() for word in policy or ()} == KNOWN
    # What a view keeps is its own matter.
    assert set(found["/kept-0/by-hour"] or ()) == {"versionAmount"}
    assert found["/kept-0/by-operator"] is None


def test_ret_06_values_are_of_their_types(declared: Site) -> None:
    """RET-06, RET-07, RET-08, RET-09, RET-10: a time with a zone, durations, a number above zero, and the paths they need."""
    for root in roots(declared):
        policy = policy_of(root) or {}
        for word, value in policy.items():
            kind = "dateTime" if word == "startingFrom" else "integer" if word == "versionAmount" else "duration"
            assert value.datatype == NamedNode(XSD + kind)
            if kind == "dateTime":
                assert span(value.value).first == span(value.value).last
            elif kind == "integer":
                assert int(value.value) >= 1
            else:
                assert duration(value) >= timedelta(0)
        stream = NamedNode(root.url.rsplit("/", 1)[0])
        said = {
            word
            for word in ("timestampPath", "versionOfPath", "versionDeleteObject")
            if root.facts.objects(stream, LDES + word)
        }
        assert "versionDuration" not in policy or "versionAmount" in policy
        assert not any(word.startswith("version") for word in policy) or "versionOfPath" in said
        assert not any(word in policy for word in DURATIONS) or "timestampPath" in said
        assert "versionDeleteDuration" not in policy or "versionDeleteObject" in said


def test_ret_01_without_a_policy_everything_is_there(site: Site, library: Library) -> None:
    """RET-01: the root of a history without a policy leads to every member that was ever published."""
    assert CITY in site.streams
    for name in site.streams:
        tree = library.tree(name, "log")
        assert policy_of(tree.pages[tree.root]) is None
        assert len(tree.members) == site.run(lambda store, name=name: store.head(name)).count  # type: ignore[misc]


# --- what they keep -------------------------------------------------------------------------------------------------


def keeps(policy: Retention, now: datetime, count: int) -> set[int]:
    """Return which of the first members a policy keeps, by the specification's words (L 4.4), each judged by itself."""
    members = make_members(range(count), garages=GARAGES)
    kept = set()
    for member in members:
        newer = [
            other
            for other in members
            if other.entity == member.entity
            and (other.observed_at, other.sequence) > (member.observed_at, member.sequence)
        ]
        alone = (policy.full_log, policy.versions) == (None, None)
        full = policy.full_log is not None and member.published_at >= now - policy.full_log
        version = (
            policy.versions is not None
            and len(newer) < policy.versions
            and (policy.version_for is None or member.observed_at >= now - policy.version_for)
        )
        cut = policy.starting_from is not None and member.published_at < policy.starting_from
        if (full or version or (alone and policy.starting_from is not None)) and not cut:
            kept.add(member.sequence)
    return kept


def numbers(tree: Tree) -> set[int]:
    """Return the sequence numbers of the members of a view."""
    sequence = "https://w3id.org/smartflanders/ns#sequence"
    return {int(page.facts.one(member, sequence).value) for member, page in tree.members.items()}


def assert_true(tree: Tree) -> None:
    """Whether every relation is true, and its number of remaining items is that of the members behind it."""
    for _, link in tree.links():
        held = tree.held(link.target)
        assert set(link.remaining) == {len(held)}
        for member in held:
            for bound in link.bounds:
                values = tree.members[member].facts.along(member, bound.path)
                assert any(satisfies(value, bound) for value in values)


def assert_pruned_soundly(kept: Keeping, tree: Tree, chance: Random) -> None:
    """Whether a reader who leaves out pages of this very moment finds what one who reads all of them finds."""
    for _ in range(8):
        times = [MORNING + timedelta(minutes=chance.randrange(-60, 420)) for _ in range(2)]
        low, high = (Literal(format_time(each), datatype=NamedNode(f"{XSD}dateTime")) for each in sorted(times))
        garage = NamedNode(f"{kept.base}/{NAME}/entities/{chance.randrange(GARAGES)}")
        asked: list[Question] = [
            (Between(path=(chance.choice([GENERATED_AT, OBSERVED]),), low=low, high=high),),
            (Starting(path=LABEL, prefix=chance.choice(["I", "Indigo", "Mob", "X"])),),
            (Between(path=(VERSION_OF,), low=garage, high=garage), Between(path=(OBSERVED,), low=low, high=high)),
        ]
        for question in asked:
            view, page = tree.root.rsplit("/", 1)[1], lambda url, _: tree.pages[url]
            pruned = walk(kept, NAME, view, page=page, follow=lambda link, asked=question: follows(asked, link))  # type: ignore[misc]
            found = [
                {member for member, page in each.members.items() if answers(question, member, page)}
                for each in (pruned, tree)
            ]
            assert found[0] == found[1]


@pytest.fixture
def kept(database_url: str, request: pytest.FixtureRequest) -> Iterator[Keeping]:
    """Run a site whose history and two views have one policy."""
    stream = replace(kept_stream(request.param), views={name: VIEWS[name] for name in ("by-hour", "by-operator")})
    with Keeping(database_url, stream) as running:
        running.declare(stream)
        yield running


@pytest.mark.parametrize("kept", POLICIES, indirect=True, ids=["window", "start", "versions", "newest"])
def test_ret_11_what_is_promised_is_there(kept: Keeping) -> None:
    """RET-11, RET-12, RET-13, RET-14, RET-15, RET-18, RET-19, RET-21: hour by hour what is kept is there and the rest leaves."""
    policy = kept.stream.retention
    assert policy is not None
    final: dict[str, bytes] = {}
    sizes, chance = [], Random(11)
    for hour in range(1, 7):
        kept.publish(30)
        kept.pass_time(HOUR)
        kept.expire_views()
        kept.pause(NEWS)
        assert kept.clock() == MORNING + hour * HOUR
        for view in ("log", "by-hour", "by-operator"):
            tree = walk(kept, NAME, view)
            found = numbers(tree)
            # Clocks differ, so a little more is there than the policy says.
            assert keeps(policy, kept.clock() - BUFFER, 30 * hour) <= found
            assert_true(tree)
            assert_pruned_soundly(kept, tree, chance)
            for page in tree.pages.values():
                assert final.setdefault(page.url, page.answer.body) == page.answer.body
                if not page.final:
                    del final[page.url]
            sizes.append(len(found))
    # The rest does leave: pages of the history as a whole, those of views when it is worth building them anew.
    assert min(sizes[-3:]) < 30 * 6
    left = {url for url in final if status(url) in (308, 410)}
    assert left
    assert all(
        fetch(kept, url, f"{kept.base}/{NAME}").answer.body == body for url, body in final.items() if url not in left
    )


def led(site: Site, url: str) -> Iterator[Answer]:
    """Follow the redirects of an address by hand: five at most, all of them permanent."""
    for _ in range(6):
        answer = site.get(url, LINES)
        yield answer
        if answer.status != 308:
            assert answer.status in (200, 410)
            return
        url = answer.headers["location"]
    raise AssertionError(f"no end of redirects at {url}")


@pytest.mark.parametrize("kept", [POLICIES[0], POLICIES[3]], indirect=True, ids=["window", "newest"])
def test_http_16_pages_that_were_merged_lead_on(kept: Keeping) -> None:
    """HTTP-14, HTTP-16: an old page leads to one with all that is kept of it, in every form, and is gone when nothing is."""
    assert kept.stream.retention is not None
    held: dict[str, set[NamedNode]] = {}
    views = ("log", "by-hour", "by-operator")
    for _ in range(5):
        kept.publish(30)
        kept.pause(NEWS)
        for view in views:
            tree = walk(kept, NAME, view)
            held |= {url: tree.held(url) for url in tree.pages}
        kept.pass_time(HOUR)
        kept.expire_views()
    kept.pause(NEWS)
    statuses: dict[str, set[int]] = {view: set() for view in views}
    for view in views:
        tree = walk(kept, NAME, view)
        for url in sorted(url for url in held.keys() - tree.pages.keys() if url.startswith(f"{tree.root}/")):
            answers = [*led(kept, url)]
            end = answers[-1]
            statuses[view].add(answers[0].status)
            if len(answers) == 1 and end.status == 200:
                continue  # nothing links it any more, and it answers for a grace period
            rest = held[url] & tree.members.keys()
            assert rest <= tree.held(end.url) if end.status == 200 else not rest
            for form in ("text/csv", "application/ld+json"):
                assert kept.get(url, form).status == answers[0].status
    # Of the history whole pages leave, unless some of their members are kept for their version.
    assert (308 if kept.stream.retention.by_version else 410) in statuses["log"]
    assert all(308 in statuses[view] for view in views[1:])


@pytest.mark.parametrize("kept", POLICIES[:1], indirect=True, ids=["window"])
def test_http_15_pages_are_unlinked_long_before_they_go(kept: Keeping) -> None:
    """HTTP-14, HTTP-15: a page that is linked no more answers as before for the grace period, and only then 410, for ever."""
    kept.publish(120)
    leaf = f"{kept.root()}/0/0"
    body = fetch(kept, leaf, f"{kept.base}/{NAME}").answer.body
    kept.clock.now = MORNING + 5 * HOUR
    kept.pass_time(timedelta(0))
    kept.pause(NEWS)
    assert leaf not in walk(kept, NAME, "log").pages
    for minutes in (0, 30, 29):
        kept.pass_time(timedelta(minutes=minutes))
        assert fetch(kept, leaf, f"{kept.base}/{NAME}").answer.body == body
    for _ in range(2):
        kept.pass_time(HOUR)
        kept.expire_views()
    until_gone(leaf)
    assert status(leaf, "text/turtle") == 410
    assert status(f"{kept.root()}/0/999") == 404


@pytest.mark.parametrize("kept", POLICIES[:1], indirect=True, ids=["window"])
def test_ret_20_a_shorter_policy_is_said_first(kept: Keeping) -> None:
    """RET-20: when a window shrinks its root says so at once, and drops nothing for it before the grace period is over."""
    kept.publish(120)
    kept.clock.now = MORNING + 4 * HOUR
    kept.declare(replace(kept.stream, retention=Retention(full_log=HOUR)))
    kept.pause(NEWS)
    root = walk(kept, NAME, "log")
    said = policy_of(root.pages[root.root])
    assert said is not None
    assert duration(said["fullLogDuration"]) == HOUR
    kept.pass_time(timedelta(minutes=50))
    kept.pause(NEWS)
    assert keeps(POLICIES[0], MORNING + 4 * HOUR, 120) <= numbers(walk(kept, NAME, "log"))
    for _ in range(3):
        kept.pass_time(HOUR)
        kept.expire_views()
    kept.pause(NEWS)
    assert len(numbers(walk(kept, NAME, "log"))) < len(keeps(POLICIES[0], MORNING + 4 * HOUR, 120))
