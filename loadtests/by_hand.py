"""References: what one member costs somebody who knows its structure, trusts it, checks nothing and writes f-strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

# The address that members are written for.
BASE = "https://data.example.org"


def _utc(text: str) -> str:
    """Write a time in UTC to the second, without its zone."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()[:19]


def _tight(text: str) -> str:
    return text.replace("-", "").replace(":", "")


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


_MINUTE = timedelta(minutes=1)
_LICENCE = "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"
_VALIDITY = {"0": "regular", "1": "irregular", "2": "very-irregular", "3": "defect"}
_VEHICLES = {"1": "motorcycle", "2": "car", "3": "van", "4": "truck", "5": "articulated"}


def garage(item: Mapping[str, Any], name: str, observed: str) -> bytes:
    """Write a car park as one f-string: the same bytes, of an identity and a time that are given ready-made."""
    place = f"POINT ({item['location']['lon']!r} {item['location']['lat']!r})"
    free, total = item["availablecapacity"], item["totalcapacity"]
    page = f'"page":{_quoted(item["urllinkaddress"])},' if "urllinkaddress" in item else ""
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
        f'{page}"geometry":{{"@type":"Point","wkt":"{place}"}},'
        f'"attributedTo":"https://data.vlaanderen.be/id/organisatie/OVO002067",'
        f'"license":"{_LICENCE}"}}'
    ).encode()


def lane(item: Mapping[str, Any], observed: str, end: str, result: str) -> bytes:
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
        name, count = _VEHICLES[part["@klasse_id"]], part["verkeersintensiteit"]
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


def garage_with_times(item: Mapping[str, Any], slugs: Mapping[str, str]) -> bytes:
    """Do the same, reading the time as well; `slugs` are the short names of the entities."""
    at = _utc(item["lastupdate"])
    return garage(item, f"gent-parking/members/{slugs[item['id']]}/{_tight(at)}Z", f"{at}.000Z")


def lane_with_times(item: Mapping[str, Any]) -> bytes:
    """Do the same, reading the three times as well."""
    moment = datetime.fromisoformat(item["tijd_waarneming"]).astimezone(UTC)
    start, end = moment.isoformat()[:19], (moment + _MINUTE).isoformat()[:19]
    return lane(item, f"{start}.000Z {_tight(start)}Z", f"{end}.000Z", f"{_utc(item['tijd_laatst_gewijzigd'])}.000Z")


_XSD = "http://www.w3.org/2001/XMLSchema#"
_MV = "http://schema.mobivoc.org/#"
_A = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
_LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"


def parking_ntriples(body: bytes) -> bytes:
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


def traffic_ntriples(body: bytes) -> bytes:
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


def parking_turtle(body: bytes) -> bytes:
    """Write the Turtle of the parking example: the same bytes as the platform."""
    o = orjson.loads(body)
    total, free = o["capacity"]
    return (
        f"<{o['@id']}> a mv:ParkingFacility , mv:ParkingGarage ;\n  dcterms:isVersionOf <{o['isVersionOf']}> ;\n"
        f'  sosa:resultTime "{o["observedAt"]}"^^xsd:dateTime ;\n  rdfs:label "{o["name"]["nl"]}"@nl ;\n'
        f'  dcterms:description "{o["description"]["nl"]}"@nl ;\n'
        f"  datex:parkingNumberOfVacantSpaces {o['freeSpaces']} ;\n  datex:parkingNumberOfSpaces {o['totalSpaces']} ;\n"
        f'  mv:rateOfOccupancy "{_double(o["occupancy"])}"^^xsd:double ;\n  parking:openNow {_boolean(o["openNow"])} ;\n'
        f"  parking:temporarilyClosed {_boolean(o['temporarilyClosed'])} ;\n"
        f"  mv:capacity [ a mv:Capacity ; mv:totalCapacity {total['totalCapacity']} ] ;\n"
        f"  mv:capacity [ a mv:RealTimeCapacity ; mv:currentValue {free['currentValue']} ] ;\n"
        f'  mv:operatedBy [ a dcterms:Agent ; rdfs:label "{o["operator"]["label"]}" ] ;\n'
        f"  schema:openingHoursSpecification [ a schema:OpeningHoursSpecification ; rdfs:label "
        f'"{o["openingHours"]["label"]}" ] ;\n  foaf:page <{o["page"]}> ;\n'
        f'  locn:geometry [ a <http://www.opengis.net/ont/sf#Point> ; geo:asWKT "{o["geometry"]["wkt"]}"^^geo:wktLiteral ] ;\n'
        f"  prov:wasAttributedTo <{o['attributedTo']}> ;\n  dcterms:license <{o['license']}> .\n"
    ).encode()


def traffic_turtle(body: bytes) -> bytes:
    """Write the Turtle of the traffic example: the same bytes as the platform."""
    o = orjson.loads(body)
    interval, stamp = o["phenomenonTime"], "^^xsd:dateTimeStamp"
    parts = [
        (
            f"<{o['@id']}> a vkm:Verkeersmetingverzameling , sosa:ObservationCollection ;\n"
            f"  sosa:hasFeatureOfInterest <{o['measuringPoint']}> ;\n"
            f"  vkm:geobserveerdObject <{o['geobserveerdObject']}> ;\n"
            f'  sosa:startTime "{o["observedAt"]}"^^xsd:dateTime ;\n  sosa:resultTime "{o["resultTime"]}"^^xsd:dateTime ;\n'
            f"  sosa:phenomenonTime [ a time:Interval ; time:hasBeginning [ a time:Instant ; time:inXSDDateTimeStamp "
            f'"{interval["start"]["at"]}"{stamp} ] ; time:hasEnd [ a time:Instant ; time:inXSDDateTimeStamp '
            f'"{interval["end"]["at"]}"{stamp} ] ] ;\n  sosa:resultQuality traffic:{o["validity"]} ;\n'
            f"  traffic:current {_boolean(o['current'])} ;\n"
        )
    ]
    parts += [_turtle_observation(each) for each in o["observations"]]
    parts.append(f"  prov:wasAttributedTo <{o['attributedTo']}> ;\n  dcterms:license <{o['license']}> .\n")
    return "".join(parts).encode()


_TURTLE_CLASSES = {
    name: f"<{iri}>" if "VkmVoertuigType" in iri else f"traffic:{name}" for name, iri in _CLASSES.items()
}


def _turtle_observation(o: dict[str, Any]) -> str:
    kind = "CountObservation#OM_CountObservation" if "count" in o else "Measurement#OM_Measurement"
    text = (
        f"  vkm:heeftLid [ a vkm:Verkeersmeting , <http://def.isotc211.org/iso19156/2011/{kind}> , sosa:Observation ; "
        f"sosa:isMemberOf <{o['memberOf']}> ; vkm:geobserveerdKenmerk traffic:{o['kenmerk']} ; "
        f"sosa:observedProperty traffic:{o['property']} ; "
    )
    if "vehicleClass" in o:
        text += f"vkm:voertuigType {_TURTLE_CLASSES[o['vehicleClass']]} ; "
    if "count" in o:
        return f"{text}sosa:hasSimpleResult {o['count']} ] ;\n"
    return (
        f'{text}sosa:hasSimpleResult "{_double(o["result"])}"^^xsd:double ; '
        f'schema:unitCode "{o["unit"]}"^^cdt:ucumunit ] ;\n'
    )
