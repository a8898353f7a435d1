"""Personal data in texts: what is found, what is left alone, and how ids are hidden."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.personal import (
    Personal,
    is_of_another_day,
    looks_random,
    masked,
    rotated,
    searcher,
)

FOUND = {
    Personal.EMAIL: [
        "jan.peeters@stad.example.be",
        "Vragen? mail naar info+parking@x.example.",
    ],
    Personal.PHONE: [
        "Tel.: 09 266 29 20",
        "02/123.45.67",
        "02.123.45.67",
        "bel 050 44 55 66 of kom langs",
        "0478 12 34 56",
        "0478/12.34.56",
        "0478-123-456",
        "gsm 0478123456",
        "+32 478 12 34 56",
        "+32(0)9 266 29 20",
        "0032 9 266 29 20",
        "06-12345678",
        "010-1234567",
        "06 12 34 56 78",
        "03.20.12.34.56",
        "+31 6 12345678",
        "+49 221 12345678",
        "+352 26 12 34 56",
    ],
    Personal.PLATE: [
        "1-ABC-234",
        "2ABC345",
        "1 ABC 234",
        "1-abc-234",
        "voertuig 1-ABC-234 fout geparkeerd",
        "AB-123-CD",
        "99-XX-99",
        "XX-999-X",
        "HH-AB 1234",
        "nummerplaat: ABC 123",
        "kenteken AB12CD",
    ],
    Personal.MAC: [
        "AA:BB:CC:00:11:22",
        "aa-bb-cc-00-11-22",
        "0011.22aa.bbcc",
        "A4CF12B3D4E5",
        "a4cf12b3d4e5",
        "device 70:B3:D5:49:90:00:12:AB",
    ],
}
# What real feeds publish, and what looks a little like the above.
LEFT_ALONE = [
    "",
    "24/7",
    "ma-vr 08.00-18.00, za 09.30-12.30",
    "7 dagen op 7, 06:00 - 22:00",
    "01-12-2023",
    "01.12.2023 10:15",
    "2026-11-23T08:59:30+01:00",
    "2023-10-24 18:53:50.368700+00:00",
    "20-11-23-08-59-30",
    "6efbec5a-6b8c-455b-bed2-8d66be6d6a4b",
    "2b6488755477b6803d3e21072a3dbcff52fb8f806283fc73591c8053e6ad6125",
    "e203ac31a7941dd78ea843e78e7f43737a01474d",
    "H222L10",
    "TR10",
    "R0010721",
    "Sint-Michielsplein 8, 9000 Gent",
    "P+R Wondelgem",
    "N-9 AB 12",
    "E40 richting Brussel km 12",
    "50.8503396",
    "+51.0537123",
    "+49.50123",
    "094,695",
    "10744 - FIDAS 200 - procedure",
    "42R803 - Antwerpen (Park Spoor Noord)",
    "TST:Scooter:1234",
    "BE 0207.500.123",
    "parking-sint-michiels-a33eada7",
    "3452716782",
    "2023-09-07  0:15:00.000",
    "https://stad.gent/nl/mobiliteit-openbare-werken/parkeren/parkings-gent/parking-sint-michiels",
    "POINT (3.719727740000235 51.05311004768356)",
    "@gent",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_personal_data_are_found(kind: Personal, text: str) -> None:
    """Each way of writing them is found, alone and in a sentence, and named by its kind; other kinds do not find it."""
    search = searcher([kind], iri=False)
    assert search is not None
    assert search(text) is kind
    everything = searcher(list(Personal), iri=False)
    assert everything is not None
    assert everything(text) is not None


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_feeds_publish_is_left_alone(text: str) -> None:
    """Times, opening hours, ids, roads, coordinates and addresses of pages are nobody's data."""
    search = searcher(list(Personal), iri=False)
    assert search is not None
    assert search(text) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mailto:jan@x.example", Personal.EMAIL),
        ("tel:+3292662920", Personal.PHONE),
        ("sms:0478123456", Personal.PHONE),
        ("https://x.example/vehicle/1-ABC-234", Personal.PLATE),
        ("https://x.example/device/AA:BB:CC:00:11:22", Personal.MAC),
        ("https://x.example/doc/0478123456", None),
        ("https://x.example/2023/09/26/29-20", None),
    ],
)
def test_addresses_are_read_as_addresses(text: str, kind: Personal | None) -> None:
    """In IRIs numbers are keys; what names a person all the same is found."""
    search = searcher(list(Personal), iri=True)
    assert search is not None
    assert search(text) is kind


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("licensePlate", "abc 12", Personal.PLATE),
        ("nummerplaat", "WXYZ9", Personal.PLATE),
        ("contact_phone", "2662920", Personal.PHONE),
        ("macAddress", "a4cf12b3d4e5", Personal.MAC),
        ("wifi_mac", "001122334455", Personal.MAC),
        ("template", "abc 12", None),
        ("microphone_hours", "24/7", None),
    ],
)
def test_what_the_publisher_calls_it_counts(key: str, text: str, kind: Personal | None) -> None:
    """A value whose own name says what it is needs no tell-tale form."""
    search = searcher(list(Personal), iri=False, key=key)
    assert search is not None
    assert search(text) is kind


