"""Identity: names that are safe in addresses, the same every time, and different for different things."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import entity_iri
from streams.identity import member_id, slug


def test_safe_keys_stay_as_they_are() -> None:
    """A number or a code is its own slug."""
    assert slug("29") == "29"
    assert slug("H222L10.a_b~c-d") == "H222L10.a_b~c-d"


def test_addresses_shorten_to_their_last_segment() -> None:
    """Of an IRI the last segment that is not empty stays, with 8 hex of the whole."""
    assert re.fullmatch(r"parking-reep-[0-9a-f]{8}", slug("https://stad.gent/parkings/parking-reep/"))
    assert slug("https://a.example/x") != slug("https://b.example/x")


@given(st.text())
def test_every_slug_is_one_safe_segment(key: str) -> None:
    """Whatever the key, the slug is not empty, holds safe characters only, and is no dot segment."""
    found = slug(key)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", found)
    assert found.strip(".")


def test_web_addresses_are_entities_and_other_keys_are_minted() -> None:
    """A key that is a web address names the entity; anything else gets an address below the stream."""
    assert entity_iri("https://stad.gent/p1", base_url="https://d", stream="s") == "https://stad.gent/p1"
    assert entity_iri("29", base_url="https://d", stream="s") == "https://d/s/entities/29"
    assert entity_iri('http://x/"', base_url="https://d", stream="s").startswith("https://d/s/entities/")


def test_member_ids_hold_no_colon_plus_or_hash() -> None:
    """A member's id is stream, entity and basic time, milliseconds only where there are some."""
    at = datetime(2026, 11, 1, 9, 0, 4, tzinfo=UTC)
    assert member_id("s", "29", at) == "s/members/29/20261101T090004Z"
    assert member_id("s", "29", at.replace(microsecond=7000)) == "s/members/29/20261101T090004007Z"
    assert member_id("s", "29", at, revision=b"\xab" * 8) == "s/members/29/20261101T090004Z-abababab"
