"""Retention: the rule of the specification, how policies are written down, declared and described, and what shrinks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rdflib import URIRef

from ldes_server.declaration import SUFFIX, load_declaration
from ldes_server.declaration_schema import stream_schema
from ldes_server.hypermedia import describe
from ldes_server.log_view import ROOT
from ldes_server.model import Page, PageId
from ldes_server.negotiate import Form
from ldes_server.render import render_page
from ldes_server.retention import Retention, Version, read_retention, retention_text, xsd_duration
from ldes_server.shrinking import Edges, Holding, Policy, is_due, leaf_edge
from smartflanders.pilots import load_plan
from streams.errors import ConfigError
from tests.conformance.kit import parse, two_streams
from vocab.model import load_model, model_names

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LDES = "https://w3id.org/ldes#"
BASE = "https://data.example.org"
MODELS = {"s": load_model("parking"), "t": load_model("traffic")}
SCHEMA = stream_schema([load_model(name) for name in model_names()])

hours = st.integers(0, 50).map(lambda count: timedelta(hours=count))
times = hours.map(lambda ago: NOON - ago)
policies = st.builds(
    Retention,
    full_log=st.none() | hours,
    starting_from=st.none() | times,
    versions=st.none() | st.integers(1, 3),
    version_for=st.none() | hours,
    deleted_for=st.none() | hours,
).filter(lambda policy: not policy.is_empty and (policy.version_for is None or policy.versions is not None))
members = st.builds(Version, published_at=times, observed_at=times, rank=st.integers(1, 5), deleted=st.booleans())


def keeps(policy: Retention, member: Version) -> bool:
    """Decide by taking away: what each sentence of section 4.4 does to a member, one after the other."""
    reasons = set()
    if policy.full_log is not None and NOON - member.published_at <= policy.full_log:
        reasons.add("within the log's duration")
    if member.deleted and policy.deleted_for is not None:
        if NOON - member.observed_at <= policy.deleted_for:
            reasons.add("a deletion not too old")
    elif policy.versions is not None and member.rank in range(1, policy.versions + 1):
        reasons.add("among the newest versions")
        if policy.version_for is not None and NOON - member.observed_at > policy.version_for:
            reasons.discard("among the newest versions")
    says_more = {policy.full_log, policy.versions, policy.deleted_for} != {None}
    if not says_more:
        reasons.add("only a start is given")
    return bool(reasons) and not (policy.starting_from and member.published_at < policy.starting_from)


@given(policies, members)
def test_the_rule_is_the_specification(policy: Retention, member: Version) -> None:
    """A policy keeps what the specification's sentences, read one by one, leave (RET-11 to RET-14)."""
    assert policy.keeps(member, now=NOON) is keeps(policy, member)


@given(policies, members, times)
def test_a_start_only_cuts(policy: Retention, member: Version, start: datetime) -> None:
    """With a start a policy keeps what it kept without one and what was published since, and nothing else (RET-12)."""
    without = replace(policy, starting_from=None)
    kept = True if without.is_empty else without.keeps(member, now=NOON)
    assert replace(policy, starting_from=start).keeps(member, now=NOON) is (kept and member.published_at >= start)


@given(policies, members)
def test_the_window_is_kept_whole(policy: Retention, member: Version) -> None:
    """Everything published in the window is kept; outside it only versions are, and later ones come never back."""
    window = policy.window(now=NOON)
    if window is not None and member.published_at >= window:
        assert policy.keeps(member, now=NOON)
    elif not policy.by_version:
        assert not policy.keeps(member, now=NOON)


@given(policies, members, hours)
def test_who_removes_late_removes_nothing_promised(policy: Retention, member: Version, late: timedelta) -> None:
    """What is kept now was kept at every moment before, so deciding with an earlier moment removes less (RET-15)."""
    if policy.keeps(member, now=NOON):
        assert policy.keeps(member, now=NOON - late)


@given(policies)
def test_policies_are_read_as_written(policy: Retention) -> None:
    """The text of a policy gives the policy back, and that of none is told from all others."""
    assert read_retention(retention_text(policy)) == policy
    assert read_retention(retention_text(None)) is None


@pytest.mark.parametrize("text", ["", "[]", "3", '{"full_log":"x"}', '{"other":1}', '{"starting_from":"noon"}'])
def test_what_is_no_policy_is_refused(text: str) -> None:
    """Anything else is an error that shows the text."""
    with pytest.raises(ValueError, match="is no policy"):
        read_retention(text)


