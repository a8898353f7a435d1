"""Every model in the words of other worlds: its example as an NGSI-LD entity and as SensorThings, by table alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ldes_server.model import Published, Stream
from ldes_server.ngsi_ld.entity import Teller as Ngsi
from ldes_server.ngsi_ld.entity import concise, simplified
from ldes_server.sensorthings.entity import Teller as Things
from ldes_server.sensorthings.scope import Names
from streams.record import Point
from vocab.alignment import GEO_PROPERTY, PROPERTY, RELATIONSHIP
from vocab.flat import Flat, compile_flat
from vocab.model import load_model, model_names

_SCHEMAS = Path("/work/shared/reference-models/smart-data-models")
_BASE = "https://data.example.org"
every_model = pytest.mark.parametrize("name", model_names())


def told(name: str) -> tuple[Stream, Flat, Published]:
    """Return a stream of a model, its rows, and the model's example as a member with a place."""
    model = load_model(name)
    stream = Stream(
        name=f"city-{name}",
        model=model,
        title={"nl": name, "en": name},
        description={"nl": name, "en": name},
        publisher_name="Stad",
        publisher_iri=f"{_BASE}/stad",
        licence=f"{_BASE}/licentie",
    )
    body = json.loads(model.example)
    del body["@context"]
    member = Published(
        sequence=3,
        published_at=datetime(2026, 11, 23, 8, 1, tzinfo=UTC),
        id=urlsplit(body["@id"]).path[1:],
        entity=f"{_BASE}/city-{name}/entities/thing",
        observed_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
        point=Point(longitude=3.72, latitude=51.05),
        body=json.dumps(body).encode(),
    )
    return stream, compile_flat(model), member


@every_model
def test_an_example_is_a_whole_entity(name: str) -> None:
    """Each attribute of the alignment that the example has a value for must be there, well-formed as its kind says."""
    stream, flat, member = told(name)
    alignment = stream.model.alignment
    entity = Ngsi(stream, flat).entity(member)
    assert (entity.pop("id"), entity.pop("type")) == (member.entity, alignment.type)
    assert entity.keys() <= {attribute.name for attribute in alignment.attributes.values()}
    row = dict(zip(flat.names, flat.row(json.loads(member.body)), strict=True))
    for each, attribute in alignment.attributes.items():
        if row.get(each) is not None and not attribute.values:
            assert attribute.name in entity
    for said in entity.values():
        for instance in said if isinstance(said, list) else [said]:
            assert instance["observedAt"] == "2026-11-23T08:00:00.000Z"
            assert {PROPERTY: "value", GEO_PROPERTY: "value", RELATIONSHIP: "object"}[instance["type"]] in instance
            for iri in (instance.get("object"), instance.get("datasetId")):
                assert iri is None or urlsplit(iri).scheme
    assert simplified(entity).keys() == concise(entity).keys() == entity.keys()


@every_model
def test_an_example_is_valid_by_the_published_schema(name: str) -> None:
    """The entity of the example, each of a group's classes by itself, must be valid by the schema of its type."""
    stream, flat, member = told(name)
    found = list(_SCHEMAS.glob(f"*/{stream.model.alignment.type}.schema.json"))
    if not found:
        pytest.skip(f"there is no schema of {stream.model.alignment.type} here")
    validator = jsonschema.Draft202012Validator(
        json.loads(found[0].read_bytes()), registry=_elsewhere(), format_checker=jsonschema.FormatChecker()
    )
    for entity in _by_class(Ngsi(stream, flat).entity(member)):
        validator.validate(entity)


def _by_class(entity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return an entity as key-values, once for each dataset of its instances."""
    instances = {name: said if isinstance(said, list) else [said] for name, said in entity.items()}
    datasets = {each["datasetId"] for said in instances.values() for each in said if "datasetId" in each}
    for dataset in sorted(datasets) or [None]:
        chosen: dict[str, Any] = {}
        for name, said in instances.items():
            for each in said:
                if isinstance(each, str) or each.get("datasetId") in (None, dataset):
                    chosen[name] = each
        yield simplified(chosen)


def _elsewhere() -> Any:
    """Return what the schemas refer to at other addresses: id, location and address, as loosely as nobody reads them here."""
    point = {"type": "object", "required": ["type", "coordinates"]}
    location = {"properties": {"location": point, "address": {"type": "object"}}}
    commons = {
        "GSMA-Commons": {"properties": {"id": {"format": "uri"}}},
        "Location-Commons": location,
        "Contact-Commons": {"properties": {"contactPoint": {"type": "object"}}},
        "PhysicalObject-Commons": {},
        "dateObserved": {"type": "string"},
        "timeInstant": {"type": "string"},
    }
    addresses = {
        "https://smart-data-models.github.io/data-models/common-schema.json": commons,
        "https://raw.githubusercontent.com/smart-data-models/dataModel.Environment/master/Environment-schema.json": {
            "airQualityLevel": {}
        },
    }
    resources = [
        (address, Resource.from_contents({"definitions": found}, default_specification=DRAFT202012))
        for address, found in addresses.items()
    ]
    return Registry().with_resources(resources)


@every_model
def test_an_example_is_observed_as_its_table_says(name: str) -> None:
    """Each Datastream must have its label, type and unit, and an observation exactly where the example has a value."""
    stream, flat, member = told(name)
    teller = Things(stream, flat, Names(_BASE), _BASE)
    assert {column.flat.field.name for column in teller.columns} == set(stream.model.alignment.datastreams)
    row = teller.row(member)
    seen = 0
    for column in teller.columns:
        datastream = teller.datastream(member, column)
        assert datastream["name"].startswith(column.label)
        assert datastream["observationType"].startswith("http://www.opengis.net/def/observationType/")
        assert (datastream["unitOfMeasurement"]["symbol"] or None) in (None, column.flat.field.unit)
        assert urlsplit(teller.observed_property(column)["definition"]).scheme
        observation = teller.observation(member, column, row)
        assert (observation is None) == (row[column.index] is None)
        seen += observation is not None
    assert seen or not teller.columns
    assert teller.location(member) is not None
    assert teller.location(member._replace(point=None)) is None
