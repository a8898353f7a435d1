"""The plain forms of views over HTTP: whoever follows `next` has the view, or the bucket, once and in its order."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ldes_server.definition import ByProperty
from tests.conformance.kit import PLAIN, Answer
from tests.support.crawl import crawl
from tests.support.geojson import faults
from tests.support.site_of_views import Views
from tests.support.views import NAME, VIEWS, make_stream, publish

MEDIA = dict(zip(("ndjson", "geojson", "csv"), PLAIN, strict=True))
STREAM = make_stream()
FOR_EVER = "public, max-age=604800, immutable"


def links(answer: Answer) -> dict[str, str]:
    """Read the Link header: relation -> address."""
    found = re.findall(r'<([^>]*)>; rel="([^"]*)"', answer.headers.get("link", ""))
    return {relation: address for address, relation in found}


def sequences(answer: Answer) -> list[int]:
    """Read the sequence numbers of a plain answer, by what it claims to be."""
    if answer.media == MEDIA["csv"]:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        rows = csv.DictReader(io.StringIO(answer.body.decode(), newline=""), strict=True)
        return [int(row["sequence"]) for row in rows]
    if answer.media == MEDIA["ndjson"]:
        return [json.loads(line)["sequence"] for line in answer.body.splitlines()]
    document = json.loads(answer.body)
    assert list(faults(document)) == []
    return [each["properties"]["sequence"] for each in document["features"]]


def walk(site: Views, address: str) -> list[Answer]:
    """Follow redirects, then `next`, as a client does that knows no RDF; no page comes twice."""
    pages: list[Answer] = []
    seen: set[str] = set()
    onward: str | None = site.base + address
    while onward is not None:
        assert onward not in seen
        seen.add(onward)
        answer = site.get(onward.removeprefix(site.base))
        if answer.status == 303:
            onward = answer.headers["location"]
            continue
        assert answer.status == 200, answer
        assert links(answer)["self"] == answer.url
        assert links(answer)["canonical"] == answer.url.split("?")[0]
        pages.append(answer)
        onward = links(answer).get("next")
    return pages


def reading(site: Views, address: str) -> list[Any]:
    """Crawl the JSON-LD depth first, a node's own pages before the buckets below it, in the order of the links."""
    return [page.document for page in crawl(site.base + address)]


def members(documents: list[Any]) -> Counter[int]:
    """Count the members of JSON-LD pages by sequence number."""
    return Counter(each["sequence"] for document in documents for each in document.get("member", []))


@pytest.mark.parametrize("form", MEDIA)
@pytest.mark.parametrize("view", VIEWS)
def test_a_walk_is_the_view(still: Views, view: str, form: str) -> None:
    """From the root by a redirect and by `next`: every member as often as the RDF pages have it, bucket by bucket."""
    pages = walk(still, f"/{NAME}/{view}?format={form}")
    found = Counter(number for page in pages for number in sequences(page))
    assert found == members(reading(still, f"/{NAME}/{view}"))
    assert set(found) == set(range(150))
    buckets = [links(page)["canonical"].rsplit("/", 3)[1] for page in pages]
    # The pages at and below a bucket follow each other, its own first: each key comes after those it continues.
    firsts = list(dict.fromkeys(buckets))
    assert [key for key, after in zip(buckets, [*buckets[1:], ""], strict=True) if key != after] == firsts
    for place, key in enumerate(firsts):
        below = [index for index, other in enumerate(firsts) if other.startswith(f"{key}.")]
        assert below == list(range(place + 1, place + 1 + len(below)))
    assert all(links(page)["first"] == f"{still.base}/{NAME}/{view}?format={form}" for page in pages)


@pytest.mark.parametrize("view", VIEWS)
def test_a_walk_from_a_node_stays_in_its_bucket(still: Views, view: str) -> None:
    """Every node, asked for as CSV by its name or by its type, leads to the members at and below it and no others."""
    nodes = [
        page.url
        for page in crawl(f"{still.base}/{NAME}/{view}")
        if page.url.count("/") == 6 and "member" not in page.document
    ]
    assert nodes
    for node in nodes:
        address = node.removeprefix(still.base)
        pages = walk(still, f"{address}?format=csv")
        found = Counter(number for page in pages for number in sequences(page))
        assert found == members(reading(still, address))
        by_type = still.get(address, "text/csv")
        assert (by_type.status, by_type.headers["location"]) == (303, pages[0].url)
        assert "Accept" in by_type.headers["vary"]
        assert {links(page)["first"] for page in pages} == {f"{node}?format=csv"}


