"""What readers and senders of a feed get wrong: a defined answer to each, and nothing stored for any of it.

The table in docs/reference/http.md has a row for each of these lines of issue 4, with its test.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from rdflib import BNode, URIRef

from ldes_server.definition import ByPrefix
from ldes_server.postgres_store import PostgresStore
from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import FORMATS, PLAIN, Answer, Site
from tests.support.crawl import crawl
from tests.support.open_site import STREAM, TURTLE, OpenSite, lines, member, results
from tests.support.site_of_views import Views
from tests.support.views import NAME, VIEWS, make_stream

PROBLEM = "application/problem+json"
# All that the platform keeps of a feed and of what is sent to it.
STORED = ("ldes.members", "ldes.latest", "ldes.kept_pages", "ldes.places", "ldes.buckets", "log.packs")
STATEMENTS = "http://purl.org/dc/terms/description"


@pytest.fixture
def door(database_url: str, tmp_path: Path) -> Iterator[OpenSite]:
    """Run a site that takes members of one stream, the test's own."""
    with OpenSite(database_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shut(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSite]:
    """Run a site for all documents that nothing is taken of."""
    url = database_of_site(postgres, "bad_feed_documents")
    with OpenSite(url, tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres) -> Iterator[Views]:
    """Run a site with 60 members in every view, one of which goes by a name that no member has."""
    views = {**VIEWS, "by-nothing": ByPrefix(name="name", length=2)}
    with Views(database_of_site(postgres, "bad_feed_input"), make_stream(views)) as running:
        running.declare(running.stream)
        running.publish(60)
        running.pause(1.1)
        yield running


def stored(site: Site) -> dict[str, int]:
    """Count the rows of everything that is stored."""

    async def work(store: PostgresStore) -> dict[str, int]:
        async with store.database.connection("count") as connection:
            return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in STORED}

    return site.run(work)


@contextmanager
def nothing_stored(site: Site) -> Iterator[None]:
    """Make sure that what happens inside stores nothing."""
    before = stored(site)
    yield
    assert stored(site) == before


def refused(answer: Answer, status: int) -> dict[str, object]:
    """Return the problem that an answer tells: what happened, and how to mend it."""
    assert (answer.status, answer.media) == (status, PROBLEM), answer
    problem: dict[str, object] = json.loads(answer.body)
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["fix"]
    return problem


def paths(site: Views) -> list[str]:
    """Return the paths of one page of each kind."""
    bucket = next(page.url for page in crawl(site.root("by-hour")) if page.url.count("/") == 6)
    return [
        f"/{NAME}/log",
        f"/{NAME}/log/0/0",
        f"/{NAME}/log/0/14",
        f"/{NAME}/by-hour",
        bucket.removeprefix(site.base),
        next(page.url for page in crawl(bucket) if "member" in page.document).removeprefix(site.base),
    ]


# --- readers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/pdf", "image/*", "text/html;level=1, text/turtle;q=0", "x"])
def test_an_unknown_accept_is_told_what_there_is(site: Views, accept: str) -> None:
    """406 with the list of media types, on every kind of address, in the answer and for programs in `near`."""
    asked = [*paths(site), f"/{NAME}/latest"]
    with nothing_stored(site):
        for path in asked:
            problem = refused(site.get(path, accept), 406)
            assert set(problem["near"]) == {*FORMATS, *PLAIN}  # type: ignore[call-overload]
            assert all(media in str(problem["detail"]) for media in (*FORMATS, *PLAIN))
        for path in (f"/{NAME}/members/1", f"/{NAME}/by-hour?at=2026-11-23T06:00:00Z"):
            assert set(refused(site.get(path, accept), 406)["near"]) == set(FORMATS)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("query", "parameter", "form"),
    [
        ("log?format=xml", "format=xml", "ndjson, geojson, csv"),
        ("log?page=2", "'page'", "ndjson, geojson, csv"),
        ("log/0/0?format=", "format=", "ndjson, geojson, csv"),
        ("by-hour?at=yesterday", "at=yesterday", "RFC 3339"),
        ("by-hour?since=1", "'since'", "RFC 3339"),
        ("by-tile?z=8&x=-1&y=0", "x=-1", "whole number"),
        ("by-operator/1/none/0/0?within=Indigo&format=csv", "within=Indigo", "the key of"),
        ("by-operator/1/none?within=none&format=csv", "'within'", "ndjson, geojson, csv"),
        ("latest?bbox=1,2,3", "bbox=1,2,3", "west,south,east,north"),
        ("latest?since=2026-11-23", "since=2026-11-23", "RFC 3339"),
        ("live?since=-1", "since=-1", "sequence number"),
    ],
)
def test_a_wrong_value_is_named_with_its_form(site: Views, query: str, parameter: str, form: str) -> None:
    """400 that names the parameter and says the form of its values."""
    with nothing_stored(site):
        problem = refused(site.get(f"/{NAME}/{query}"), 400)
    assert parameter in str(problem["detail"])
    assert form in str(problem["fix"])