@pytest.mark.parametrize(
    ("duration", "written"),
    [
        (timedelta(days=30), "P30D"),
        (timedelta(hours=1), "PT3600S"),
        (timedelta(days=1, minutes=1), "P1DT60S"),
        (timedelta(0), "PT0S"),
    ],
)
def test_durations_as_xsd(duration: timedelta, written: str) -> None:
    """Durations are written in days and seconds, which no calendar stretches (RET-07)."""
    assert xsd_duration(duration) == written


EVERY = Retention(
    full_log=timedelta(days=30),
    starting_from=NOON,
    versions=2,
    version_for=timedelta(hours=36),
    deleted_for=timedelta(days=90),
)


def root(policy: Retention | None, form: Form, *, view: str = "log") -> bytes:
    """Render the root of a view that keeps this."""
    stream = two_streams()[0]
    frame = describe(stream, BASE, ("log", "by-hour"), policies={view: policy} if policy else {})
    return render_page(Page(id=PageId(view=view), final=False, version=0), form, frame=frame)


@pytest.mark.parametrize("view", ["log", "by-hour"])
def test_a_policy_is_described_on_its_root(view: str) -> None:
    """A root has one policy, named, with the properties it declares and no others, the same in every form (RET-02 to 08)."""
    address = f"{BASE}/gent-parking/{view}"
    graphs = [
        parse(root(EVERY, Form.JSONLD, view=view), "application/ld+json", address),
        parse(root(EVERY, Form.TURTLE, view=view), "text/turtle", address),
        parse(root(EVERY, Form.NTRIPLES, view=view), "application/n-triples", address),
    ]
    for graph in graphs:
        said = {
            (str(p), str(o), str(getattr(o, "datatype", ""))) for s, p, o in graph if str(s) == f"{address}#retention"
        }
        xsd = "http://www.w3.org/2001/XMLSchema#"
        assert said == {
            ("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", f"{LDES}RetentionPolicy", ""),
            (f"{LDES}fullLogDuration", "P30D", f"{xsd}duration"),
            (f"{LDES}startingFrom", "2026-11-23T12:00:00.000Z", f"{xsd}dateTime"),
            (f"{LDES}versionAmount", "2", f"{xsd}integer"),
            (f"{LDES}versionDuration", "P1DT43200S", f"{xsd}duration"),
            (f"{LDES}versionDeleteDuration", "P90D", f"{xsd}duration"),
        }
        linked = [(str(s), str(o)) for s, p, o in graph if str(p) == f"{LDES}retentionPolicy"]
        assert linked == [(address, f"{address}#retention")]


def test_who_keeps_everything_says_nothing() -> None:
    """A view without a policy has none on its root (RET-01), whatever others have."""
    for form, media in ((Form.JSONLD, "application/ld+json"), (Form.TURTLE, "text/turtle")):
        frame = describe(two_streams()[0], BASE, ("log",), policies={"by-hour": EVERY})
        page = render_page(Page(id=ROOT, final=False, version=0), form, frame=frame)
        for body in (root(None, form), page):
            graph = parse(body, media, f"{BASE}/gent-parking/log")
            assert (None, URIRef(f"{LDES}retentionPolicy"), None) not in graph


def load(tmp_path: Path, text: str) -> Any:
    """Load a stream file."""
    path = tmp_path / f"s{SUFFIX}"
    path.write_text(text, "utf-8")
    return load_declaration(path, MODELS)


def test_a_stream_file_declares_policies(tmp_path: Path) -> None:
    """The stream has a policy, views inherit it or have their own, `all` is none; editors accept the same file."""
    text = """stream: s
retention: { full_log: 30d, versions: 1, version_for: 1h30m, deleted_for: 90d, starting_from: 2026-11-23T13:00:00+01:00 }
views:
  by-hour: { by_time: observed_at, levels: [day], retention: { full_log: 1d } }
  by-tile: { by_tile: point, zooms: [8], retention: all }
  by-name: { by_prefix: name, length: 2 }
"""
    declared = load(tmp_path, text)
    document = yaml.safe_load(text)
    document["retention"]["starting_from"] = document["retention"]["starting_from"].isoformat()
    jsonschema.validate(document, SCHEMA)
    stream = Retention(
        full_log=timedelta(days=30),
        starting_from=NOON,
        versions=1,
        version_for=timedelta(minutes=90),
        deleted_for=timedelta(days=90),
    )
    assert declared.retention == stream
    assert declared.view_retention == {"by-hour": Retention(full_log=timedelta(days=1)), "by-tile": None}
    whole = replace(two_streams()[0], views=declared.views, retention=stream, view_retention=declared.view_retention)
    day = Retention(full_log=timedelta(days=1))
    assert whole.policies == {"log": stream, "by-hour": day, "by-tile": None, "by-name": stream}


