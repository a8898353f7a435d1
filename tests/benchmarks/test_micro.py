"""One call of each step, timed by pytest-benchmark: tables where the number in brackets is the multiple of the quickest.

The first of each table is the least that the step must do, done without us. `make bench` loads the plugin, which is blocked
everywhere else (pyproject.toml); without it, and shared among workers, each step runs once and its result is checked.
Models are those that are found: a new one joins by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, get_args

import orjson
import pyoxigraph
import pytest

from ingest.mapping import compile_mapping
from ldes_server.definition import ByPrefix, ByProperty, ByTile, ByTime, Nested, Plain, definition_text
from ldes_server.fragmentations import compile_view
from ldes_server.fragmentations.kept import KeptFragmentation
from ldes_server.hypermedia import describe
from ldes_server.lane import Lane, Wish
from ldes_server.model import Fragmentation, Page, PageId, Published
from ldes_server.negotiate import PAGE_TYPES, Form, PlainForm, accepts_gzip, choose
from ldes_server.placing import ROOT_KEY, Held, Placement, settle, touch
from ldes_server.plain import render_plain
from ldes_server.render import render_page
from ldes_server.responses import ReadyCache
from tests.conformance.kit import make_members, make_stream
from tests.support.whole_source import whole_item, whole_source
from vocab.check import validate
from vocab.model import Model, load_model, model_names

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

# Processor time, which a neighbour bends least; a round is long beside the clock's own cost.
pytestmark = pytest.mark.benchmark(timer=time.process_time, min_time=0.001, min_rounds=7, max_time=0.2, disable_gc=True)
every_model = pytest.mark.parametrize("name", model_names())

BASE = "https://data.example.org"
AT = datetime(2026, 11, 1, 9, 2, tzinfo=UTC)
MEMBERS = 250
PROFILED = 'application/n-quads;profile="https://w3id.org/tree/profile"'
T = TypeVar("T")

_HOURS = ByTime(name="observed_at", levels=("year", "month", "day", "hour"))
VIEWS: Mapping[str, Plain | Nested] = {
    "by_time, hours": _HOURS,
    "by_tile, three zooms": ByTile(name="point", zooms=(8, 11, 14)),
    "by_property": ByProperty(name="entity"),
    "by_prefix, two characters": ByPrefix(name="name", length=2),
    "by_property then by_time": Nested(outer=ByProperty(name="entity"), inner=_HOURS),
}
# What the history keeps of older members; it has no definition of its own.
KEPT = "kept of the history"
# Who asks → Accept, Accept-Encoding, and what it must get: a media type, and whether compressed.
CLIENTS: Mapping[str, tuple[str, str, str, bool]] = {
    "curl": ("*/*", "", "application/ld+json", False),
    "a script": ("application/json", "gzip, deflate, br, zstd", "application/ld+json", True),
    "an LDES client": (
        f"{PROFILED}, application/trig;q=0.95, application/ld+json;q=0.9, text/turtle;q=0.6, text/n3;q=0.35, */*;q=0.1",
        "gzip;q=1.0, deflate;q=0.6, identity;q=0.3",
        PROFILED,
        True,
    ),
    "a spreadsheet": ("text/csv, text/plain;q=0.5, */*;q=0.1", "identity, *;q=0", "text/csv", False),
}
FORMS: Mapping[str, Form | PlainForm] = {form.value: form for form in (*Form, *PlainForm)}


class Timed(Protocol):
    """Calls something, times it for the line `name` of the table `group`, and returns what it returned."""

    def __call__(self, group: str, name: str, work: Callable[[], T]) -> T:
        """Call it."""
        ...


@pytest.fixture
def timed(request: pytest.FixtureRequest) -> Timed:
    """Return what times calls where the plugin is loaded, and calls once where it is not."""
    if not request.config.pluginmanager.hasplugin("benchmark"):
        return lambda _group, _name, work: work()
    fixture: BenchmarkFixture = request.getfixturevalue("benchmark")

    def run(group: str, name: str, work: Callable[[], T]) -> T:
        fixture.group, fixture.name = group, name
        work()  # what is learned or compiled once is not what is timed, and would mislead the calibration
        result: T = fixture(work)
        return result

    return run


def example(model: Model) -> bytes:
    """Return a model's own example as a member's body is."""
    return orjson.dumps({key: value for key, value in orjson.loads(model.example).items() if key != "@context"})


@every_model
@pytest.mark.parametrize("step", ["orjson.dumps", "read and checked", "to a member"])
def test_mapping(name: str, step: str, timed: Timed, tmp_path: Path) -> None:
    """An item that has all names of its model becomes a member that conforms to its shape, at the cost printed."""
    model, group = load_model(name), f"{name}: an item with every name"
    mapper, item = compile_mapping(whole_source(tmp_path, model), model, base_url=BASE), whole_item(model)
    facts = mapper.facts(item, {}, {}, AT)
    body = mapper.member(facts, received=AT).body
    assert validate(model, [body]) == []
    finished = orjson.loads(body)
    if step == "orjson.dumps":
        assert orjson.loads(timed(group, step, lambda: orjson.dumps(finished))) == finished
    elif step == "read and checked":
        assert timed(group, step, lambda: mapper.facts(item, {}, {}, AT)) == facts
    else:
        made = timed(group, step, lambda: mapper.member(mapper.facts(item, {}, {}, AT), received=AT))
        assert made.body == body


@every_model
@pytest.mark.parametrize("step", ["orjson.loads", "N-Triples", "Turtle"])
def test_rdf(name: str, step: str, timed: Timed) -> None:
    """A member becomes RDF that another library reads as the same number of statements, at the cost printed."""
    model, group = load_model(name), f"{name}: JSON-LD to RDF"
    body = example(model)
    lines = model.writer.ntriples(body, scope="m")
    if step == "orjson.loads":
        assert orjson.dumps(timed(group, step, lambda: orjson.loads(body))) == body
    elif step == "N-Triples":
        assert timed(group, step, lambda: model.writer.ntriples(body, scope="m")) == lines
        assert len(list(pyoxigraph.parse(lines, pyoxigraph.RdfFormat.N_TRIPLES))) == lines.count(b"\n")
    else:
        prefixes = describe(make_stream("micro", model), BASE).prefixes
        text = prefixes + timed(group, step, lambda: model.writer.turtle(body))
        assert len(list(pyoxigraph.parse(text, pyoxigraph.RdfFormat.TURTLE))) == lines.count(b"\n")


@pytest.mark.parametrize("view", ["orjson.loads", *VIEWS, KEPT])
def test_placement(view: str, timed: Timed) -> None:
    """One member is placed once in a view of each kind there is, as in a batch of its own, at the cost printed."""
    assert {type(each) for each in VIEWS.values()} == {*get_args(Plain), Nested}
    model, group = load_model("parking"), "a member's place in a view"
    text = example(model)
    member = Published(sequence=0, published_at=AT, id="m", entity="e", observed_at=AT, point=None, body=text)
    body = orjson.loads(text)
    if view == "orjson.loads":
        assert timed(group, view, lambda: orjson.loads(text)) == body
        return
    used: Fragmentation = KeptFragmentation() if view == KEPT else compile_view(definition_text(VIEWS[view]), model)

    def place() -> Placement:
        return settle(touch(used, [(member, body)]), {ROOT_KEY: Held(0, 0, 0)}, 1)

    placement = timed(group, view, place)
    assert [list(run.sequences) for run in placement.runs] == [[0]]


@every_model
@pytest.mark.parametrize("form", ["bare join", *FORMS])
def test_rendering(name: str, form: str, timed: Timed) -> None:
    """A page of 250 members has all of them in each form, at the cost printed."""
    stream, group = make_stream("micro", load_model(name), page_size=MEMBERS), f"{name}: a page of {MEMBERS} members"
    frame = describe(stream, BASE)
    members = make_members(stream, range(MEMBERS), BASE)
    page = Page(id=PageId(level=0, index=0), final=True, version=0, members=members)
    wanted = FORMS.get(form)
    if wanted is None:
        body = timed(group, form, lambda: b",\n".join([member.body for member in members]))
    elif isinstance(wanted, Form):
        body = timed(group, form, partial(render_page, page, wanted, frame=frame))
    else:
        body = timed(group, form, partial(render_plain, members, wanted, frame=frame))
    assert all(member.id.encode() in body for member in members)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("step", ["bare split", "parsed", "remembered"])
def test_negotiation(client: str, step: str, timed: Timed) -> None:
    """The headers of a client are weighed as each request's are, to what it prefers, at the cost printed."""
    accept, coding, media, gzip = CLIENTS[client]
    group = f"what {client} accepts"
    # What the fast lane is given: pairs of bytes, and what is not sent is not there.
    headers = [(b"host", b"127.0.0.1"), (b"accept", accept.encode())]
    headers += [(b"accept-encoding", coding.encode())] if coding else []
    if step == "bare split":
        assert timed(group, step, lambda: (accept.split(","), coding.split(",")))[0][0] in accept
    elif step == "parsed":
        found = timed(group, step, lambda: (choose(accept, PAGE_TYPES), accepts_gzip(coding or None)))
        assert found == (media, gzip)
    else:
        lane = Lane(ReadyCache(1))
        assert timed(group, step, lambda: lane.weigh(headers)) == Wish(media, gzip, "")
