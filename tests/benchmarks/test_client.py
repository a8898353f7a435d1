"""How fast our client reads a page of 250 members, in each media type, against pyld."""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable
from functools import partial

import pytest
from pyld import jsonld

from ldes_server.hypermedia import describe
from ldes_server.model import Page, PageId
from ldes_server.negotiate import Form
from ldes_server.render import render_page
from testbed.client.extraction import extract
from testbed.client.hypermedia import read_page
from testbed.client.lines import nquads, written_members
from testbed.client.parsing import JSON_LD, parse_page
from tests.conformance.kit import make_members, make_stream
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

BASE = "https://data.example.org"
URL = f"{BASE}/gent-x/log/0/0"
MEMBERS = 250
FORMS = {
    JSON_LD: Form.JSONLD,
    "text/turtle": Form.TURTLE,
    "application/trig": Form.TURTLE,
    "application/n-triples": Form.NTRIPLES,
    "application/n-quads": Form.NTRIPLES,
}


def milliseconds(work: Callable[[], object], *, number: int = 3) -> float:
    """Return the processor time of one call: the best of five rounds."""
    return min(timeit.repeat(work, timer=time.process_time, number=number, repeat=5)) / number * 1e3


def copied(body: bytes, media: str) -> int:
    """Do what a copy does with a page."""
    page = read_page(parse_page(body, media, URL), [URL], f"{BASE}/gent-x")
    written = written_members(body, URL) if media == JSON_LD else {}
    if written:
        return sum(len(written[iri]) for iri in page.members)
    return sum(len(nquads(extract(page.data, iri))) for iri in page.members)


@pytest.mark.parametrize("name", ["parking", "traffic"])
def test_a_page_from_bytes_to_lines(name: str) -> None:
    """A page of each media type becomes lines in a stated multiple of parsing it, and of pyld for JSON-LD."""
    stream = make_stream("gent-x", load_model(name), page_size=MEMBERS)
    page = Page(id=PageId(level=0, index=0), final=True, version=0, members=make_members(stream, range(MEMBERS), BASE))
    frame = describe(stream, BASE)
    reference = 0.0
    for media, form in FORMS.items():
        body = render_page(page, form, frame=frame)
        assert copied(body, media) > MEMBERS * 100
        parsed = milliseconds(partial(parse_page, body, media, URL))
        whole = milliseconds(partial(copied, body, media))
        line = f"{name} {media}: parsed {parsed:.1f} ms, copied {whole:.1f} ms = {1000 / whole:.0f} pages/s"
        if media == JSON_LD:
            reference = milliseconds(partial(jsonld.to_rdf, json.loads(body), {"base": URL}), number=1)
            line += f", pyld {reference:.0f} ms = {reference / parsed:.0f} times the parsing"
        print(line)
        assert whole < reference / 2