@pytest.mark.parametrize(
    "path",
    [
        *("", "/log", "/log/0/0", "/latest", "/live", "/digests", "/members/1", "/entities/1"),
        *("/by-hour", "/by-hour/1/x", "/by-hour/1/x/0/0", "/by-hour/1/x/group/1/0", "/log?format=csv"),
    ],
)
def test_an_unknown_stream_names_the_nearest(site: Views, path: str) -> None:
    """404 on every address of a stream that is not there, with the names that come near, or where they are listed."""
    with nothing_stored(site):
        problem = refused(site.get(f"/parkings{path}"), 404)
        assert problem["near"] == [f"/{NAME}"]
        assert str(problem["fix"]) == f"did you mean /{NAME}?"
        assert "listed at /" in str(refused(site.get(f"/zzzz{path}"), 404)["fix"])


@pytest.mark.parametrize(
    ("odd", "canonical"),
    [
        ("latest?since=2026-11-23T06:00:00Z&bbox=3,50,4,52", "latest?bbox=3%2C50%2C4%2C52&since=2026-11-23T06:00:00Z"),
        ("by-tile?y=85&x=130&z=8", "by-tile?z=8&x=130&y=85"),
        ("by-hour?at=2026-11-23T06:00:00Z&at=2026-11-23T06:00:00Z", "by-hour?at=2026-11-23T06:00:00Z"),
        ("log?format=csv&format=csv", "log?format=csv"),
        ("by-operator/1/none/0/0?format=csv&within=none", "by-operator/1/none/0/0?within=none&format=csv"),
    ],
)
def test_another_order_leads_to_the_canonical_one(site: Views, odd: str, canonical: str) -> None:
    """308 to the one spelling, which is answered without another redirect of that kind."""
    with nothing_stored(site):
        answer = site.get(f"/{NAME}/{odd}")
    assert (answer.status, answer.headers["location"]) == (308, f"{site.base}/{NAME}/{canonical}")
    assert site.get(f"/{NAME}/{canonical}").status in (200, 303)


@pytest.mark.parametrize(
    "page",
    [
        *("log/0/15", "log/0/16", "log/1/8", "log/9/0", "log/0/999999999999999", "log/0/-1", "log/0/01", "log/64/0"),
        *("by-operator/1/none/0/99", "by-operator/1/none/1/99", "by-operator/2/none", "by-operator/1/Nobody"),
        *("by-operator/1/none/group/1/0", "by-operator/1/~/group/1/0", "by-operator/1/none/0/999999999999999"),
    ],
)
def test_pages_beyond_the_tail_are_not_there_yet(site: Views, page: str) -> None:
    """404, kept for a moment only, since it may be there soon; the answer says where all pages are linked."""
    with nothing_stored(site):
        for query in ("", "?format=ndjson"):
            if (page, query) == ("log/0/15", "?format=ndjson"):
                # The page behind the last full one is there before its first member is: it may be named already.
                assert site.get(f"/{NAME}/{page}{query}").status == 200
                continue
            answer = site.get(f"/{NAME}/{page}{query}")
            problem = refused(answer, 404)
            assert answer.headers["cache-control"] == "public, max-age=2"
            assert f"/{NAME}/" in str(problem["fix"])
        # A place that nothing has yet is no error: it will be reached from the root.
        assert site.get(f"/{NAME}?since=99999").headers["location"] == f"{site.base}/{NAME}/log"


def test_a_view_whose_path_no_member_has_is_one_bucket(site: Views) -> None:
    """Every member is in `none`, behind a relation that promises nothing; all forms and walks have them all."""
    with nothing_stored(site):
        (relation,) = json.loads(site.get(f"/{NAME}/by-nothing").body)["view"]["relation"]
        assert relation == {
            "@type": "Relation",
            "node": f"{site.base}/{NAME}/by-nothing/1/none",
            "remainingItems": 60,
        }
    found = [each["sequence"] for page in crawl(site.root("by-nothing")) for each in page.document.get("member", [])]
    assert sorted(found) == list(range(60))
    answer = site.get(f"/{NAME}/by-nothing?format=csv")
    assert answer.headers["location"] == f"{site.base}/{NAME}/by-nothing/1/none/0/0?format=csv"


