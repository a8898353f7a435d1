"""The reference of the mapping's budget: members as somebody writes them who knows two feeds by heart and trusts them."""

from __future__ import annotations

from typing import Any

import orjson

from tests.unit.ingest.workbench import BASE

_LICENCE = "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"
_VALIDITY = {"0": "regular", "1": "irregular", "2": "very-irregular", "3": "defect"}
_CLASSES = {"1": "motorcycle", "2": "car", "3": "van", "4": "truck", "5": "articulated"}


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def garage(item: dict[str, Any], name: str, observed: str) -> bytes:
    """Write a car park as one f-string: the same bytes, of an identity and a time that are given ready-made."""
    place = f"POINT ({item['location']['lon']!r} {item['location']['lat']!r})"
    free, total = item["availablecapacity"], item["totalcapacity"]
    return (
        f'{{"@id":"{BASE}/{name}",'
        f'"@type":["ParkingFacility","{item["type"]}"],"isVersionOf":"{item["id"]}","observedAt":"{observed}",'
        f'"name":{{"nl":{_quoted(item["name"])}}},"description":{{"nl":{_quoted(item["description"])}}},"freeSpaces":{free},'
        f'"totalSpaces":{total},"occupancy":{float(item["occupation"])!r},'
        f'"openNow":{"true" if item["isopennow"] else "false"},'
        f'"temporarilyClosed":{"true" if item["temporaryclosed"] else "false"},'
        f'"capacity":[{{"@type":"Capacity","totalCapacity":{total}}},'
        f'{{"@type":"RealTimeCapacity","currentValue":{free}}}],'
        f'"operator":{{"@type":"Agent","label":{_quoted(item["operatorinformation"])}}},'
        f'"openingHours":{{"@type":"OpeningHoursSpecification","label":{_quoted(item["openingtimesdescription"])}}},'
        f'"geometry":{{"@type":"Point","wkt":"{place}"}},'
        f'"attributedTo":"https://data.vlaanderen.be/id/organisatie/OVO002067",'
        f'"license":"{_LICENCE}"}}'
    ).encode()


def lane(item: dict[str, Any], observed: str, end: str, result: str) -> bytes:
    """Write a lane's minute as f-strings: the same bytes, of three times that are given ready-made; `observed` both ways.

    It knows that speeds are whole numbers, which of them mean none, and that everything is there.
    """
    at, path = observed.split(" ")
    key, data = item["@unieke_id"], item["rekendata"]
    member = f"{BASE}/miv-verkeer/members/{key}/{path}"
    point = f"{BASE}/miv-meetpunten/entities/{key}"
    start = f',{{"@type":["Verkeersmeting","Measurement","Observation"],"memberOf":"{member}","kenmerk":"'
    counts, means, harmonics = [], [], []
    for part in item["meetdata"]:
        name, count = _CLASSES[part["@klasse_id"]], part["verkeersintensiteit"]
        mean, harmonic = part["voertuigsnelheid_rekenkundig"], part["voertuigsnelheid_harmonisch"]
        counts.append(
            f',{{"@type":["Verkeersmeting","Count","Observation"],"memberOf":"{member}","kenmerk":"{name}-count",'
            f'"property":"{name}-count","vehicleClass":"{name}","count":{count}}}'
        )
        if count != "0" and mean not in ("251", "252", "254"):
            means.append(
                f'{start}{name}-mean-speed","property":"{name}-mean-speed","vehicleClass":"{name}",'
                f'"result":{mean}.0,"unit":"km/h"}}'
            )
        if count != "0" and harmonic not in ("0", "251", "252", "254"):
            harmonics.append(
                f'{start}{name}-harmonic-speed","property":"{name}-harmonic-speed","vehicleClass":"{name}",'
                f'"result":{harmonic}.0,"unit":"km/h"}}'
            )
    observations = "".join((*counts, *means, *harmonics))
    return (
        f'{{"@id":"{member}","@type":["Verkeersmetingverzameling","ObservationCollection"],"measuringPoint":"{point}",'
        f'"geobserveerdObject":"{point}","observedAt":"{at}","resultTime":"{result}","phenomenonTime":{{"@type":"Interval",'
        f'"start":{{"@type":"Instant","at":"{at}"}},"end":{{"@type":"Instant","at":"{end}"}}}},'
        f'"validity":"{_VALIDITY[item["geldig"]]}","current":{"true" if item["actueel_publicatie"] == "1" else "false"},'
        f'"observations":[{observations[1:]}'
        f'{start}lane-occupancy","property":"lane-occupancy","result":{data["bezettingsgraad"]}.0,"unit":"%"}}'
        f'{start}lane-availability","property":"lane-availability","result":{data["beschikbaarheidsgraad"]}.0,"unit":"%"}}'
        f'{start}lane-turbulence","property":"lane-turbulence","result":{data["onrustigheid"]}.0,"unit":"km2/h2"}}],'
        f'"attributedTo":"https://www.verkeerscentrum.be/","license":"{_LICENCE}"}}'
    ).encode()
