"""Decoders: items before a break go through, and every kind of break says what it is."""

from __future__ import annotations

import pytest

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import parse_each
from streams.record import Reason

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]>
<a><b>&y;</b></a>"""


def items(
    body: bytes, *each: str, media_type: str = "", root_names: frozenset[str] = frozenset()
) -> list[Item | Break]:
    """Decode a document to the end."""
    wanted = Wanted(each=tuple(parse_each(path) for path in each), root_names=root_names, key="@id")
    return list(decode(body, media_type, wanted))


def only_break(found: list[Item | Break]) -> Break:
    """Return the one break at the end."""
    assert isinstance(found[-1], Break)
    assert all(isinstance(item, Item) for item in found[:-1])
    return found[-1]


def values(found: list[Item | Break]) -> list[object]:
    """Return the values of the items."""
    return [item.value for item in found if isinstance(item, Item)]


def test_json_items_have_their_path_and_root() -> None:
    """Each item knows its number, its document's root, and places below it."""
    found = items(b'{"n": 1, "results": [{"a": 1}, {"a": 2}]}', "results[*]", media_type="application/json")
    assert values(found) == [{"a": 1}, {"a": 2}]
    assert isinstance(found[1], Item)
    assert (found[1].path, found[1].below("a"), found[1].root["n"]) == ("$.results[1]", "$.results[1].a", 1)


def test_the_first_list_that_exists_wins() -> None:
    """Alternatives are tried in order, and steps after [*] lead into each element."""
    found = items(b'{"records": [{"fields": {"a": 1}}]}', "results[*]", "records[*].fields")
    assert values(found) == [{"a": 1}]
    assert isinstance(found[0], Item)
    assert found[0].path == "$.records[0].fields"


def test_a_bare_list_has_items() -> None:
    """A document that is a list is read with [*]."""
    assert values(items(b"[1, 2]", "[*]")) == [1, 2]


@pytest.mark.parametrize(
    ("body", "each"), [(b'{"results": []}', "results[*]"), (b"<a></a>", "a.b[*]"), (b"<a><n>1</n></a>", "a.b[*]")]
)
def test_an_empty_list_is_no_items(body: bytes, each: str) -> None:
    """A list without elements is neither an item nor a fault."""
    assert items(body, each) == []


def test_truncated_json_keeps_the_items_before_the_break() -> None:
    """Whole items before the end of the text go through; the half one does not; the break names its place."""
    body = b'{"n": [[1]], "results": [{"a": {"b": [1]}},\n {"a": {"b": [2]}}, {"a": {"b": [3]}, "c'
    found = items(body, "results[*]")
    assert values(found) == [{"a": {"b": [1]}}, {"a": {"b": [2]}}]
    assert only_break(found).reason is Reason.MALFORMED
    assert only_break(found).path.startswith("line 2 column")


def test_malformed_json_with_accents_keeps_the_items_before_the_break() -> None:
    """Positions count characters, not bytes, so text before the break may be anything."""
    found = items('{"results": [{"a": "één ] } \\" "}, {"a": nope}, {"a": 3}]}'.encode(), "results[*]")
    assert values(found) == [{"a": 'één ] } " '}]


def test_truncated_xml_keeps_the_items_before_the_break() -> None:
    """Whole elements before the end of the text go through, and the break names line and column."""
    found = items(b"<a>\n<b><c>1</c></b>\n<b><c>2</c></b>\n<b><c>", "a.b[*]", media_type="text/xml")
    assert values(found) == [{"c": "1"}, {"c": "2"}]
    assert only_break(found).reason is Reason.MALFORMED
    assert only_break(found).path.startswith("line 4 column")


def test_xml_that_ends_after_a_line_shows_what_was_before_it() -> None:
    """The line on which the document breaks is empty; the excerpt is not."""
    found = items(b"<a>\n<b><c>1</c></b>\n<b>\n", "a.b[*]", media_type="text/xml")
    assert values(found) == [{"c": "1"}]
    assert only_break(found).excerpt.endswith(b"\n<b>")


