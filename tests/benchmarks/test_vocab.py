"""The writer's cost as ratios: to text by hand, to orjson alone, to two RDF libraries."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import rdflib
from pyld import jsonld

from vocab.model import load_model

pytestmark = pytest.mark.benchmark

_XSD = "http://www.w3.org/2001/XMLSchema#"
_MV = "http://schema.mobivoc.org/#"
_A = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"


def _parking_by_hand(body: bytes) -> bytes:
    """Write the N-Triples of the parking example as somebody would who knows this one structure and trusts it."""
    o = orjson.loads(body)
    s = f"<{o['@id']}>"
    total, free = o["capacity"]
    return (
        f"{s} {_A} <{_MV}ParkingFacility> .\n"
        f"{s} {_A} <{_MV}ParkingGarage> .\n"
        f"{s} <http://purl.org/dc/terms/isVersionOf> <{o['isVersionOf']}> .\n"
        f'{s} <http://www.w3.org/ns/sosa/resultTime> "{o["observedAt"]}"^^<{_XSD}dateTime> .\n'
        f'{s} {_LABEL} "{o["name"]["nl"]}"@nl .\n'
        f'{s} <http://purl.org/dc/terms/description> "{o["description"]["nl"]}"@nl .\n'
        f'{s} <http://vocab.datex.org/terms#parkingNumberOfVacantSpaces> "{o["freeSpaces"]}"^^<{_XSD}integer> .\n'
        f'{s} <http://vocab.datex.org/terms#parkingNumberOfSpaces> "{o["totalSpaces"]}"^^<{_XSD}integer> .\n'
        f'{s} <{_MV}rateOfOccupancy> "{_double(o["occupancy"])}"^^<{_XSD}double> .\n'
        f'{s} <https://w3id.org/smartflanders/parking#openNow> "{_boolean(o["openNow"])}"^^<{_XSD}boolean> .\n'
        f"{s} <https://w3id.org/smartflanders/parking#temporarilyClosed> "
        f'"{_boolean(o["temporarilyClosed"])}"^^<{_XSD}boolean> .\n'
        f"{s} <{_MV}capacity> _:mn0 .\n_:mn0 {_A} <{_MV}Capacity> .\n"
        f'_:mn0 <{_MV}totalCapacity> "{total["totalCapacity"]}"^^<{_XSD}integer> .\n'
        f"{s} <{_MV}capacity> _:mn1 .\n_:mn1 {_A} <{_MV}RealTimeCapacity> .\n"
        f'_:mn1 <{_MV}currentValue> "{free["currentValue"]}"^^<{_XSD}integer> .\n'
        f"{s} <{_MV}operatedBy> _:mn2 .\n_:mn2 {_A} <http://purl.org/dc/terms/Agent> .\n"
        f'_:mn2 {_LABEL} "{o["operator"]["label"]}" .\n'
        f"{s} <https://schema.org/openingHoursSpecification> _:mn3 .\n"
        f"_:mn3 {_A} <https://schema.org/OpeningHoursSpecification> .\n"
        f'_:mn3 {_LABEL} "{o["openingHours"]["label"]}" .\n'
        f"{s} <http://xmlns.com/foaf/0.1/page> <{o['page']}> .\n"
        f"{s} <http://www.w3.org/ns/locn#geometry> _:mn4 .\n"
        f"_:mn4 {_A} <http://www.opengis.net/ont/sf#Point> .\n_:mn4 <http://www.opengis.net/ont/geosparql#asWKT> "
        f'"{o["geometry"]["wkt"]}"^^<http://www.opengis.net/ont/geosparql#wktLiteral> .\n'
        f"{s} <http://www.w3.org/ns/prov#wasAttributedTo> <{o['attributedTo']}> .\n"
        f"{s} <http://purl.org/dc/terms/license> <{o['license']}> .\n"
    ).encode()


def _traffic_by_hand(body: bytes) -> bytes:
    """Write the N-Triples of the traffic example, structure known and trusted."""
    o = orjson.loads(body)
    s = f"<{o['@id']}>"
    sosa, time, vkm = (
        "http://www.w3.org/ns/sosa/",
        "http://www.w3.org/2006/time#",
        "https://data.vlaanderen.be/ns/verkeersmetingen#",
    )
    own, stamp = "https://w3id.org/smartflanders/traffic#", f"^^<{_XSD}dateTimeStamp>"
    interval = o["phenomenonTime"]
    head = (
        f"{s} {_A} <{vkm}Verkeersmetingverzameling> .\n{s} {_A} <{sosa}ObservationCollection> .\n"
        f"{s} <{sosa}hasFeatureOfInterest> <{o['measuringPoint']}> .\n"
        f"{s} <{vkm}geobserveerdObject> <{o['geobserveerdObject']}> .\n"
        f'{s} <{sosa}startTime> "{o["observedAt"]}"^^<{_XSD}dateTime> .\n'
        f'{s} <{sosa}resultTime> "{o["resultTime"]}"^^<{_XSD}dateTime> .\n'
        f"{s} <{sosa}phenomenonTime> _:mn0 .\n_:mn0 {_A} <{time}Interval> .\n"
        f"_:mn0 <{time}hasBeginning> _:mn1 .\n_:mn1 {_A} <{time}Instant> .\n"
        f'_:mn1 <{time}inXSDDateTimeStamp> "{interval["start"]["at"]}"{stamp} .\n'
        f"_:mn0 <{time}hasEnd> _:mn2 .\n_:mn2 {_A} <{time}Instant> .\n"
        f'_:mn2 <{time}inXSDDateTimeStamp> "{interval["end"]["at"]}"{stamp} .\n'
        f"{s} <{sosa}resultQuality> <{own}{o['validity']}> .\n"
        f'{s} <{own}current> "{_boolean(o["current"])}"^^<{_XSD}boolean> .\n'
    )
    tail = (
        f"{s} <http://www.w3.org/ns/prov#wasAttributedTo> <{o['attributedTo']}> .\n"
        f"{s} <http://purl.org/dc/terms/license> <{o['license']}> .\n"
    )
    each = [_observation_by_hand(s, number, item) for number, item in enumerate(o["observations"], 3)]
    return "".join((head, *each, tail)).encode()


_CLASSES = {
    "car": "https://data.vlaanderen.be/id/concept/VkmVoertuigType/auto",
    "articulated": "https://data.vlaanderen.be/id/concept/VkmVoertuigType/vrachtwagen",
    "van": "https://w3id.org/smartflanders/traffic#van",
    "truck": "https://w3id.org/smartflanders/traffic#truck",
}


def _observation_by_hand(subject: str, number: int, o: dict[str, Any]) -> str:
    sosa, vkm, own = (
        "http://www.w3.org/ns/sosa/",
        "https://data.vlaanderen.be/ns/verkeersmetingen#",
        "https://w3id.org/smartflanders/traffic#",
    )
    s = f"_:mn{number}"
    iso = "http://def.isotc211.org/iso19156/2011/"
    kind = "CountObservation#OM_CountObservation" if "count" in o else "Measurement#OM_Measurement"
    text = (
        f"{subject} <{vkm}heeftLid> {s} .\n{s} {_A} <{vkm}Verkeersmeting> .\n"
        f"{s} {_A} <{iso}{kind}> .\n{s} {_A} <{sosa}Observation> .\n"
        f"{s} <{sosa}isMemberOf> <{o['memberOf']}> .\n"
        f"{s} <{vkm}geobserveerdKenmerk> <{own}{o['kenmerk']}> .\n"
        f"{s} <{sosa}observedProperty> <{own}{o['property']}> .\n"
    )
    if "vehicleClass" in o:
        text += f"{s} <{vkm}voertuigType> <{_CLASSES[o['vehicleClass']]}> .\n"
    if "count" in o:
        return text + f'{s} <{sosa}hasSimpleResult> "{o["count"]}"^^<{_XSD}integer> .\n'
    return (
        f'{text}{s} <{sosa}hasSimpleResult> "{_double(o["result"])}"^^<{_XSD}double> .\n'
        f'{s} <https://schema.org/unitCode> "{o["unit"]}"^^<https://w3id.org/cdt/ucumunit> .\n'
    )


def _double(value: float) -> str:
    mantissa, exponent = f"{value:.15E}".split("E")
    return f"{mantissa.rstrip('0')}{'0' if mantissa.strip('0')[-1] == '.' else ''}E{int(exponent)}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _microseconds(function: Callable[[], object], number: int) -> float:
    function()
    return min(timeit.repeat(function, timer=time.process_time, number=number, repeat=7)) / number * 1e6


@pytest.mark.parametrize(("name", "by_hand"), [("parking", _parking_by_hand), ("traffic", _traffic_by_hand)])
def test_cost_of_one_member(name: str, by_hand: Callable[[bytes], bytes]) -> None:
    """The writer must say what the hand-written text says; its cost is printed beside those of the others."""
    model = load_model(name)
    document = orjson.loads(model.example)
    context = document.pop("@context")
    body = orjson.dumps(document)
    whole = {"@context": context, **document}
    triples = model.writer.ntriples(body, scope="m")
    assert by_hand(body) == triples
    graph = rdflib.Graph().parse(data=triples, format="nt")
    hand = _microseconds(lambda: by_hand(body), 2000)
    costs = {
        "orjson.loads": _microseconds(lambda: orjson.loads(body), 2000),
        "by hand, N-Triples": hand,
        "writer, N-Triples": _microseconds(lambda: model.writer.ntriples(body, scope="m"), 2000),
        "writer, Turtle": _microseconds(lambda: model.writer.turtle(body), 2000),
        "pyld to N-Quads": _microseconds(lambda: jsonld.to_rdf(whole, {"format": "application/n-quads"}), 5),
        "rdflib graph to N-Triples": _microseconds(lambda: graph.serialize(format="nt"), 20),
    }
    print(f"\n{name}: {len(body)} B JSON-LD, {len(triples)} B N-Triples, {len(model.writer.turtle(body))} B Turtle")
    for what, cost in costs.items():
        print(f"  {what:28} {cost:9.1f} us   {hand / cost:7.3f} of the rate by hand")