@pytest.mark.parametrize("form", MEDIA)
def test_a_walk_begins_in_a_group_and_goes_on_to_the_end(database_url: str, form: str) -> None:
    """A group of 64 of a node's children leads to the first page in it; from there the walk is that of the whole view."""
    views = {"by-garage": ByProperty(name="entity")}
    with Views(database_url, make_stream(views)) as site:
        site.declare(site.stream)
        # The squares modulo a prime: 76 garages, of which 64 are in the first group.
        site.run(lambda store: publish(store, 152, base=site.base, garages=151))
        site.pause(1.1)
        root = f"/{NAME}/by-garage"
        whole = walk(site, f"{root}?format={form}")
        groups = [each["node"] for each in reading(site, root)[0]["view"]["relation"]]
        assert [url.rsplit("/", 4)[1:] for url in groups] == [["~", "group", "1", "0"], ["~", "group", "1", "1"]]
        sizes = []
        for url in groups:
            address = url.removeprefix(site.base)
            by_type = site.get(address, MEDIA[form])
            bucket = [page.url for page in crawl(url)][1]
            pages = walk(site, f"{address}?format={form}")
            assert (by_type.status, by_type.headers["location"]) == (303, pages[0].url)
            assert links(pages[0])["canonical"] == f"{bucket}/0/0"
            # It is the end of the walk through the view.
            assert [page.body for page in pages] == [page.body for page in whole[-len(pages) :]]
            sizes.append(len({links(page)["canonical"].rsplit("/", 3)[1] for page in pages}))
        assert sizes == [76, 12]


@pytest.mark.parametrize("form", MEDIA)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_of_members_has_every_form(still: Views, view: str, form: str) -> None:
    """A page asked for by type or by name has the members of its JSON-LD in their order, with tags and 304 (HTTP-04)."""
    checked = 0
    for page in crawl(f"{still.base}/{NAME}/{view}"):
        path = page.url.removeprefix(still.base)
        by_type, by_name = still.get(path, MEDIA[form]), still.get(f"{path}?format={form}")
        if "member" not in page.document:
            assert (by_type.status, by_name.status) == (303, 303)
            continue
        checked += 1
        framed = [each["sequence"] for each in page.document["member"]]
        assert sequences(by_type) == sequences(by_name) == framed
        assert by_type.headers["vary"] == "Accept, Accept-Encoding"
        assert by_name.headers["vary"] == "Accept-Encoding"
        squeezed = still.get(path, MEDIA[form], accept_encoding="gzip")
        body = gzip.decompress(squeezed.body) if "content-encoding" in squeezed.headers else squeezed.body
        assert body == by_type.body
        again = still.get(path, MEDIA[form], if_none_match=by_type.headers["etag"])
        assert (again.status, again.body, links(again)) == (304, b"", links(by_type))
        # What is final in RDF may still wait for the page behind it; what may change in RDF is never for ever.
        if by_name.headers["cache-control"] == FOR_EVER:
            assert page.final
    assert checked > 5


@pytest.mark.parametrize("form", MEDIA)
def test_what_is_for_ever_never_changes(moving: Views, form: str) -> None:
    """LDES-59: a page that says immutable has the same body, tag and links after more members; most final pages are."""
    before = {
        page.url: page
        for view in VIEWS
        for page in walk(moving, f"/{NAME}/{view}?format={form}")
        if page.headers["cache-control"] == FOR_EVER
    }
    final = [page for view in VIEWS for page in crawl(f"{moving.base}/{NAME}/{view}") if page.final]
    leaves = [page for page in final if "member" in page.document]
    assert len(before) > 0.8 * len(leaves)
    moving.publish(120)
    moving.pause(1.1)
    with Views(moving._dsn, STREAM) as other:
        for url, page in before.items():
            after = moving.get(url.removeprefix(moving.base))
            assert (after.body, after.headers["etag"], links(after)) == (page.body, page.headers["etag"], links(page))
            # Another process, at another address, says the same of the same pages.
            there = other.get(url.removeprefix(moving.base))
            assert sequences(there) == sequences(page)
            assert len(links(there)) == len(links(page))
    for view in VIEWS:
        found = {number for page in walk(moving, f"/{NAME}/{view}?format={form}") for number in sequences(page)}
        assert found == set(range(270))


def test_a_walk_misses_nothing_that_was_there(moving: Views) -> None:
    """Members that come while a walk goes on never push one out of it that was published before it began."""
    for view in VIEWS:
        count = sum(members(reading(moving, f"/{NAME}/log")).values())
        found: set[int] = set()
        onward: str | None = f"{moving.base}/{NAME}/{view}?format=ndjson"
        steps = 0
        while onward is not None:
            answer = moving.get(onward.removeprefix(moving.base))
            found |= set() if answer.status == 303 else set(sequences(answer))
            onward = answer.headers["location"] if answer.status == 303 else links(answer).get("next")
            steps += 1
            if steps % 9 == 0:
                moving.publish(7)
        assert set(range(count)) <= found