def test_all_faults_of_policies_come_at_once(tmp_path: Path) -> None:
    """Each fault is named with its line and what to write instead (RET-06 to RET-10)."""
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            """stream: s
retention:
  full_log: 0s
  starting_from: 2026-11-23T13:00:00
  versions: 0
  keep: 3
views:
  a: { by_property: operator, retention: { version_for: 1h } }
  b: { by_property: operator, retention: {} }
  c: { by_property: operator, retention: 30d }
  d: { by_property: operator, retention: { deleted_for: soon, starting_from: yesterday } }
""",
        )
    said = str(caught.value)
    for line in (
        ":3: '0s' is no duration",
        ":4: '2026-11-23T13:00:00' has no time zone",
        ":5: versions '0' is not right",
        ":6: unknown key 'keep' in retention of the stream",
        ":8: version_for says nothing without versions",
        ":9: retention of view b says nothing, which keeps nothing",
        ":10: retention of view c must be a mapping, not '30d'",
        ":11: 'soon' is no duration",
        ":11: 'yesterday' is no time",
    ):
        assert line in said
    assert said.count("fix:") == 9


def test_versions_need_entities(tmp_path: Path) -> None:
    """Members that are no versions of anything cannot be kept by version (RET-10)."""
    with pytest.raises(ConfigError, match="versions does not fit"):
        load(tmp_path, "stream: t\nretention: { versions: 1 }\n")
    assert load(tmp_path, "stream: t\nretention: { full_log: 1d }\n").retention is not None


def edges(count: int, first: int = 0) -> Edges:
    """Make the edges of a stream of pages of ten."""
    return Edges(
        id=1, count=count, first=first, gone=first, dropped=0, page_size=10, fan=4, published_at=NOON, unlinked_at=None
    )


def test_the_history_begins_with_a_whole_leaf() -> None:
    """What may leave is rounded down to the leaf before."""
    assert [leaf_edge(each, edges(100)) for each in (0, 9, 10, 57, 100)] == [0, 0, 10, 50, 100]


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 200), st.integers(0, 200))
def test_building_anew_is_worth_it(count: int, dense: int, outside: int, survivors: int, versions: int) -> None:
    """A view is built anew only when a third of it and a page at least can be left out, so that it ends."""
    dense, outside = sorted((min(dense, count), min(outside, count)))
    holding = Holding(view="v", dense=dense, survivors=survivors)
    held, needed = survivors + count - dense, max(versions, survivors if versions else 0) + count - outside
    due = is_due(holding, edges(count), outside=outside, versions=versions)
    assert due is (held - needed >= max(10, held // 3))
    again = Holding(view="v", dense=outside, survivors=min(versions, survivors + outside - dense))
    assert not is_due(again, edges(count), outside=outside, versions=versions)


def test_a_policy_is_published_with_what_was_dropped_before() -> None:
    """After another policy dropped something, the root says from when on the promise holds."""
    month = Retention(full_log=timedelta(days=30))
    assert Policy(kept=month, since=NOON, starts_at=None).published == month
    assert Policy(kept=month, since=NOON, starts_at=NOON).published == replace(month, starting_from=NOON)
    assert Policy(kept=None, since=NOON, starts_at=NOON).published == Retention(starting_from=NOON)
    assert Policy(kept=None, since=NOON, starts_at=None).published is None
    later = replace(month, starting_from=NOON + timedelta(hours=1))
    assert Policy(kept=later, since=NOON, starts_at=NOON).published == later
    assert json.loads(retention_text(month)) == {"full_log": 30 * 86400}


def test_deletions_must_be_said(tmp_path: Path) -> None:
    """A time for deletions in a stream whose members never say one is a fault of the pilot (RET-10)."""
    halle = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-source.md").read_text("utf-8")
    source = halle.partition("source=")[2].partition("\n")[2].partition("```")[0]
    (tmp_path / "parkings.yaml").write_text(source, "utf-8")
    file = tmp_path / f"halle-parking{SUFFIX}"
    file.write_text("stream: halle-parking\nretention: { versions: 1, deleted_for: 90d }\n", "utf-8")
    with pytest.raises(ConfigError, match="deleted_for does not fit halle-parking/log"):
        load_plan([tmp_path])
    file.write_text(f"{file.read_text('utf-8')}versions: {{ operations: true }}\n", "utf-8")
    (stream,) = load_plan([tmp_path]).streams
    assert stream.retention == Retention(versions=1, deleted_for=timedelta(days=90))
