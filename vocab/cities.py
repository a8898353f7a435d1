"""The cities of the programme: the thirteen Flemish centre cities and Brussels, with their codes, IRIs and boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from unicodedata import normalize

_MUNICIPALITY = "https://data.vlaanderen.be/id/gemeente/"
_ORGANISATION = "https://data.vlaanderen.be/id/organisatie/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of the map in WGS 84: degrees, edges included. Refuses one that is empty or not on the globe."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        """Refuse edges in the wrong order."""
        if not (-180 <= self.west < self.east <= 180 and -90 <= self.south < self.north <= 90):
            raise ValueError(
                f"no box on earth: west {self.west}, south {self.south}, east {self.east}, north {self.north}"
            )

    def holds(self, longitude: float, latitude: float) -> bool:
        """Say whether a place is in the box."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north

    def __str__(self) -> str:
        return ", ".join(f"{edge:g}" for edge in (self.west, self.south, self.east, self.north))


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """One city: `slug` names its folder, `nis` is its code in the statistics, `iri` identifies its area.

    The publisher is the city's own organisation; its IRI is empty where no register of ours lists it. Codes change when
    municipalities merge: the slug is the key that stays.
    """

    slug: str
    name: str
    nis: str
    iri: str
    publisher_name: str
    publisher_iri: str
    box: Box


def _city(name: str, nis: str, organisation: str, *edges: float) -> City:
    west, south, east, north = edges
    return City(
        slug=slug_of(name),
        name=name,
        nis=nis,
        iri=f"{_MUNICIPALITY}{nis}",
        publisher_name=f"Stad {name}",
        publisher_iri=f"{_ORGANISATION}{organisation}",
        box=Box(west=west, south=south, east=east, north=north),
    )


def slug_of(name: str) -> str:
    """Write a name as folders and identifiers have it: small letters, digits and hyphens; empty when none is left."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


# NIS and OVO codes of the Flemish registers as of 2025, boxes of the municipalities as of 2024: that of Hasselt is older
# than its merger with Kortessem, that of Brussels is the capital region's, rounded.
CITIES: Mapping[str, City] = {
    city.slug: city
    for city in (
        _city("Aalst", "41002", "OVO001992", 3.982, 50.899, 4.163, 50.995),
        _city("Antwerpen", "11002", "OVO001999", 4.217, 51.143, 4.498, 51.378),
        _city("Brugge", "31005", "OVO002037", 3.134, 51.158, 3.310, 51.363),
        _city("Genk", "71016", "OVO002066", 5.385, 50.913, 5.595, 51.021),
        _city("Gent", "44021", "OVO002067", 3.580, 50.980, 3.849, 51.189),
        _city("Hasselt", "71072", "OVO002083", 5.212, 50.868, 5.415, 50.982),
        _city("Kortrijk", "34022", "OVO002133", 3.201, 50.731, 3.359, 50.875),
        _city("Leuven", "24062", "OVO002149", 4.640, 50.824, 4.770, 50.944),
        _city("Mechelen", "12025", "OVO002172", 4.370, 50.991, 4.549, 51.079),
        _city("Oostende", "35013", "OVO002197", 2.839, 51.185, 3.004, 51.246),
        _city("Roeselare", "36015", "OVO002220", 3.062, 50.887, 3.178, 50.994),
        _city("Sint-Niklaas", "46021", "OVO002237", 3.985, 51.130, 4.222, 51.208),
        _city("Turnhout", "13040", "OVO002255", 4.889, 51.262, 4.985, 51.395),
        City(
            slug="brussel",
            name="Brussel",
            nis="04000",
            iri="http://data.europa.eu/nuts/code/BE10",
            publisher_name="",
            publisher_iri="",
            box=Box(west=4.24, south=50.76, east=4.48, north=50.91),
        ),
    )
}