def test_malformed_xml_keeps_the_items_before_the_break() -> None:
    """A wrong end tag breaks the document where it stands."""
    found = items(b"<a><b>1</b><b>2</x></b></a>", "a.b[*]")
    assert values(found) == ["1"]
    assert only_break(found).reason is Reason.MALFORMED


def test_xml_elements_become_values() -> None:
    """Attributes, texts, repeated and empty elements and namespaces all become plain values."""
    body = b"""<r:a xmlns:r="urn:r" v="1"><time> now </time>
      <r:b r:id="7" x="y"><c>1</c><c>2</c><d/><e f="g">text</e></r:b></r:a>"""
    found = items(body, "a.b[*]", root_names=frozenset({"time"}))
    assert values(found) == [{"@id": "7", "@x": "y", "c": ["1", "2"], "d": "", "e": {"@f": "g", "#text": "text"}}]
    assert isinstance(found[0], Item)
    assert dict(found[0].root) == {"@v": "1", "time": "now"}
    assert found[0].below("c") == "/a/b[@id='7']/c"


@pytest.mark.parametrize("body", [BOMB, b'<!DOCTYPE a SYSTEM "http://x/"><a><b>1</b></a>'])
def test_document_types_are_refused(body: bytes) -> None:
    """An entity bomb or an outside definition is refused before it is parsed."""
    found = items(body, "a.b[*]", media_type="application/xml")
    assert values(found) == []
    assert only_break(found).reason is Reason.FORBIDDEN


def test_deep_nesting_is_refused() -> None:
    """A document of a hundred thousand levels is one break, not a crash."""
    assert only_break(items(b"<a>" * 100_000, "a.b[*]")).reason is Reason.MALFORMED
    assert only_break(items(b"[" * 100_000, "[*]")).reason is Reason.MALFORMED


@pytest.mark.parametrize("media_type", ["application/xml", "application/json", "text/html; charset=utf-8"])
def test_an_error_page_says_so(media_type: str) -> None:
    """An HTML page in place of data is named for what it is, whatever its media type claims."""
    found = only_break(items(b"\n<!DOCTYPE html><html><body>502</body></html>", "a[*]", media_type=media_type))
    assert found.reason is Reason.MALFORMED
    assert "HTML" in found.detail


@pytest.mark.parametrize(
    ("body", "each", "found"),
    [
        (b'{"records": [], "n": 1}', "results[*]", "records[], n"),
        (b"[]", "results[*]", "a list of 0"),
        (b'{"a": 3}', "a[*]", "an object with a"),
        (b"<fout><melding>x</melding></fout>", "miv.meetpunt[*]", "fout"),
        (b"<miv><meetpunten><naam>1</naam></meetpunten></miv>", "miv.meetpunt[*]", "miv with meetpunten"),
    ],
)
def test_a_changed_structure_names_what_was_found(body: bytes, each: str, found: str) -> None:
    """Without a list where the file says, one break says what stands there instead."""
    stop = only_break(items(body, each))
    assert stop.reason is Reason.STRUCTURE
    assert found in stop.detail


@pytest.mark.parametrize(
    ("body", "media_type"), [(b"", "application/json"), (b"a,b", "application/pdf"), (b"\x00", "")]
)
def test_what_no_decoder_reads_is_one_break(body: bytes, media_type: str) -> None:
    """An empty document and an unknown format are one break each."""
    assert only_break(items(body, "a[*]", media_type=media_type)).reason is Reason.MALFORMED


def test_the_first_byte_tells_where_the_media_type_does_not() -> None:
    """A server that says text/plain is still understood, with a byte order mark too."""
    assert values(items(b"\xef\xbb\xbf[1]", "[*]", media_type="text/plain")) == [1]
    assert values(items(b"<a><b>1</b></a>", "a.b[*]", media_type="text/plain")) == ["1"]
    assert values(items(b"[1]", "[*]", media_type="application/vnd.geo+json")) == [1]
