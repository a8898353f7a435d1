"""Negotiation: which representation a header asks for, and whether the client has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.negotiate import FORMS, RDF_TYPES, accepts_gzip, choose, is_current


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/ld+json"),
        ("", "application/ld+json"),
        ("*/*", "application/ld+json"),
        ("*", "application/ld+json"),
        ("application/*", "application/ld+json"),
        ("text/*", "text/turtle"),
        ("TEXT/Turtle", "text/turtle"),
        ("text/turtle, */*", "text/turtle"),
        ("*/*;q=0.9, text/turtle;q=0.2", "application/ld+json"),
        ("application/ld+json;q=0, */*", "text/turtle"),
        ("application/json", "application/ld+json"),
        ("application/json, text/plain, */*", "application/ld+json"),
        ("application/n-triples;q=0.3,application/trig;q=0.30001", "application/trig"),
        ("text/turtle;charset=utf-8;q=0.9,application/n-quads;q=0.8", "text/turtle"),
        ("text/turtle;q=nonsense", "text/turtle"),
        ("text/turtle;q=7", "text/turtle"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("text/turtle;q=0.0", None),
    ],
)
def test_choice_of_media_type(accept: str | None, media: str | None) -> None:
    """HTTP-02: weight first, then precision, then our own order; refusal only when nothing is accepted."""
    assert choose(accept) == media


def test_browsers_get_html_where_there_is_html() -> None:
    """A browser's header chooses HTML where it is offered, a bare `*/*` the first offer."""
    offers = (*RDF_TYPES, "text/html")
    assert choose("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", offers) == "text/html"
    assert choose("*/*", offers) == "application/ld+json"


def test_json_that_is_offered_as_such_is_had_by_its_name() -> None:
    """Who asks for plain JSON gets it where there is a document of that very type, such as digests."""
    assert choose("application/json", ("application/json",)) == "application/json"
    assert choose("application/ld+json", ("application/json",)) == "application/json"
    assert choose("application/json", ("text/html",)) is None


@given(st.text(max_size=300))
def test_no_header_is_too_strange(header: str) -> None:
    """Whatever the header holds, the answer is one of ours or none."""
    assert choose(header) in {*FORMS, None}
    assert accepts_gzip(header) in {True, False}
    assert is_current(header, '"tag"') in {True, False}


def test_an_endless_header_is_not_read() -> None:
    """A header of unreasonable length counts as absent, so that nobody pays for it."""
    assert choose("image/png," * 10_000) == "application/ld+json"
    assert not accepts_gzip("gzip," * 10_000)


@pytest.mark.parametrize(
    ("header", "squeeze"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("x-gzip", True),
        ("br, gzip;q=0.8", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.2, identity;q=0.5", False),
        ("deflate, br, zstd", False),
    ],
)
def test_choice_of_coding(header: str | None, squeeze: bool) -> None:
    """HTTP-26: gzip when the client accepts it and does not like identity better."""
    assert accepts_gzip(header) is squeeze


@pytest.mark.parametrize(
    ("condition", "current"),
    [
        (None, False),
        ("", False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b"', False),
        ('"b", "a"', True),
        ("*", True),
        (" * ", True),
        ("a", False),
    ],
)
def test_conditions(condition: str | None, current: bool) -> None:
    """HTTP-06: lists, weak comparison and `*`."""
    assert is_current(condition, '"a"') is current