# --- senders --------------------------------------------------------------------------------------------------------

GOOD = member(1)
_DOT = " .\n"


def with_more(text: str) -> str:
    """Say more about a member."""
    return GOOD.replace(_DOT, f" ; {text}{_DOT}")


def at(text: str) -> str:
    """Give a member another time."""
    return GOOD.replace("2026-11-23T20:00:44Z", text)


OPERATED, LABEL = "<http://schema.mobivoc.org/#operatedBy>", "<http://www.w3.org/2000/01/rdf-schema#label>"

REJECTED = [
    ("a blank node as member", GOOD.replace("<https://e.example/v/1>", "_:m"), "a blank node cannot be one"),
    ("a blank node used twice", with_more(f"{OPERATED} _:x ; {LABEL} _:x") + f'_:x {LABEL} "x" .', "used twice"),
    ("a blank node in a circle", with_more(f"{OPERATED} _:x") + f"_:x {LABEL} _:x .", "used twice"),
    ("a node of no member", f'_:alone {LABEL} "x" .', "belongs to no member"),
    ("a relative entity", GOOD.replace("<https://e.example/p/1>", "<p/1>"), "<p/1> is no absolute IRI"),
    ("a relative member", GOOD.replace("<https://e.example/v/1>", "<v/1>"), "<v/1> is no absolute IRI"),
    ("a relative property", with_more('<name> "x"'), "<name> is no absolute IRI"),
    *[
        (f"the time {text}", at(text), "no xsd:dateTime")
        for text in (
            "2026-11-23T20:00Z",
            "2026-11-23",
            "2026-11-23 20:00:44Z",
            "2026-02-30T20:00:44Z",
            "2026-13-01T20:00:44Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T20:00:60Z",
            "20261123T200044Z",
            "2026-11-23T20:00:44+25:00",
            "+2026-11-23T20:00:44Z",
            "-2026-11-23T20:00:44Z",
            "12026-11-23T20:00:44Z",
            "2026-11-23T20:00:44z",
            "٢٠٢٦-11-23T20:00:44Z",
            "yesterday",
            "",
        )
    ],
    ("a time without a zone", at("2026-11-23T20:00:44"), "end it with Z or an offset"),
]


@pytest.mark.parametrize(("what", "document", "said"), REJECTED, ids=[case[0] for case in REJECTED])
def test_a_member_that_is_none_is_rejected_with_the_reason(shut: OpenSite, what: str, document: str, said: str) -> None:
    """422 with a line that says why, and it stores nothing."""
    assert what
    with nothing_stored(shut):
        answer = shut.post(document)
        assert answer.status == 422
        assert {line["result"] for line in lines(answer)} == {"rejected"}
        assert said in str(lines(answer)[0]["detail"]), lines(answer)


def test_a_good_member_beside_bad_ones_is_taken(door: OpenSite) -> None:
    """Documents with a bad member and a good one: a line for each, and the good ones are published."""
    for number, (_, document, _) in enumerate(REJECTED[::4]):
        beside = door.post(document + member(100 + number))
        assert beside.status == 200
        assert results(beside).count("created") == 1
    door.publish(len(REJECTED[::4]))
    assert door.count() == len(REJECTED[::4])


def test_what_is_only_named_decides(shut: OpenSite) -> None:
    """Where the document says `tree:member`, what that points at is meant: a blank node there is rejected."""
    named = "<https://e.example/s> <https://w3id.org/tree#member> _:m ."
    with nothing_stored(shut):
        answer = shut.post(named + GOOD)
        assert (answer.status, set(results(answer))) == (422, {"rejected"})
        assert "blank node" in str(lines(answer)[0]["detail"])


def test_a_dangling_blank_node_is_published_as_it_is(door: OpenSite) -> None:
    """A blank node that nothing is said of is valid RDF: it is published as one, and no other member has it."""
    for number in (1, 2):
        document = member(number).replace(_DOT, f" ; {OPERATED} _:nobody{_DOT}")
        assert results(door.post(document)) == ["created"]
    door.publish(2)
    graph = door.get(f"/{STREAM}/log/0/0", "application/n-triples").graph()
    operators = list(graph.objects(predicate=URIRef(OPERATED.strip("<>"))))
    assert len(set(operators)) == 2
    assert all(isinstance(each, BNode) and not list(graph.predicate_objects(each)) for each in operators)


