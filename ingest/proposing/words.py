"""Words: what the keys of publishers and the names of models mean, in Dutch, English and French; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

# A meaning, and the words that have it. Words that are not here mean themselves.
_MEANINGS: Mapping[str, str] = {
    "free": "free vrij vrije available beschikbaar beschikbare libre libres vacant disponible disponibles availability",
    "space": "space spaces plaats plaatsen spot spots parkeerplaatsen parkeerplaats emplacements slots capacity capaciteit "
    "capacite capaciteiten",
    "total": "total totaal totale totaux",
    "occupancy": "occupancy occupation bezetting bezettingsgraad bezettingspercentage occupied taux bezet",
    "open": "open opened ouvert geopend",
    "closed": "closed gesloten ferme toe",
    "temporary": "temporary temporarily tijdelijk temporaire",
    "name": "name naam nom label titel title benaming volledige",
    "description": "description omschrijving beschrijving desc toelichting",
    "operator": "operator uitbater exploitant gestionnaire uitbating",
    "opening": "opening openings openingsuren openingstijden ouverture",
    "hour": "hour hours uren uur heures heure horaire horaires",
    "time": "time times tijd tijden tijdstip temps date datum timestamp moment ts datetime update updated lastupdate reported seen "
    "waarneming observed measured gemeten meting",
    "url": "url link website web webpagina pagina page uri site href urllink",
    "kind": "type kind soort categorie category sorte form",
    "facility": "facility parking parkings garage garages parkeergarage parkeerterrein carpark",
    "lane": "lane lanes rijstrook rijstroken voie",
    "road": "road weg wegen route ident straat",
    "speed": "speed snelheid vitesse voertuigsnelheid velocity",
    "mean": "mean average gemiddelde gemiddeld moyenne avg rekenkundig rekenkundige arithmetic",
    "harmonic": "harmonic harmonisch harmonische harmonique",
    "count": "count counts aantal aantallen intensity intensiteit verkeersintensiteit telling nombre number volume",
    "class": "class klasse classe categorieen",
    "vehicle": "vehicle vehicles voertuig voertuigen vehicule vehicules",
    "bicycles": "bicycle bicycles bike bikes fiets fietsen fietsers fietser velo velos cyclist cyclists",
    "pedestrians": "pedestrian pedestrians voetganger voetgangers pieton pietons",
    "cars": "car cars auto autos wagens personenwagens voiture voitures",
    "heavy": "heavy truck trucks vracht vrachtwagens vrachtwagen zwaar zware lorries poids lourds",
    "motorcycles": "motorcycle motorcycles motor motors motorfietsen motos",
    "buses": "bus buses bussen",
    "vans": "vans bestelwagens bestelwagen camionnettes",
    "people": "people personen persons personnes visitors bezoekers aanwezigen crowd",
    "temperature": "temperature temperatuur temp temperatur t2m",
    "humidity": "humidity vochtigheid luchtvochtigheid humidite rh",
    "pressure": "pressure druk luchtdruk pression",
    "wind": "wind windsnelheid windkracht vent",
    "gust": "gust gusts windstoot windstoten rafale",
    "direction": "direction richting windrichting sens",
    "precipitation": "precipitation rain neerslag regen pluie precip",
    "solar": "solar zon zonne irradiance globale straling rayonnement",
    "no2": "no2 stikstofdioxide",
    "o3": "o3 ozon ozone",
    "so2": "so2 zwaveldioxide",
    "co": "co koolstofmonoxide",
    "pm10": "pm10 p1 pm100",
    "pm25": "pm25 pm2.5 p2",
    "pm1": "pm1 p0 pm01",
    "black": "black bc zwarte",
    "carbon": "carbon koolstof",
    "level": "level peil waterpeil waterstand stand niveau waterhoogte",
    "discharge": "discharge debiet debit afvoer flow",
    "depth": "depth diepte profondeur",
    "station": "station stations meetstation",
    "validity": "validity geldig geldigheid valide valid quality kwaliteit",
    "availability": "beschikbaarheid beschikbaarheidsgraad disponibilite",
    "turbulence": "turbulence onrustigheid",
    "current": "current actueel actueel_publicatie actuel",
    "end": "end einde tot until fin stop to",
    "start": "start begin van from debut since",
    "result": "result resultaat",
    "changed": "changed gewijzigd modified laatst",
    "id": "id ids identifier uuid guid nr nummer key code unieke uniek unique sleutel ref kenmerk identificatie",
    "dock": "dock docks standplaatsen",
    "renting": "renting verhuur",
    "returning": "returning inlevering",
    "reserved": "reserved gereserveerd",
    "disabled": "disabled defect buitendienst",
    "range": "range bereik rijbereik",
    "charge": "charge fuel battery batterij lading percent_charge",
    "kilometre": "kmp kilometre kilometerpunt",
    "x": "xcoord",
    "y": "ycoord",
    "uptime": "uptime",
    "estimate": "estimate estimated geraamd",
}
# What a key may say besides without meaning anything else.
_EMPTY_WORDS = (
    "is the of de het van der du des la le les en and now nu currently num in information info field value values waarde "
    "waarden data properties fields attributes sensordatavalues last latest real realtime unit address adres adresse"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
# Meanings that say nothing by themselves.
_WEAK = frozenset(("kind", "count", "time", "id"))
_CAMEL = re.compile(r"[A-Z]{1,3}\d+(?:\.\d+)?(?![A-Za-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+(?:\d+(?:[._]\d+)?)?|\d+")
# Letters of a word that stands in a longer one.
_SHORTEST = 2


def _table() -> dict[str, str]:
    return {word: meaning for meaning, words in _MEANINGS.items() for word in (meaning, *words.split())}


_WORDS = _table()
_KNOWN = sorted((word for word in {*_WORDS, *_EMPTY} if len(word) >= _SHORTEST), key=len, reverse=True)


def plain(text: str) -> str:
    """Write a text in small letters without accents."""
    kept = unicodedata.normalize("NFKD", text)
    return "".join(character for character in kept if not unicodedata.combining(character))


@lru_cache(maxsize=4096)
def meanings(text: str) -> frozenset[str]:
    """Return what the words of a key, a name or a label mean; a key of nothing but empty words means these."""
    words = [word for found in _CAMEL.findall(plain(text)) for word in _split(found.lower())]
    told = [word for word in words if word not in _EMPTY] or words
    return frozenset(_meaning(word) for word in told)


def _meaning(word: str) -> str:
    for form in (word, word.removesuffix("s"), word.removesuffix("en"), word.removesuffix("e")):
        if form in _WORDS:
            return _WORDS[form]
    return word.removesuffix("s") if len(word) > _SHORTEST + 1 else word


@lru_cache(maxsize=4096)
def _split(word: str) -> tuple[str, ...]:
    """Split a word that was written together, such as `availablecapacity`, where all of it is made of known words."""
    if word in _WORDS or word in _EMPTY or len(word) < 2 * _SHORTEST:
        return (word,)
    for first in _KNOWN:
        if word.startswith(first) and len(first) < len(word):
            rest = word[len(first) :]
            parts = _split(rest)
            if all(part in _WORDS or part in _EMPTY or part.removesuffix("s") in _WORDS for part in parts):
                return (first, *parts)
    return (word,)


def likeness(one: Collection[str], other: Collection[str]) -> float:
    """Say how much two sets of meanings have in common: 1 for the same, 0 for nothing."""
    common = set(one) & set(other)
    # `type` is a kind of anything; a time is another time.
    if not common or (common <= _WEAK and set(one) != set(other)):
        return 0.0
    return 2 * len(common) / (len(one) + len(other))


def best(told: Iterable[Collection[str]], wanted: Iterable[Collection[str]]) -> float:
    """Return the best likeness between any of what a key tells and any of what a name is called."""
    wishes = list(wanted)
    return max((likeness(one, other) for one in told for other in wishes), default=0.0)
