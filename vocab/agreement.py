"""Agreement: what must hold between the files of a model: context, shape, template, README."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vocab.names import Names
from vocab.slots import BUILT_IN, Text, keys, texts
from vocab.terms import (
    AS,
    DCTERMS_IS_VERSION_OF,
    OPERATION,
    PROV_GENERATED_AT,
    SEQUENCE,
    TRANSACTION,
    TRANSACTION_FINAL,
    XSD_BOOLEAN,
    XSD_DATETIME,
    XSD_INTEGER,
    XSD_STRING,
)

# UCUM codes the platform converts between and publishes.
UNITS = frozenset(
    {"%", "{#}", "km/h", "km2/h2", "m", "km", "cm", "mm", "s", "min", "h", "ms", "Cel", "ug/m3", "mg/m3"}
    | {"[ppb]", "[ppm]", "m3/s", "m/s", "deg", "dB[SPL]", "hPa", "V", "kW", "kWh", "1"}
    | {"W/m2", "{#}/m2"}
)
# Keys of the pages that members stand in: a model that used one would change the meaning of the page.
RESERVED = frozenset(
    {"view", "relation", "node", "path", "value", "member", "remainingItems", "shape", "timestampPath"}
    | {"sequencePath", "versionOfPath", "pollingInterval", "viewDescription", "retentionPolicy", "immutable"}
    | {"versionTimestampPath", "versionSequencePath", "transactionPath", "transactionFinalizedPath"}
    | {"EventStream", "Node", "search"}
)
_LOG_TERMS = {
    "generatedAtTime": (PROV_GENERATED_AT, XSD_DATETIME),
    "sequence": (SEQUENCE, XSD_INTEGER),
    "transaction": (TRANSACTION, XSD_STRING),
    "transactionFinal": (TRANSACTION_FINAL, XSD_BOOLEAN),
}
# What versions say besides.
_VERSION_TERMS = {
    "operation": (OPERATION, "@vocab"),
    **{name: (f"{AS}{name}", None) for name in ("Create", "Update", "Delete")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldParts:
    """What the files must agree on about one bindable name."""

    codes: tuple[str, ...]
    is_code: bool
    unit: str | None
    group: str | None
    texts: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the files of one model say."""

    names: Names
    template: Mapping[str, Any]
    readme: str
    texts: Mapping[str, Mapping[str, str]]
    fields: Mapping[str, FieldParts]


def faults(parts: Parts) -> list[str]:
    """Return every way in which the files disagree, as sentences; none means that they agree."""
    return [*_context_faults(parts), *_template_faults(parts), *_value_faults(parts), *_field_faults(parts)]


def _context_faults(parts: Parts) -> Iterator[str]:
    terms = parts.names.terms
    versioned = any(term.iri == DCTERMS_IS_VERSION_OF for key, term in terms.items() if key in parts.template)
    for name, (iri, datatype) in {**_LOG_TERMS, **(_VERSION_TERMS if versioned else {})}.items():
        term = terms.get(name)
        if term is None or (term.iri, term.coercion) != (iri, datatype):
            yield f"context.jsonld: {name} must be {iri}{f', a {datatype}' if datatype else ''}"
    for name in sorted(RESERVED & terms.keys()):
        yield f"context.jsonld: {name} is a key of pages and cannot be a term"


def _template_faults(parts: Parts) -> Iterator[str]:
    if next(iter(parts.template.items()), None) != ("@id", "{member}"):
        yield 'template.jsonld: the first key must be "@id": "{member}"'
    for key in dict.fromkeys(keys(parts.template)):
        if key not in parts.names.terms:
            yield f"template.jsonld: {key} is no term of context.jsonld"
    used: set[str] = set()
    groups = {field.group for field in parts.fields.values()}
    for text in texts(parts.template):
        used.update(text.slots)
        for slot in text.slots:
            field = parts.fields.get(slot)
            if field is None and slot not in BUILT_IN:
                yield f"template.jsonld: {{{slot}}} is declared nowhere in shape.ttl"
            elif field is not None and field.group is not None and field.group != text.group:
                yield f"template.jsonld: {{{slot}}} stands outside its group {field.group}"
        if text.group is not None and text.group not in groups:
            yield f"template.jsonld: no name belongs to the group {text.group}"
    for name in sorted(parts.fields.keys() - used):
        yield f"shape.ttl: {name} is declared but the template does not use it"


def _value_faults(parts: Parts) -> Iterator[str]:
    """Find terms, written out or made from codes, that mean nothing."""
    for text in texts(parts.template):
        term = parts.names.terms.get(text.key)
        if text.key != "@type" and (term is None or term.coercion != "@vocab"):
            continue
        for value in _fillings(text, parts.fields):
            if parts.names.concept(value) is None:
                yield f"template.jsonld: {value} of {text.key} is no term of context.jsonld"


def _fillings(text: Text, fields: Mapping[str, FieldParts]) -> Iterator[str]:
    if not text.slots:
        yield text.text
    elif len(text.slots) == 1 and text.slots[0] in fields:
        yield from (text.filled(text.slots[0], code) for code in fields[text.slots[0]].codes)


def _field_faults(parts: Parts) -> Iterator[str]:
    yield from _language_faults("shape.ttl", parts.texts)
    for name, field in parts.fields.items():
        yield from _language_faults(f"shape.ttl: {name}", field.texts)
        if field.is_code and not field.codes:
            yield f"shape.ttl: {name} is a code without sh:in"
        if field.unit is not None and field.unit not in UNITS:
            yield f"shape.ttl: {name} has the unknown unit {field.unit}"
        if f"`{name}`" not in parts.readme:
            yield f"README.md: {name} is not explained"


def _language_faults(where: str, found: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for what, by_language in found.items():
        if set(by_language) != {"nl", "en"} or not all(by_language.values()):
            yield f"{where}: {what} must be given once in nl and once in en"
