"""The table of cities: complete, with codes and boxes that fit each other."""

from __future__ import annotations

import pytest

from vocab.cities import CITIES, Box, slug_of


def test_the_centre_cities_and_brussels_are_there() -> None:
    """All fourteen cities have a code, an IRI and a box in Flanders or Brussels; no code, IRI or name is there twice."""
    assert len(CITIES) == 14
    belgium = Box(west=2.5, south=50.6, east=6.0, north=51.6)
    for slug, city in CITIES.items():
        assert city.slug == slug == slug_of(city.name)
        assert len(city.nis) == 5
        assert belgium.holds(city.box.west, city.box.south)
        assert belgium.holds(city.box.east, city.box.north)
    for field in ("nis", "iri", "name", "box"):
        assert len({str(getattr(city, field)) for city in CITIES.values()}) == 14
    organisations = [city.publisher_iri for city in CITIES.values() if city.publisher_iri]
    assert len(set(organisations)) == 13


def test_a_box_holds_its_edges_and_refuses_what_is_none() -> None:
    """Places on the edge are in; edges in the wrong order or off the globe are no box."""
    box = Box(west=3.5, south=50.9, east=3.9, north=51.2)
    assert box.holds(3.5, 51.2)
    assert not box.holds(3.49, 51.0)
    assert str(box) == "3.5, 50.9, 3.9, 51.2"
    for edges in ((3.9, 50.9, 3.5, 51.2), (3.5, 51.2, 3.9, 50.9), (-181, 0, 0, 1), (0, 0, float("nan"), 1)):
        with pytest.raises(ValueError, match="no box on earth"):
            Box(west=edges[0], south=edges[1], east=edges[2], north=edges[3])


@pytest.mark.parametrize(
    ("name", "slug"), [("Sint-Niklaas", "sint-niklaas"), ("De Haan", "de-haan"), ("Liège", "liege"), ("!", "")]
)
def test_names_become_words_for_folders(name: str, slug: str) -> None:
    """A name is written in small letters, digits and hyphens."""
    assert slug_of(name) == slug
