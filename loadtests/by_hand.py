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


def parking_member(item: Mapping[str, Any], slugs: Mapping[str, str]) -> str:
    """Write a garage of Gent as a member: the same bytes as the platform. `slugs` are the short names of its entities."""
    page, at = item["id"], _utc(item["lastupdate"])
    place = f"POINT ({item['location']['lon']!r} {item['location']['lat']!r})"
    free, total = item["availablecapacity"], item["totalcapacity"]
    return (
        f'{{"@id":"{BASE}/gent-parking/members/{slugs[page]}/{_tight(at)}Z",'
        f'"@type":["ParkingFacility","{item["type"]}"],"isVersionOf":"{page}","observedAt":"{at}.000Z",'
        f'"name":{{"nl":{_quoted(item["name"])}}},"description":{{"nl":{_quoted(item["description"])}}},"freeSpaces":{free},'
        f'"totalSpaces":{total},"occupancy":{float(item["occupation"])!r},'
        f'"openNow":{"true" if item["isopennow"] else "false"},'
        f'"temporarilyClosed":{"true" if item["temporaryclosed"] else "false"},'
        f'"capacity":[{{"@type":"Capacity","totalCapacity":{total}}},'
        f'{{"@type":"RealTimeCapacity","currentValue":{free}}}],'
        f'"operator":{{"@type":"Agent","label":{_quoted(item["operatorinformation"])}}},'
        f'"openingHours":{{"@type":"OpeningHoursSpecification","label":{_quoted(item["openingtimesdescription"])}}},'
        f'"page":{_quoted(item["urllinkaddress"])},'
        f'"geometry":{{"@type":"Point","wkt":"{place}"}},'
        f'"attributedTo":"https://data.vlaanderen.be/id/organisatie/OVO002067",'
        f'"license":"https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"}}'
    )


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


_MINUTE = timedelta(minutes=1)
_NAMES = {"1": "motorcycle", "2": "car", "3": "van", "4": "truck", "5": "articulated"}
_NO_SPEED = {"0", "251", "252", "254"}
_VALIDITY = {"0": "regular", "1": "irregular", "2": "very-irregular", "3": "defect"}


def traffic_member(item: Mapping[str, Any]) -> str:
    """Write a lane's minute of MIV as a member: the same bytes as the platform."""
    lane, moment = item["@unieke_id"], datetime.fromisoformat(item["tijd_waarneming"]).astimezone(UTC)
    start = moment.isoformat()[:19]
    at, end, result = (
        f"{start}.000Z",
        f"{(moment + _MINUTE).isoformat()[:19]}.000Z",
        f"{_utc(item['tijd_laatst_gewijzigd'])}.000Z",
    )
    own, point = f"{BASE}/miv-verkeer/members/{lane}/{_tight(start)}Z", f"{BASE}/miv-meetpunten/entities/{lane}"
    classes, lane_wide = item["meetdata"], item["rekendata"]
    observations = [
        f'{{"@type":["Verkeersmeting","Count","Observation"],"memberOf":"{own}","kenmerk":"{(n := _NAMES[c["@klasse_id"]])}-count",'
        f'"property":"{n}-count","vehicleClass":"{n}","count":{c["verkeersintensiteit"]}}}'
        for c in classes
    ]
    for kind, key in (("mean", "voertuigsnelheid_rekenkundig"), ("harmonic", "voertuigsnelheid_harmonisch")):
        observations += [
            f'{{"@type":["Verkeersmeting","Measurement","Observation"],"memberOf":"{own}","kenmerk":"{(n := _NAMES[c["@klasse_id"]])}-{kind}-speed",'
            f'"property":"{n}-{kind}-speed","vehicleClass":"{n}","result":{c[key]}.0,"unit":"km/h"}}'
            for c in classes
            if c["verkeersintensiteit"] != "0" and c[key] not in _NO_SPEED
        ]
    for kind, key, unit in (
        ("occupancy", "bezettingsgraad", "%"),
        ("availability", "beschikbaarheidsgraad", "%"),
        ("turbulence", "onrustigheid", "km2/h2"),
    ):
        observations.append(
            f'{{"@type":["Verkeersmeting","Measurement","Observation"],"memberOf":"{own}","kenmerk":"lane-{kind}",'
            f'"property":"lane-{kind}","result":{lane_wide[key]}.0,"unit":"{unit}"}}'
        )
    return (
        f'{{"@id":"{own}","@type":["Verkeersmetingverzameling","ObservationCollection"],"measuringPoint":"{point}",'
        f'"geobserveerdObject":"{point}","observedAt":"{at}","resultTime":"{result}",'
        f'"phenomenonTime":{{"@type":"Interval","start":{{"@type":"Instant","at":"{at}"}},"end":{{"@type":"Instant","at":"{end}"}}}},'
        f'"validity":"{_VALIDITY[item["geldig"]]}","current":{"true" if item["actueel_publicatie"] == "1" else "false"},'
        f'"observations":[{",".join(observations)}],"attributedTo":"https://www.verkeerscentrum.be/",'
        f'"license":"https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"}}'
    )


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