def test_a_view_without_members_is_empty(database_url: str) -> None:
    """The root of a view of a stream nobody wrote to is an empty page in each form, and leads on once there are some."""
    with Views(database_url, STREAM) as site:
        site.declare(STREAM)
        for form in MEDIA:
            answer = site.get(f"/{NAME}/by-hour?format={form}")
            assert (answer.status, sequences(answer)) == (200, [])
            assert set(links(answer)) >= {"self", "first", "canonical"}
            assert "next" not in links(answer)
            assert "immutable" not in answer.headers["cache-control"]
        site.publish(1)
        site.pause(1.1)
        assert [sequences(page) for page in walk(site, f"/{NAME}/by-hour?format=csv")] == [[0]]


def test_what_is_not_there_stays_missing(moving: Views) -> None:
    """404, 406 and 410 of plain forms are those of the RDF pages; nothing is denied that was linked."""
    (final,) = [page.url for page in crawl(f"{moving.base}/{NAME}/by-operator") if page.url.endswith("Indigo/0/0")]
    path = final.removeprefix(moving.base)
    assert moving.get(f"{path}?format=csv").status == 200
    bucket = path.removesuffix("/0/0")
    for missing in (f"/{NAME}/by-hours", f"{bucket}x", f"{bucket}/0/999", f"{bucket}/0/00", f"{bucket}/7/0"):
        for form, media in MEDIA.items():
            assert moving.get(f"{missing}?format={form}").status == 404, missing
            assert moving.get(missing, media).status == 404, missing
    for address in (path, bucket, f"/{NAME}/by-operator"):
        refused = moving.get(address, "application/pdf")
        assert refused.status == 406
        assert {*PLAIN, "text/turtle"} <= set(json.loads(refused.body)["near"])
    moving.declare(replace(STREAM, views={**VIEWS, "by-operator": VIEWS["by-name"]}), grace=timedelta(0))
    for form in MEDIA:
        assert moving.get(f"{path}?format={form}").status == 410
        assert moving.get(f"{bucket}?format={form}").status == 410
    assert moving.get(path, "text/csv").status == 410
    moving.declare(make_stream({"by-hour": VIEWS["by-hour"]}), grace=timedelta(0))
    assert moving.get(f"/{NAME}/by-operator?format=csv").status == 410


def test_parameters_of_pages_have_one_order(still: Views) -> None:
    """HTTP-33: in another order, or one twice, they are redirected; what no page has is 400 and named."""
    (page,) = walk(still, f"/{NAME}/by-operator/1/none?format=csv")[:1]
    path = page.url.removeprefix(still.base)
    address, query = path.split("?")
    within, form = query.split("&")
    for odd in (f"{form}&{within}", f"{within}&{form}&{form}"):
        answer = still.get(f"{address}?{odd}")
        assert (answer.status, answer.headers["location"]) == (308, page.url)
    for wrong in ("within=Indigo&format=csv", "within=none", "within=none&format=xml", "colour=red"):
        answer = still.get(f"{address}?{wrong}")
        assert answer.status == 400
        assert "format: one of ndjson" in json.loads(answer.body)["fix"] or "write " in json.loads(answer.body)["fix"]


PROFILE = 'profile="https://w3id.org/tree/profile"'


@pytest.mark.parametrize("view", VIEWS)
def test_http_20_every_page_of_a_view_can_be_read_as_a_stream(still: Views, view: str) -> None:
    """HTTP-19, HTTP-20, HTTP-21: the profile is offered for every line format on every page, never for JSON-LD."""
    link = "<https://w3id.org/tree#member>"
    for page in crawl(f"{still.base}/{NAME}/{view}"):
        path = page.url.removeprefix(still.base)
        assert "profile" not in still.get(path, f"application/ld+json;{PROFILE}").headers["content-type"]
        for media in ("text/turtle", "application/trig", "application/n-triples", "application/n-quads"):
            answer = still.get(path, f"{media};{PROFILE}")
            assert answer.headers["content-type"].endswith(PROFILE)
        # Hypermedia first, then every member in one piece behind the statement that names it, in order.
        member, known, order = "", set[str](), []
        for line in answer.body.decode().splitlines():
            subject, predicate, value = line.removesuffix(" .").split(" ", 2)
            if predicate == link:
                member, known = value, {value}
                order.append(value.strip("<>"))
            elif member:
                assert subject in known
                known |= {value} if value.startswith("_:") else set()
        assert order == [each["@id"] for each in page.document.get("member", [])]
