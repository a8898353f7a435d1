"""Members as entities of SensorThings 1.1 (OGC 18-088, section 8): from the model's shape and alignment; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from ldes_server.model import Published, Stream
from ldes_server.sensorthings.scope import LINKS, Kind, Names
from streams.record import format_time
from vocab.flat import Column as FlatColumn
from vocab.flat import Flat
from vocab.model import Kind as Value
from vocab.places import places

BASE = "/sta/v1.1"
_OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
_TYPES: Mapping[Value, str] = {
    Value.INTEGER: "OM_CountObservation",
    Value.DOUBLE: "OM_Measurement",
    Value.BOOLEAN: "OM_TruthObservation",
    Value.CODE: "OM_CategoryObservation",
}
_UCUM = "http://www.opengis.net/def/uom/UCUM/"
_GEOJSON = "application/geo+json"
# What UCUM codes are called in English.
_UNITS: Mapping[str, str] = {
    "%": "percent", "{#}": "count", "1": "one", "km/h": "kilometre per hour", "km2/h2": "square kilometre per square hour",
    "m/s": "metre per second", "m": "metre", "km": "kilometre", "cm": "centimetre", "mm": "millimetre", "s": "second",
    "min": "minute", "h": "hour", "ms": "millisecond", "Cel": "degree Celsius", "ug/m3": "microgram per cubic metre",
    "mg/m3": "milligram per cubic metre", "[ppb]": "parts per billion", "[ppm]": "parts per million",
    "m3/s": "cubic metre per second", "deg": "degree", "dB[SPL]": "decibel", "hPa": "hectopascal", "V": "volt",
    "kW": "kilowatt", "kWh": "kilowatt hour",
}  # fmt: skip

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A Datastream's values: where they stand in a row, and what the model says of them."""

    name: str
    index: int
    flat: FlatColumn

    @property
    def label(self) -> str:
        """What it is, in English."""
        label = self.flat.field.label.get("en", self.name)
        return f"{label}, {self.flat.code.replace('-', ' ')}" if self.flat.code else label


class Teller:
    """Says members of one stream as entities of SensorThings; `base_url` is the public address."""

    def __init__(self, stream: Stream, flat: Flat, names: Names, base_url: str) -> None:
        self.stream = stream
        self._flat = flat
        self._names = names
        self._base = base_url
        alignment = stream.model.alignment
        self._what = alignment.thing
        self._places = places(stream.model)
        wanted = {name: number for number, name in enumerate(alignment.datastreams)}
        found = [
            Column(name=column.name, index=index, flat=column)
            for index, column in enumerate(flat.columns)
            if column.field.name in wanted
        ]
        self.columns = tuple(sorted(found, key=lambda column: wanted[column.flat.field.name]))
        indexes = {column.name: index for index, column in enumerate(flat.columns)}
        self._name, self._end = indexes.get("name"), indexes.get(alignment.until)

    def column(self, name: str | None) -> Column | None:
        """Return the column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def row(self, member: Published) -> Sequence[Any]:
        """Return a member's values, to be told by columns."""
        return self._flat.row(orjson.loads(member.body))

    def thing(self, member: Published) -> Entity:
        """Return the Thing that a member is a state of."""
        name = self._called(member)
        return self._made(
            Kind.THING,
            self._names.thing(self.stream.name, member.entity),
            name=name,
            description=f"{self._what}: {name}",
            properties={"entity": member.entity, "stream": f"{self._base}/{self.stream.name}"},
        )

    def location(self, member: Published) -> Entity | None:
        """Return where a Thing is; None for one without a place."""
        if member.point is None:
            return None
        name = self._called(member)
        return self._made(
            Kind.LOCATION,
            self._names.thing(self.stream.name, member.entity),
            name=name,
            description=f"place of {self._what} {name}",
            encodingType=_GEOJSON,
            location=_point(member),
        )

    def feature(self, member: Published) -> Entity:
        """Return what is observed: the thing itself, as a feature of GeoJSON."""
        name = self._called(member)
        feature = {"type": "Feature", "geometry": _point(member), "properties": {"entity": member.entity}}
        return self._made(
            Kind.FEATURE_OF_INTEREST,
            self._names.thing(self.stream.name, member.entity),
            name=name,
            description=f"{self._what} {name}",
            encodingType=_GEOJSON,
            feature=feature,
        )

    def datastream(self, member: Published, column: Column) -> Entity:
        """Return what is observed of one name of one Thing."""
        field, name = column.flat.field, self._called(member)
        number = field.kind in (Value.INTEGER, Value.DOUBLE)
        unit = field.unit if number else None
        return self._made(
            Kind.DATASTREAM,
            f"{self._names.thing(self.stream.name, member.entity)}:{column.name}",
            name=f"{column.label}: {name}",
            description=field.description.get("en", column.label),
            observationType=_OM + _TYPES.get(field.kind, "OM_Observation"),
            unitOfMeasurement={
                "name": _UNITS.get(unit, unit) if unit else None,
                "symbol": unit,
                "definition": _UCUM + quote(unit, safe="") if unit else None,
            },
            properties={"licence": self.stream.licence},
        )

    def sensor(self) -> Entity:
        """Return what observes: the stream's source, described by its reference model."""
        stream = self.stream
        return self._made(
            Kind.SENSOR,
            stream.name,
            name=stream.title.get("en", stream.name),
            description=stream.description.get("en", ""),
            encodingType="text/html",
            metadata=f"{self._base}/models/{stream.model.name}",
            properties={"publisher": stream.publisher_iri},
        )

    def observed_property(self, column: Column) -> Entity:
        """Return what a name of the model means; its definition is the property that members have it under."""
        model, field = self.stream.model, column.flat.field
        # A property that several names share, as results of observations do, tells none of them from the others.
        said = self._places.get(field.name)
        shared = [each for each in self._places.values() if said and each.predicates == said.predicates]
        own = f"{self._base}/models/{model.name}#{field.name}"
        return self._made(
            Kind.OBSERVED_PROPERTY,
            f"{model.name}:{column.name}",
            name=column.label,
            definition=said.predicates[-1] if said and len(shared) == 1 else own,
            description=field.description.get("en", column.label),
        )

    def observation(self, member: Published, column: Column, row: Sequence[Any]) -> Entity | None:
        """Return what a member says under a name; None where it says nothing."""
        value = row[column.index]
        if value is None:
            return None
        began = format_time(member.observed_at)
        ended = row[self._end] if self._end is not None else None
        return self._made(
            Kind.OBSERVATION,
            f"{self.stream.name}:{column.name}:{member.sequence}",
            phenomenonTime=f"{began}/{ended}" if isinstance(ended, str) else began,
            resultTime=format_time(member.published_at),
            result=value,
        )

    def _called(self, member: Published) -> str:
        name = self.row(member)[self._name] if self._name is not None else None
        return name if isinstance(name, str) and name else member.entity.rstrip("/").rsplit("/", 1)[-1]

    def _made(self, kind: Kind, key: str, **said: Any) -> Entity:
        address = f"{self._base}{BASE}/{kind.value}('{quote(key, safe=':=~')}')"
        links = {f"{name}@iot.navigationLink": f"{address}/{name}" for name in LINKS[kind]}
        return {"@iot.id": key, "@iot.selfLink": address, **said, **links}


def _point(member: Published) -> Mapping[str, Any] | None:
    point = member.point
    return {"type": "Point", "coordinates": [point.longitude, point.latitude]} if point else None