def test_nothing_is_looked_for_where_all_is_allowed() -> None:
    """A name with everything allowed costs nothing."""
    assert searcher([], iri=False) is None
    assert searcher([Personal.VEHICLE], iri=False) is None


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("6efbec5a-6b8c-455b-bed2-8d66be6d6a4b", True),
        ("2b6488755477b680", True),
        ("gbfs:bike:a1b2c3d4e5", True),
        ("TST:Scooter:1234", False),
        ("Scooter1234", False),
        ("bike-000123", False),
        ("12345678", False),
        ("1-ABC-234", False),
    ],
)
def test_ids_that_are_drawn_anew_look_random(text: str, random: bool) -> None:
    """Names with a number and running numbers are not drawn; UUIDs and hashes are."""
    assert looks_random(text) is random


def test_hidden_ids_hold_for_a_day() -> None:
    """One id is one hidden id all day and another the next; other ids and other secrets give others; no value stays none."""
    day = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
    salt = b"0123456789abcdef"
    first = rotated("TST:Scooter:1234", day, salt)
    assert first == rotated("TST:Scooter:1234", day + timedelta(hours=23, minutes=59), salt)
    others = [
        rotated("TST:Scooter:1235", day, salt),
        rotated("TST:Scooter:1234", day, salt[::-1]),
        rotated("TST:Scooter:1234", day + timedelta(days=1), salt),
    ]
    assert len({each.partition("-")[2] for each in (first, *others)}) == 4
    assert first.startswith("20261123-")
    assert not is_of_another_day(first, day)
    assert is_of_another_day(first, day + timedelta(days=1))
    assert (rotated(None, day, salt), rotated("", day, salt)) == (None, "")
    assert rotated(7, day, salt) == rotated("7", day, salt)


# Without what JSON escapes with letters of its own.
_TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=3)


@given(st.recursive(_TEXTS | st.integers(min_value=100), lambda inner: st.lists(inner, max_size=3)))
def test_what_is_masked_keeps_no_letter_and_no_digit(value: object) -> None:
    """Of a masked value only the shape is left: no letter but a, no digit but 9."""
    kept = {it for it in json.dumps(masked(value), ensure_ascii=False) if it.isalpha() or it.isdigit()}
    assert kept <= {"a", "9"}


def test_a_shape_is_told() -> None:
    """What people need to recognise a field in a refusal is there."""
    given = {"plate": "1-ABC-234", "n": 12, "ok": True, "none": None}
    assert masked(given) == {"plate": "9-aaa-999", "n": "99", "ok": True, "none": None}