def test_blank_nodes_of_two_members_are_not_shared(shut: OpenSite) -> None:
    """Two members that hang on one blank node are both rejected; with a node of its own each is taken."""
    shared = f"{OPERATED} _:x"
    both = with_more(shared) + member(2).replace(_DOT, f" ; {shared}{_DOT}")
    with nothing_stored(shut):
        answer = shut.post(f'{both} _:x a <http://xmlns.com/foaf/0.1/Agent> ; {LABEL} "x"@nl .')
        assert (answer.status, results(answer)) == (422, ["rejected", "rejected"])
        assert all("shares a blank node" in str(line["detail"]) for line in lines(answer))


@pytest.mark.parametrize(
    ("document", "media", "said"),
    [
        ("<v> <p> <o> .", "application/n-triples", "not readable as application/n-triples"),
        ('{"@id":"v/1","@type":"http://schema.mobivoc.org/#ParkingFacility"}', "application/ld+json", "absolute IRI"),
    ],
)
def test_relative_addresses_are_refused_in_every_form(shut: OpenSite, document: str, media: str, said: str) -> None:
    """A form without a base cannot be read at all; in JSON-LD the member is rejected."""
    with nothing_stored(shut):
        answer = shut.post(document, media)
        assert answer.status in (400, 422)
        assert said in str(json.loads(answer.body.splitlines()[0])["detail"])


def test_a_member_of_five_megabytes_has_its_own_answer(door: OpenSite) -> None:
    """It is rejected with its size and the limit; the one beside it is taken, and nothing of it is kept."""
    large = with_more(f'<{STATEMENTS}> "{"x" * 5_000_000}"@nl')
    with nothing_stored(door):
        answer = door.post(large)
        assert answer.status == 422
        assert "900,000 are the most" in str(lines(answer)[0]["detail"])
    assert results(door.post(large + member(2))) == ["rejected", "created"]
    door.publish(1)
    assert door.count() == 1


class Memory:
    """The most memory that this process and its children had while somebody watched."""

    def __init__(self) -> None:
        self.own = self.children = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look every few hundredths of a second."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.05):
            self.own = max(self.own, me.memory_info().rss)
            for child in me.children():
                # A database of the tests is none of ours, and a child may be gone by now.
                try:
                    if "spawn_main" in " ".join(child.cmdline()):
                        self.children = max(self.children, child.memory_info().rss)
                except psutil.Error:
                    continue


def _states(count: int) -> str:
    prefix = "@prefix e: <https://e.example/> . @prefix m: <http://schema.mobivoc.org/#> .\n"
    return prefix + "".join([f'e:{number} a m:ParkingFacility ; m:name "{number}" .\n' for number in range(count)])


def _json(count: int) -> str:
    states = ",".join(
        [f'{{"@id":"https://e.example/{number}","@type":"m:ParkingFacility"}}' for number in range(count)]
    )
    return f'{{"@context":{{"m":"http://schema.mobivoc.org/#"}},"@graph":[{states}]}}'


@pytest.mark.parametrize(
    ("document", "media", "said"),
    [
        (_states(100_000), TURTLE, "100,000 members; 10,000 are the most"),
        (_json(100_000), "application/ld+json", "more than 300,000 values"),
        ("".join([f"<e:{number:x}> <e:b> 0 .\n" for number in range(750_000)]), TURTLE, "more than 500,000 statements"),
    ],
    ids=["turtle", "json-ld", "statements"],
)
def test_a_hundred_thousand_members_at_once_are_refused(shut: OpenSite, document: str, media: str, said: str) -> None:
    """413 with the limit; the reading process stays under a bound, this one hardly grows, and pages are still served."""
    # The judge is there, with all that it needs.
    assert shut.post(member(1)).status == 201
    memory, before = Memory(), psutil.Process().memory_info().rss
    packed = gzip.compress(document.encode(), 1)
    with nothing_stored(shut), memory.watched():
        problem = refused(shut.post(packed, media, content_encoding="gzip"), 413)
    assert said in str(problem["detail"])
    assert "several documents" in str(problem["fix"])
    print(f"{media}: {len(document):,} bytes; judge {memory.children >> 20} MB, server +{memory.own - before >> 20} MB")
    assert 0 < memory.children < 500 * 2**20
    assert memory.own - before < 200 * 2**20
    assert shut.get(f"/{STREAM}/log").status == 200


def test_as_many_as_are_taken_at_once_come_in_documents(door: OpenSite) -> None:
    """A sender with more members than a document may have sends several: each is answered, all are published."""
    for start in (0, 150):
        answer = door.post("".join(member(number) for number in range(start, start + 150)))
        assert (answer.status, set(results(answer))) == (200, {"created"})
    door.publish(300)
    assert door.count() == 300
