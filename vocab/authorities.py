"""Concepts of published authority tables that a catalogue names: their IRIs, and their labels in Dutch and English."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

_EU = "http://publications.europa.eu/resource/authority/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One concept: `iri`, its label in Dutch and in English, and the IRI of the scheme it belongs to (or empty)."""

    iri: str
    nl: str
    en: str
    scheme: str = ""


def _table(name: str, rows: Mapping[str, tuple[str, str]]) -> dict[str, Concept]:
    scheme = f"{_EU}{name}"
    return {code: Concept(iri=f"{scheme}/{code}", nl=nl, en=en, scheme=scheme) for code, (nl, en) in rows.items()}


# The schemes themselves, by IRI.
SCHEMES: Mapping[str, Concept] = {
    concept.iri: concept
    for concept in (
        Concept(iri=f"{_EU}data-theme", nl="Datathema", en="Data theme"),
        Concept(iri=f"{_EU}frequency", nl="Frequentie", en="Frequency"),
        Concept(iri=f"{_EU}language", nl="Taal", en="Language"),
        Concept(iri=f"{_EU}file-type", nl="Bestandstype", en="File type"),
        Concept(iri=f"{_EU}access-right", nl="Toegangsrecht", en="Access right"),
        Concept(iri=f"{_EU}country", nl="Land", en="Country"),
        Concept(iri="http://data.europa.eu/bna/asd487ae75", nl="Categorie van hoogwaardige data", en="HVD category"),
    )
}

THEMES: Mapping[str, Concept] = _table(
    "data-theme",
    {
        "AGRI": ("Landbouw, visserij, bosbouw en voeding", "Agriculture, fisheries, forestry and food"),
        "ECON": ("Economie en financiën", "Economy and finance"),
        "EDUC": ("Onderwijs, cultuur en sport", "Education, culture and sport"),
        "ENER": ("Energie", "Energy"),
        "ENVI": ("Milieu", "Environment"),
        "GOVE": ("Overheid en publieke sector", "Government and public sector"),
        "HEAL": ("Gezondheid", "Health"),
        "INTR": ("Internationale vraagstukken", "International issues"),
        "JUST": ("Justitie, rechtsstelsel en openbare veiligheid", "Justice, legal system and public safety"),
        "REGI": ("Regio's en steden", "Regions and cities"),
        "SOCI": ("Bevolking en samenleving", "Population and society"),
        "TECH": ("Wetenschap en technologie", "Science and technology"),
        "TRAN": ("Vervoer", "Transport"),
    },
)

# The six categories of Implementing Regulation (EU) 2023/138, by the word that a source file uses.
HVD_LAW = "http://data.europa.eu/eli/reg_impl/2023/138/oj"
_HVD_SCHEME = "http://data.europa.eu/bna/asd487ae75"
_HVD = {
    "geospatial": ("c_ac64a52d", "Geospatiaal", "Geospatial"),
    "environment": ("c_dd313021", "Aardobservatie en milieu", "Earth observation and environment"),
    "meteorological": ("c_164e0bf5", "Meteorologisch", "Meteorological"),
    "statistics": ("c_e1da4e07", "Statistiek", "Statistics"),
    "companies": ("c_a9135398", "Bedrijven en eigendom van bedrijven", "Companies and company ownership"),
    "mobility": ("c_b79e35eb", "Mobiliteit", "Mobility"),
}
HVD_CATEGORIES: Mapping[str, Concept] = {
    word: Concept(iri=f"http://data.europa.eu/bna/{code}", nl=nl, en=en, scheme=_HVD_SCHEME)
    for word, (code, nl, en) in _HVD.items()
}

LANGUAGES: Mapping[str, Concept] = _table(
    "language", {"NLD": ("Nederlands", "Dutch"), "ENG": ("Engels", "English"), "FRA": ("Frans", "French")}
)
ACCESS_RIGHTS: Mapping[str, Concept] = _table("access-right", {"PUBLIC": ("publiek", "public")})
COUNTRIES: Mapping[str, Concept] = _table("country", {"BEL": ("België", "Belgium")})

# The file types of the media types that are served.
FILE_TYPES: Mapping[str, Concept] = {
    media: Concept(iri=f"{_EU}file-type/{code}", nl=name, en=name, scheme=f"{_EU}file-type")
    for media, code, name in (
        ("application/ld+json", "JSON_LD", "JSON-LD"),
        ("text/turtle", "RDF_TURTLE", "Turtle"),
        ("application/trig", "RDF_TRIG", "TriG"),
        ("application/n-triples", "RDF_N_TRIPLES", "N-Triples"),
        ("application/n-quads", "RDF_N_QUADS", "N-Quads"),
        ("application/geo+json", "GEOJSON", "GeoJSON"),
        ("text/csv", "CSV", "CSV"),
    )
}

FREQUENCIES: Mapping[str, Concept] = _table(
    "frequency",
    {
        "UPDATE_CONT": ("voortdurend bijgewerkt", "continuously updated"),
        "1MIN": ("elke minuut", "every minute"),
        "5MIN": ("om de vijf minuten", "every five minutes"),
        "10MIN": ("om de tien minuten", "every ten minutes"),
        "15MIN": ("elk kwartier", "every fifteen minutes"),
        "30MIN": ("elk half uur", "every thirty minutes"),
        "HOURLY": ("elk uur", "hourly"),
        "BIHOURLY": ("om de twee uur", "every two hours"),
        "TRIHOURLY": ("om de drie uur", "every three hours"),
        "12HRS": ("om de twaalf uur", "every twelve hours"),
        "DAILY": ("dagelijks", "daily"),
        "WEEKLY": ("wekelijks", "weekly"),
        "MONTHLY": ("maandelijks", "monthly"),
    },
)
_MINUTES = {
    "1MIN": 1,
    "5MIN": 5,
    "10MIN": 10,
    "15MIN": 15,
    "30MIN": 30,
    "HOURLY": 60,
    "BIHOURLY": 120,
    "TRIHOURLY": 180,
    "12HRS": 720,
    "DAILY": 1440,
    "WEEKLY": 10_080,
    "MONTHLY": 43_830,
}


def frequency(every: timedelta) -> Concept:
    """Return the frequency of the EU table that is nearest to a cadence; faster than a minute is "continuously"."""
    minutes = every / timedelta(minutes=1)
    if minutes < 1:
        return FREQUENCIES["UPDATE_CONT"]
    code = min(_MINUTES, key=lambda each: abs(math.log(minutes / _MINUTES[each])))
    return FREQUENCIES[code]
