"""XML: items of lists inside lists, values of the root however deep, DATEX II of both versions, and any other document."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders.items import Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import dig, parse_each, parse_path
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, values

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=6).map(str.strip)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.tuples(
        st.dictionaries(st.sampled_from(["id", "version"]), TEXTS, max_size=2),
        st.lists(st.tuples(st.sampled_from(["name", "value", "part"]), inner), min_size=1, max_size=3),
    ),
    max_leaves=8,
)
PARKING = """<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    modelBaseVersion="2"><payloadPublication xsi:type="GenericPublication" lang="nl">
  <publicationTime>2026-11-01T10:01:00+01:00</publicationTime>
  <genericPublicationExtension><parkingStatusPublication>
    <parkingRecordStatus xsi:type="ParkingSiteStatus"><parkingRecordReference id="P10" version="1"/>
      <parkingStatusOriginTime>2026-11-01T10:00:04+01:00</parkingStatusOriginTime>
      <parkingOccupancy><parkingNumberOfVacantSpaces>88</parkingNumberOfVacantSpaces></parkingOccupancy>
      <parkingSiteOpeningStatus>open</parkingSiteOpeningStatus></parkingRecordStatus>
    <parkingRecordStatus><parkingRecordReference id="P7" version="1"/></parkingRecordStatus>
  </parkingStatusPublication></genericPublicationExtension></payloadPublication></d2LogicalModel>"""
SITUATION = """<mc:messageContainer xmlns:mc="http://datex2.eu/schema/3/messageContainer"
    xmlns:sit="http://datex2.eu/schema/3/situation" xmlns:com="http://datex2.eu/schema/3/common"
    xmlns:loc="http://datex2.eu/schema/3/locationReferencing" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <mc:payload xsi:type="sit:SituationPublication" lang="nl" modelBaseVersion="3">
    <com:publicationTime>2026-11-01T09:00:00Z</com:publicationTime>
    <sit:situation id="S1"><sit:overallSeverity>high</sit:overallSeverity>
      <sit:situationRecord xsi:type="sit:MaintenanceWorks" id="R1" version="3">
        <sit:situationRecordVersionTime>2026-11-01T08:00:00Z</sit:situationRecordVersionTime>
        <sit:groupOfLocations xsi:type="loc:PointLocation"><loc:latitude>51.05</loc:latitude></sit:groupOfLocations>
      </sit:situationRecord>
      <sit:situationRecord xsi:type="sit:Accident" id="R2" version="1"/></sit:situation>
    <sit:situation id="S2"><sit:situationRecord xsi:type="sit:AbnormalTraffic" id="R3" version="1"/></sit:situation>
    <sit:situation id="S3"/>
  </mc:payload></mc:messageContainer>"""
MEASURED = """<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <payloadPublication xsi:type="MeasuredDataPublication"><siteMeasurements>
    <measurementSiteReference id="NDW01" version="1"/><measurementTimeDefault>2026-11-01T09:00:00Z</measurementTimeDefault>
    <measuredValue index="1"><measuredValue><basicData xsi:type="TrafficFlow"><vehicleFlow>
      <vehicleFlowRate>240</vehicleFlowRate></vehicleFlow></basicData></measuredValue></measuredValue>
    <measuredValue index="2"><measuredValue><basicData xsi:type="TrafficSpeed"><averageVehicleSpeed>
      <speed>88</speed></averageVehicleSpeed></basicData></measuredValue></measuredValue>
  </siteMeasurements></payloadPublication></d2LogicalModel>"""
STATUSES = (
    "d2LogicalModel.payloadPublication.genericPublicationExtension.parkingStatusPublication.parkingRecordStatus[*]"
)
RECORDS = "messageContainer.payload.situation[*].situationRecord[*]"


def built(name: str, tree: Any) -> ET.Element:
    """Build an element of a drawn tree, in a namespace."""
    element = ET.Element(f"{{urn:x}}{name}")
    if isinstance(tree, str):
        element.text = tree
        return element
    attributes, children = tree
    element.attrib.update(attributes)
    element.extend([built(child, inner) for child, inner in children])
    return element


def as_value(tree: Any) -> Any:
    """Say what a drawn tree is as an item."""
    if isinstance(tree, str):
        return tree
    attributes, children = tree
    found: dict[str, Any] = {f"@{key}": value for key, value in attributes.items()}
    for name in dict.fromkeys(name for name, _ in children):
        inner = [as_value(tree) for child, tree in children if child == name]
        found[name] = inner[0] if len(inner) == 1 else inner
    return found


@given(trees=st.lists(TREES, max_size=4))
def test_any_document_is_read_as_another_library_wrote_it(trees: list[Any]) -> None:
    """Attributes, texts, nesting and repetition of whatever another library writes are in the items, without namespaces."""
    root = ET.Element("{urn:x}root")
    root.extend([built("it", tree) for tree in trees])
    found = read(ET.tostring(root), "root.it[*]", media_type="application/xml")
    assert (values(found), breaks(found)) == ([as_value(tree) for tree in trees], [])


@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_lists_inside_lists_are_counted_as_another_library_counts(sizes: list[int]) -> None:
    """Every inner element is an item with what is around it; a list that is nowhere is one break."""
    root = ET.Element("root")
    for number, size in enumerate(sizes):
        outer = ET.SubElement(root, "outer", id=str(number))
        for at in range(size):
            ET.SubElement(outer, "inner", n=str(at))
    body = ET.tostring(root)
    found = read(body, "root.outer[*].inner[*]", media_type="text/xml")
    tree = ET.fromstring(body)
    assert len(values(found)) == len(tree.findall("outer/inner"))
    assert [it["^"]["@id"] for it in values(found)] == [it.get("id") for it in tree.findall("outer") for _ in it]
    assert len(breaks(found)) == (sum(sizes) == 0)


def test_parking_of_datex_2_is_read() -> None:
    """The status of a site has its reference, its own time and its numbers; the publication's time is at the root."""
    each, paths = (parse_each(STATUSES),), frozenset({("payloadPublication", "publicationTime")})
    wanted = Wanted(each=each, root_paths=paths | {("payloadPublication", "@lang")})
    first, second = (it for it in decode(PARKING.encode(), "text/xml", wanted) if isinstance(it, Item))
    assert dig(first.value, parse_path("parkingRecordReference.@id").steps) == "P10"
    assert dig(first.value, parse_path("parkingOccupancy.parkingNumberOfVacantSpaces").steps) == "88"
    assert first.value["@type"] == "ParkingSiteStatus"
    assert dig(second.root, ("payloadPublication", "publicationTime")) == "2026-11-01T10:01:00+01:00"
    assert dig(second.root, ("payloadPublication", "@lang")) == "nl"
    assert second.root["@modelBaseVersion"] == "2"


