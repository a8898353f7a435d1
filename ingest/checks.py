"""Checks of single words of a binding that need more than a table: defaults, and coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ingest import conversions
from ingest.bindings import RECEIVED, Binding
from ingest.conversions import Refused, Spot, zone_of
from streams.yaml_lines import Faults, suggest
from vocab.model import Field, Kind

_CONVERT: Mapping[Kind, Callable[[Any, Spot], Any]] = {
    Kind.INTEGER: conversions.integer,
    Kind.DOUBLE: conversions.double,
    Kind.BOOLEAN: conversions.boolean,
    Kind.STRING: conversions.text,
    Kind.TEXT: conversions.text,
    Kind.IRI: conversions.iri,
    Kind.DATETIME: conversions.moment,
}


def check_places(binding: Binding, faults: Faults) -> None:
    """Fault words about coordinates where there are none."""
    has_geometry = bool(binding.coordinates) or binding.wkt
    if binding.order and not has_geometry:
        faults.add(
            binding.line, "`order` is for coordinates that stand together", "write coordinates: path, or as: wkt"
        )
    if binding.crs is not None and binding.place is None and not has_geometry:
        faults.add(binding.line, "`crs` is for coordinates", "write x: and y:, coordinates:, or as: wkt")
    if binding.between != "-" and not binding.join:
        faults.add(binding.line, "`with` stands between what `join` joins", "write join: [path, path]")


def check_default(binding: Binding, field: Field, faults: Faults) -> None:
    """Fault a default that is no value of its name; it is what the publisher would send, so it is converted, too."""
    value = binding.default
    if value is None:
        return
    if binding.constant is not None or field.kind is Kind.POINT:
        faults.add(binding.line, f"`default` does not fit {binding.name!r}", "remove `default`")
        return
    if value == RECEIVED and field.kind is Kind.DATETIME:
        if field.group is not None:
            faults.add(binding.line, f"`default: {RECEIVED}` is for times of the item itself", "remove `default`")
        return
    codes = binding.codes or {code: code for code in field.codes}
    if codes:
        if str(value) not in codes and not binding.otherwise_absent:
            faults.add(binding.line, f"default {value!r} is no code of {binding.name!r}", suggest(str(value), codes))
        return
    convert = _CONVERT.get(field.kind)
    if convert is None or binding.entity_of or binding.wkt:
        return
    zone = zone_of(binding.zone) if binding.zone else None
    spot = Spot(
        name=binding.name,
        path="default",
        minimum=field.minimum,
        maximum=field.maximum,
        comma=binding.comma,
        zone=zone,
        epoch=binding.epoch,
        written=binding.written,
    )
    try:
        convert(value, spot)
    except Refused as refused:
        faults.add(binding.line, refused.detail, f"write a default that is {field.kind.value}")
