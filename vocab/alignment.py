"""Alignment: what the names of a model mean in other vocabularies, and how members are said there.

`alignment.yaml` of a model says it for NGSI-LD and SensorThings (read by vocab/alignment_file.py):

    ngsi_ld:
      type: OffStreetParking                 # a type of the Smart Data Models
      context: <IRI of the context of its domain>
      attributes:                            # name of the model -> attribute; names may share one that is `many`
        free_spaces: { name: availableSpotNumber }
        occupancy: { name: occupancy, scale: 0.01 }            # the value times this
        open_now: { name: status, values: { true: open, false: closed }, many: true }
        point: { name: location }
    sensorthings:
      thing: parking facility                # what the Thing is, in an English phrase
      datastreams: [free_spaces, occupancy]  # names with a result; label and unit are those of the shape
      until: interval_end                    # when an observation ends that began at observed_at; none: it is of a moment
    terms:                                   # for people and checkers: name -> vocabulary -> term
      free_spaces: { datex2: parkingNumberOfVacantSpaces }

Names are those of `shape.ttl` and `entity`, `observed_at`, `point`, which every member has. An attribute has a `kind`
(Property, GeoProperty, Relationship; that of the name when absent), and a `unit` (UN/CEFACT code) where `scale` changes
it. Of `values`, what is not listed is not said. Names of a repeated group become an instance for each code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROPERTY, GEO_PROPERTY, RELATIONSHIP = "Property", "GeoProperty", "Relationship"
ATTRIBUTE_KINDS = (PROPERTY, GEO_PROPERTY, RELATIONSHIP)
# The names that every member has, whatever its model.
BUILT_IN = ("entity", "observed_at", "point")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An NGSI-LD attribute that a name of the model is said as.

    `values` has what is said instead of each value, by its text (`true`, a code, a word); empty says values as they are.
    Of an attribute with `many` the value is an array, of all names that share it.
    """

    name: str
    kind: str = PROPERTY
    scale: float | None = None
    unit: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """What the names of one model mean elsewhere; empty `type` and `thing` mean that it is not shown there."""

    type: str = ""
    context: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    thing: str = ""
    datastreams: tuple[str, ...] = ()
    until: str = ""
    terms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def recalled(found: Mapping[str, Any]) -> Alignment:
    """Return the alignment that was written down as JSON, field by field."""
    attributes = {name: Attribute(**each) for name, each in found["attributes"].items()}
    return Alignment(**{**found, "attributes": attributes, "datastreams": tuple(found["datastreams"])})