def test_situations_of_datex_3_are_read_record_by_record() -> None:
    """Records know their situation; their kind has no prefix, which is the document's own business."""
    found = read(SITUATION.encode(), RECORDS, media_type="application/xml")
    assert [(it["@id"], it["@type"], it["^"]["@id"]) for it in values(found)] == [
        ("R1", "MaintenanceWorks", "S1"),
        ("R2", "Accident", "S1"),
        ("R3", "AbnormalTraffic", "S2"),
    ]
    assert values(found)[0]["groupOfLocations"] == {"@type": "PointLocation", "latitude": "51.05"}
    assert values(found)[1]["^"]["overallSeverity"] == "high"
    assert isinstance(found[1], Item)
    assert found[1].path == "/messageContainer/payload/situation[1]/situationRecord[2]"
    other = SITUATION.replace("sit:", "s:").replace("xmlns:sit", "xmlns:s")
    assert values(read(other.encode(), RECORDS, media_type="application/xml")) == values(found)


def test_measured_values_are_found_by_their_index() -> None:
    """A site's values are chosen by the index that the site table explains."""
    each = "d2LogicalModel.payloadPublication.siteMeasurements[*]"
    (site,) = values(read(MEASURED.encode(), each, media_type="text/xml"))
    flow = "measuredValue[@index=1].measuredValue.basicData.vehicleFlow.vehicleFlowRate"
    speed = "measuredValue[@index=2].measuredValue.basicData.averageVehicleSpeed.speed"
    assert [dig(site, parse_path(path).steps) for path in (flow, speed)] == ["240", "88"]
    every = read(MEASURED.encode(), f"{each}.measuredValue[*]", media_type="text/xml")
    assert [it["measuredValue"]["basicData"]["@type"] for it in values(every)] == ["TrafficFlow", "TrafficSpeed"]


@pytest.mark.parametrize("kept", range(200, len(SITUATION) - 30, 97))
def test_a_truncated_publication_keeps_whole_situations(kept: int) -> None:
    """Records of situations that were closed go through, and the break says where the document ends."""
    found = read(SITUATION[:kept].encode(), RECORDS, media_type="application/xml")
    closed = SITUATION[:kept].count("</sit:situation>")
    assert [it["^"]["@id"] for it in values(found)] == [[], ["S1", "S1"], ["S1", "S1", "S2"]][closed]
    assert breaks(found)[-1].reason is Reason.MALFORMED


def test_a_changed_structure_inside_is_told() -> None:
    """Situations without a single record are one break that names the list."""
    body = SITUATION.replace("situationRecord", "record")
    (only,) = breaks(read(body.encode(), RECORDS, media_type="application/xml"))
    assert (only.reason, "situationRecord" in only.detail) == (Reason.STRUCTURE, True)
