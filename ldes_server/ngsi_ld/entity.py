"""Members as NGSI-LD entities, in the three forms, and as temporal entities (GS CIM 009, 4.5 and 5.2); pure.

The entity's id is the IRI that members say they are of. Attributes come from the model's alignment (vocab/alignment.py):
each has the time of its observation; names of a repeated group have an instance for each code, told apart by `datasetId`,
the IRI of that code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from ldes_server.model import Published, Stream
from streams.record import format_time
from vocab.alignment import GEO_PROPERTY, RELATIONSHIP, Alignment, Attribute
from vocab.context import read_names
from vocab.flat import Column, Flat
from vocab.model import Kind

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
# UN/CEFACT Recommendation 20, as NGSI-LD wants units, for the UCUM codes that models may have.
UNIT_CODES: Mapping[str, str] = {
    "%": "P1", "{#}": "C62", "1": "C62", "km/h": "KMH", "m/s": "MTS", "m": "MTR", "km": "KMT", "cm": "CMT", "mm": "MMT",
    "s": "SEC", "min": "MIN", "h": "HUR", "ms": "C26", "Cel": "CEL", "ug/m3": "GQ", "mg/m3": "GP", "[ppb]": "61",
    "[ppm]": "59", "m3/s": "MQS", "deg": "DD", "dB[SPL]": "2N", "hPa": "A97", "V": "VLT", "kW": "KWT", "kWh": "KWH",
}  # fmt: skip
# Digits behind the point that a scaled number keeps: what binary fractions add lies behind them.
_DIGITS = 12

Instance = dict[str, Any]
Entity = dict[str, Any]


class Teller:
    """Says members of one stream as entities."""

    def __init__(self, stream: Stream, flat: Flat) -> None:
        model = stream.model
        self.stream = stream
        self.alignment: Alignment = model.alignment
        self._flat = flat
        self._concept = read_names(orjson.loads(model.context)).concept
        self._columns = tuple(
            (index, column, self.alignment.attributes[column.field.name])
            for index, column in enumerate(flat.columns)
            if column.field.name in self.alignment.attributes
        )
        self._keys = tuple(self._group_keys(stream, flat))

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes that its entities may have, each with its kind."""
        return {each.name: each.kind for each in self.alignment.attributes.values()}

    def _group_keys(self, stream: Stream, flat: Flat) -> Iterator[tuple[Attribute, Mapping[str, tuple[int, ...]]]]:
        """Find the attributes that say a group's code: no column has it, but those of the code say that it is there."""
        columns = {column.field.name for column in flat.columns}
        for name, attribute in self.alignment.attributes.items():
            field = stream.model.fields.get(name)
            if field is not None and name not in columns and field.group is not None:
                found: dict[str, list[int]] = {code: [] for code in field.codes}
                for index, column in enumerate(flat.columns):
                    if column.code and column.field.group == field.group:
                        found[column.code].append(index)
                yield attribute, {code: tuple(indexes) for code, indexes in found.items()}

    def instances(self, member: Published, wanted: Collection[str] = ()) -> dict[str, list[Instance]]:
        """Return what a member says, by attribute: of the `wanted` ones, or of all where none is named."""
        row = self._flat.row(orjson.loads(member.body))
        found: dict[str, list[Instance]] = {}
        observed = format_time(member.observed_at)
        for attribute, value, column in self._said(member, row):
            if wanted and attribute.name not in wanted:
                continue
            said = found.setdefault(attribute.name, [])
            if attribute.many and said:
                said[0]["value"] += [each for each in _values(value) if each not in said[0]["value"]]
                continue
            instance = _instance(attribute, value, column)
            instance["observedAt"] = observed
            if column is not None and column.code:
                instance["datasetId"] = self._concept(column.code)
            said.append(instance)
        return found

    def _said(self, member: Published, row: Sequence[Any]) -> Iterator[tuple[Attribute, Any, Column | None]]:
        for index, column, attribute in self._columns:
            value = row[index]
            if attribute.values:
                value = [attribute.values[text] for text in map(_text, _values(value)) if text in attribute.values]
                value = value if len(value) > 1 or attribute.many else next(iter(value), None)
            if value not in (None, []):
                yield attribute, value, column
        for attribute, codes in self._keys:
            for code, indexes in codes.items():
                word = attribute.values.get(code) if attribute.values else code
                if word and any(row[index] is not None for index in indexes):
                    yield attribute, word, Column(name="", field=self._flat.columns[indexes[0]].field, code=code)
        yield from self._built_in(member)

    def _built_in(self, member: Published) -> Iterator[tuple[Attribute, Any, None]]:
        said = self.alignment.attributes
        if "observed_at" in said:
            yield said["observed_at"], _datetime(format_time(member.observed_at)), None
        if "entity" in said:
            yield said["entity"], member.entity, None
        if "point" in said and member.point is not None:
            point = {"type": "Point", "coordinates": [member.point.longitude, member.point.latitude]}
            yield said["point"], point, None

    def entity(self, member: Published, wanted: Collection[str] = ()) -> Entity:
        """Return a member as an entity in the normalised form; a lone instance stands without an array."""
        said = {name: each[0] if len(each) == 1 else each for name, each in self.instances(member, wanted).items()}
        return {"id": member.entity, "type": self.alignment.type, **said}

    def history(self, members: Iterable[Published], wanted: Collection[str] = ()) -> Entity | None:
        """Return members of one entity as a temporal entity: an array of instances for each attribute, in their order."""
        found: Entity = {}
        for member in members:
            for name, instances in self.instances(member, wanted).items():
                found.setdefault("id", member.entity)
                found.setdefault("type", self.alignment.type)
                found.setdefault(name, []).extend(instances)
        return found or None


