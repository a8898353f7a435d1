"""The plain forms over HTTP: the same members as in RDF, links that lead through all of history, and newest states."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pyld import jsonld

from ldes_server.latest_shelf import LATEST_LIMIT
from ldes_server.model import Placed, Published
from ldes_server.postgres_store import PostgresStore
from streams.record import Point, format_time
from tests.conformance.kit import PAGE_SIZE, PLAIN, START, Answer, Site, doubles_by_value, extract, members_of, parse
from tests.support.geojson import faults
from tests.unit.vocab.oracle import actual

MEDIA = dict(zip(("ndjson", "geojson", "csv"), PLAIN, strict=True))
FINAL, OPEN = "/gent-parking/log/0/3", "/gent-parking/log/0/27"
formats = pytest.mark.parametrize("name", MEDIA)


def links(answer: Answer) -> dict[str, str]:
    """Read the Link header: relation -> address."""
    found = re.findall(r'<([^>]*)>; rel="([^"]*)"', answer.headers.get("link", ""))
    return {relation: address for address, relation in found}


def path(site: Site, address: str) -> str:
    """Return an absolute address of the site without its beginning."""
    assert address.startswith(site.base)
    return address.removeprefix(site.base)


def items(answer: Answer) -> list[Any]:
    """Read the members of a plain answer, by what it claims to be."""
    if answer.media == MEDIA["csv"]:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        return list(csv.DictReader(io.StringIO(answer.body.decode(), newline=""), strict=True))
    if answer.media == MEDIA["ndjson"]:
        return [json.loads(line) for line in answer.body.splitlines()]
    document = json.loads(answer.body)
    assert list(faults(document)) == []
    return [{"id": each["id"], **each["properties"]} for each in document["features"]]


def names(answer: Answer) -> list[str]:
    """Return the IRIs of the members in their order."""
    return [each.get("id") or each["@id"] for each in items(answer)]


@formats
@pytest.mark.parametrize("page", [FINAL, OPEN])
def test_the_members_of_a_page_are_the_same_in_every_form(site: Site, page: str, name: str) -> None:
    """A page asked for by type or by name has the members of its JSON-LD, in their order."""
    framed = json.loads(site.get(page).body)["member"]
    by_type, by_name = site.get(page, MEDIA[name]), site.get(f"{page}?format={name}")
    assert names(by_type) == names(by_name) == [each["@id"] for each in framed]
    assert (by_type.body, links(by_type)) == (by_name.body, links(by_name))
    assert by_type.headers["vary"] == "Accept, Accept-Encoding"
    assert by_name.headers["vary"] == "Accept-Encoding"
    assert by_type.headers["cache-control"] == site.get(page).headers["cache-control"]


@formats
def test_answers_from_memory_are_the_first_answer_again(site: Site, name: str) -> None:
    """HTTP-05, HTTP-06, HTTP-10, HTTP-26: tags per form and coding, 304, HEAD and gzip, by route and by the lane."""
    tags = set()
    for address, accept in ((FINAL, MEDIA[name]), (f"{FINAL}?format={name}", None), (f"{OPEN}?format={name}", None)):
        first, second = site.get(address, accept), site.get(address, accept)
        head = site.get(address, accept, method="HEAD")
        squeezed = site.get(address, accept, accept_encoding="gzip")
        assert first.body == second.body == gzip.decompress(squeezed.body)
        assert {**first.headers, "date": ""} == {**second.headers, "date": ""} == {**head.headers, "date": ""}
        assert head.body == b""
        unchanged = site.get(address, accept, if_none_match=first.headers["etag"])
        assert (unchanged.status, unchanged.body, links(unchanged)) == (304, b"", links(first))
        tags |= {first.headers["etag"], squeezed.headers["etag"]}
    assert len(tags) == 4
    assert not tags & {site.get(FINAL, media).headers["etag"] for media in ("text/turtle", "application/ld+json")}


@formats
def test_links_lead_through_the_whole_history(growing: Site, name: str) -> None:
    """From the root by redirects to the first leaf, by `next` to the open one: every member once; then what comes."""
    growing.append("gent-parking", 3 * PAGE_SIZE)
    address, seen = f"/gent-parking?format={name}", []
    for _ in range(2):
        answer = growing.get(address)
        assert answer.status == 303
        address = path(growing, answer.headers["location"])
    assert address == f"/gent-parking/log/0/0?format={name}"
    while True:
        answer = growing.get(address)
        assert answer.status == 200
        found = links(answer)
        assert found["self"] == answer.url
        assert found["canonical"] == answer.url.split("?")[0]
        seen += [int(each["sequence"]) for each in items(answer)]
        if "next" not in found:
            break
        address = path(growing, found["next"])
    # The leaf behind the last final one is there, empty, and polled until it has members.
    assert seen == list(range(3 * PAGE_SIZE))
    assert names(answer) == []
    assert found["last"] == answer.url
    assert path(growing, found["first"]) == f"/gent-parking/log/0/0?format={name}"
    assert "immutable" not in answer.headers["cache-control"]
    growing.append("gent-parking", PAGE_SIZE)
    for _ in range(100):
        if "next" in links(answer := growing.get(address)):
            break
        growing.pause(0.02)
    assert [int(each["sequence"]) for each in items(answer)] == list(range(3 * PAGE_SIZE, 4 * PAGE_SIZE))


@formats
def test_final_leaves_never_change(growing: Site, name: str) -> None:
    """LDES-59: body, tag and links of a final leaf are the same after more members."""
    growing.append("gent-parking", 2 * PAGE_SIZE)
    before = growing.get(f"/gent-parking/log/0/1?format={name}")
    growing.append("gent-parking", 5 * PAGE_SIZE)
    after = growing.get(f"/gent-parking/log/0/1?format={name}")
    assert (before.body, before.headers["etag"], links(before)) == (after.body, after.headers["etag"], links(after))
    assert before.headers["cache-control"] == "public, max-age=604800, immutable"
    assert set(links(before)) - {"http://www.w3.org/ns/json-ld#context"} == {"self", "next", "canonical"}


@formats
def test_nodes_lead_to_their_first_leaf(site: Site, name: str) -> None:
    """Root and inner nodes answer 303 to the oldest leaf below them, whatever way the form was asked for."""
    for node, leaf in (("", 0), ("/1/2", 8), ("/2/0", 0)):
        for answer in (
            site.get(f"/gent-parking/log{node}?format={name}"),
            site.get(f"/gent-parking/log{node}", MEDIA[name]),
        ):
            assert answer.status == 303
            assert answer.headers["location"] == f"{site.base}/gent-parking/log/0/{leaf}?format={name}"
            assert "Accept" in answer.headers["vary"]
    assert site.get(f"/gent-parking/log/0/28?format={name}").status == 404
    assert site.get(f"/gent-parking/log/2/1?format={name}").status == 404


def test_what_retention_dropped_is_gone(growing: Site) -> None:
    """HTTP-14: the root leads to the oldest living leaf, a node of which nothing lives answers 410."""
    growing.append("gent-parking", 9 * PAGE_SIZE)

    async def cut(store: PostgresStore) -> None:
        async with store.database.connection("cut") as connection:
            await connection.execute(f"UPDATE ldes.streams SET first = {5 * PAGE_SIZE}")

    growing.run(cut)
    for _ in range(400):
        answer = growing.get("/gent-parking/log?format=csv")
        if answer.headers["location"].endswith("/0/5?format=csv"):
            break
        growing.pause(0.02)
    assert answer.headers["location"] == f"{growing.base}/gent-parking/log/0/5?format=csv"
    assert growing.get("/gent-parking/log/1/1?format=csv").headers["location"] == answer.headers["location"]
    assert growing.get("/gent-parking/log/1/0?format=csv").status == 410


@pytest.mark.parametrize("stream", ["gent-parking", "gent-traffic"])
def test_lines_and_their_context_are_the_statements_of_the_page(site: Site, stream: str) -> None:
    """HTTP-04: each line, read by a JSON-LD processor with the context of the Link header, is its member in the page."""
    answer = site.get(f"/{stream}/log/0/3?format=ndjson")
    context = json.loads(site.get(path(site, links(answer)["http://www.w3.org/ns/json-ld#context"])).body)["@context"]
    page = doubles_by_value(parse(site.get(f"/{stream}/log/0/3", "application/n-quads").body, "application/n-quads"))
    members = members_of(page, f"{site.base}/{stream}")
    assert len(members) == PAGE_SIZE
    for line in items(answer)[:3]:
        quads: str = jsonld.to_rdf({"@context": context, **line}, {"format": "application/n-quads"})
        [member] = [it for it in members if str(it) == line["@id"]]
        there = doubles_by_value(extract(page, member)).serialize(format="nt").encode()
        line_graph = doubles_by_value(parse(quads.encode(), "application/n-quads")).serialize(format="nt").encode()
        assert actual(line_graph, "nt") == actual(there, "nt")


@pytest.mark.parametrize("page", ["/gent-parking", "/gent-parking/log", FINAL, "/gent-parking/latest"])
@pytest.mark.parametrize("query", ["format=xml", "format=", "format=csv&format=ndjson", "format=csv&colour=red"])
def test_wrong_formats_are_refused(site: Site, page: str, query: str) -> None:
    """400 with the formats there are, before anything is looked up."""
    answer = site.get(f"{page}?{query}", "text/csv")
    assert answer.status == 400
    problem = json.loads(answer.body)
    assert "format" in problem["detail"] or "colour" in problem["detail"]
    assert "ndjson, geojson, csv" in problem["fix"]


def fill(site: Site, count: int) -> None:
    """Publish car parks on a line from west to east, each a minute younger than the one before."""
    stream = site.streams["gent-parking"]
    model = json.loads(stream.model.example)
    model.pop("@context")

    async def work(store: PostgresStore) -> None:
        await store.ensure_stream(stream)
        base = await store.head(stream.name)
        published = []
        for number, made in enumerate([site_member(site, number) for number in range(count)]):
            body = {**model, "@id": f"{site.base}/{made.id}", "isVersionOf": made.entity}
            published.append(made._replace(sequence=number, body=json.dumps(body, separators=(",", ":")).encode()))
        head = replace(base, count=count, published_at=published[-1].published_at, position=base.position + count)
        await store.append(stream.name, Placed(base=base, head=head, members=tuple(published)))

    site.run(work)


def site_member(site: Site, number: int) -> Published:
    """Make one car park."""
    return Published(
        sequence=number,
        published_at=START,
        id=f"gent-parking/members/p{number}/1",
        entity=f"{site.base}/gent-parking/entities/p{number:05d}",
        observed_at=START - timedelta(minutes=number),
        point=Point(longitude=3.0 + number / 100, latitude=51.0) if number % 5 else None,
        body=b"{}",
    )


def entities(answer: Answer) -> list[int]:
    """Return the numbers of the car parks in an answer."""
    assert answer.status == 200, answer.body
    return [int(each["entity"][-5:]) for each in items(answer)]


def test_newest_states_are_selected(growing: Site) -> None:
    """By entity, box and time, and all of them together, in every form; what nobody is in is empty, not missing."""
    fill(growing, 20)
    latest = "/gent-parking/latest?"
    third = f"entity={growing.base}/gent-parking/entities/p00003"
    since = "since=2026-11-23T07:55:00Z"
    box = "bbox=3.02,50.9,3.08,51.1"
    for query, expected in (
        (third, [3]),
        (box, [2, 3, 4, 6, 7, 8]),
        (since, [0, 1, 2, 3, 4, 5]),
        (f"{box}&{since}", [2, 3, 4]),
        (f"{third}&bbox=3.02,50.9,3.08,51.1&{since}", [3]),
        (f"{third}&bbox=4.0,50.9,4.1,51.1", []),
        ("bbox=-10,-10,-9,-9", []),
        ("entity=https://example.org/unknown", []),
    ):
        for name in ("csv", "geojson"):
            assert entities(growing.get(f"{latest}{query}&format={name}")) == expected, query
        framed = json.loads(growing.get(f"{latest}{query}").body)["member"]
        assert [int(each["isVersionOf"][-5:]) for each in framed] == expected
        for media in ("text/turtle", "application/n-triples"):
            graph = growing.get(f"{latest}{query}", media).graph()
            assert len(members_of(graph, f"{growing.base}/gent-parking")) == len(expected)
    shown = growing.get(f"{latest}bbox=3.02,50.9,3.08,51.1&format=geojson")
    place = json.loads(shown.body)["features"][0]["geometry"]
    assert place == {"type": "Point", "coordinates": [3.02, 51.0]}
    assert links(shown)["canonical"] == f"{growing.base}/gent-parking/latest?bbox=3.02,50.9,3.08,51.1"
    assert format_time(site_member(growing, 0).observed_at) == "2026-11-23T08:00:00.000Z"


def test_selected_states_are_current(growing: Site) -> None:
    """A newer state shows in an answer that was given before, within a second of its publication."""
    growing.append("gent-parking", 7)
    address = "/gent-parking/latest?since=2026-11-23T07:50:06Z&format=csv"
    assert len(items(growing.get(address))) == 1
    growing.append("gent-parking", 7)
    for _ in range(200):
        if len(items(growing.get(address))) == 7:
            break
        growing.pause(0.02)
    assert len(items(growing.get(address))) == 7


def test_more_states_than_fit_are_on_the_next_page(growing: Site) -> None:
    """Nothing is cut off silently: `next` leads on until every entity was shown once, then there is none."""
    fill(growing, LATEST_LIMIT + 5)
    first = growing.get("/gent-parking/latest?format=ndjson")
    assert len(first.body.splitlines()) == LATEST_LIMIT
    second = growing.get(path(growing, links(first)["next"]))
    found = [json.loads(line)["isVersionOf"][-5:] for line in (first.body + second.body).splitlines()]
    assert found == [f"{number:05d}" for number in range(LATEST_LIMIT + 5)]
    assert "next" not in links(second)
    assert links(second)["first"] == f"{growing.base}/gent-parking/latest?format=ndjson"
    # The RDF forms lead on in the same way, without naming a format.
    framed = growing.get("/gent-parking/latest", method="HEAD")
    assert set(links(framed)) == {"next"}
    assert "format" not in links(framed)["next"]


def test_parameters_have_one_order(site: Site) -> None:
    """HTTP-33: another order, or one twice, is redirected for good to the one order; the canonical address is not."""
    answer = site.get("/gent-parking/latest?format=csv&since=2026-11-23T00:00:00Z&bbox=3,50,4,52")
    assert answer.status == 308
    target = path(site, answer.headers["location"])
    assert target.startswith("/gent-parking/latest?bbox=3")
    assert target.endswith("&since=2026-11-23T00:00:00Z&format=csv")
    assert site.get(target).status == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("bbox=1,2,3", "bbox"),
        ("bbox=4,52,3,50,9", "bbox"),
        ("bbox=3,52,4,50", "bbox"),
        ("since=yesterday", "since"),
        ("since=2026-11-23T08:00:00", "since"),
        ("entity=parking", "entity"),
        ("after=", "after"),
        ("colour=red", "colour"),
        ("entity=https://a.example/&entity=https://b.example/", "entity"),
    ],
)
def test_wrong_selections_are_refused(site: Site, query: str, parameter: str) -> None:
    """400 that names the parameter and says what form it has."""
    answer = site.get(f"/gent-parking/latest?{query}")
    problem = json.loads(answer.body)
    assert (answer.status, answer.media) == (400, "application/problem+json")
    assert parameter in problem["detail"]
    assert problem["fix"]


@pytest.mark.parametrize("page", ["/gent-parking/log/0/3", "/gent-parking/log", "/gent-parking/latest"])
def test_plain_types_are_among_those_on_offer(site: Site, page: str) -> None:
    """HTTP-02: 406 lists the plain types beside the RDF types; weights choose among all of them."""
    refused = site.get(page, "image/png")
    assert refused.status == 406
    assert set(PLAIN) < set(json.loads(refused.body)["near"])
    weighed = site.get(FINAL, "text/turtle;q=0.5, text/csv;q=0.6, application/json;q=0.1")
    assert weighed.media == "text/csv"


def test_members_and_documents_have_no_plain_form(site: Site) -> None:
    """A single member is refused as CSV with the list of what there is."""
    member = json.loads(site.get(FINAL).body)["member"][0]["@id"]
    refused = site.get(member, "text/csv")
    assert refused.status == 406
    assert not set(PLAIN) & set(json.loads(refused.body)["near"])