def merged(entities: Sequence[Entity]) -> Entity:
    """Return one entity of those that streams say of the same id: of all their types, with the attributes of all."""
    types = list(dict.fromkeys(each["type"] for each in entities))
    found: Entity = {"id": entities[0]["id"], "type": types[0] if len(types) == 1 else types}
    for entity in entities:
        for name, said in entity.items():
            found.setdefault(name, said)
    return found


def simplified(entity: Entity) -> Entity:
    """Return an entity in the simplified form (keyValues): values alone; several instances become an array."""
    return {name: said if name in ("id", "type") else _simple(said) for name, said in entity.items()}


def concise(entity: Entity) -> Entity:
    """Return an entity in the concise form: what can be told from the value is left out."""
    return {name: said if name in ("id", "type") else _brief(said) for name, said in entity.items()}


def temporal_values(entity: Entity) -> Entity:
    """Return a temporal entity in its simplified form: for each attribute the pairs of value and time."""
    found: Entity = {"id": entity["id"], "type": entity["type"]}
    for name, instances in entity.items():
        if name in ("id", "type"):
            continue
        groups: dict[str | None, list[Instance]] = {}
        for each in instances:
            groups.setdefault(each.get("datasetId"), []).append(each)
        series = [_series(each) for each in groups.values()]
        found[name] = series[0] if len(series) == 1 else series
    return found


def _series(instances: Sequence[Instance]) -> Instance:
    kind = instances[0]["type"]
    pairs = [[each["object"] if kind == RELATIONSHIP else each["value"], each["observedAt"]] for each in instances]
    mark = {"datasetId": instances[0]["datasetId"]} if "datasetId" in instances[0] else {}
    return {"type": kind, ("objects" if kind == RELATIONSHIP else "values"): pairs, **mark}


def _instance(attribute: Attribute, value: Any, column: Column | None) -> Instance:
    if attribute.kind == RELATIONSHIP:
        return {"type": RELATIONSHIP, "object": value}
    if attribute.kind == GEO_PROPERTY:
        return {"type": GEO_PROPERTY, "value": value}
    unit = attribute.unit
    if column is not None and attribute.scale is None and unit is None and type(value) in (int, float):
        unit = UNIT_CODES.get(column.field.unit or "")
    if column is not None and column.field.kind is Kind.DATETIME and isinstance(value, str):
        value = _datetime(value)
    if attribute.scale is not None and type(value) in (int, float):
        value = round(value * attribute.scale, _DIGITS)
    if attribute.many:
        value = _values(value)
    return {"type": attribute.kind, "value": value, **({"unitCode": unit} if unit else {})}


def _datetime(text: str) -> Mapping[str, str]:
    return {"@type": "DateTime", "@value": text}


def _values(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _simple(said: Instance | list[Instance]) -> Any:
    if isinstance(said, list):
        return [_simple(each) for each in said]
    value = said["object"] if said["type"] == RELATIONSHIP else said["value"]
    return value["@value"] if isinstance(value, dict) and "@value" in value else value


def _brief(said: Instance | list[Instance]) -> Any:
    if isinstance(said, list):
        return [_brief(each) for each in said]
    return {name: value for name, value in said.items() if name != "type"}
