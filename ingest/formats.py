"""`format:` of a source file: the form of its documents where the media type does not say, or says it wrongly."""

from __future__ import annotations

import codecs

from ingest.conversions import is_iri
from ingest.decoders.items import Format
from ingest.decoders.table import FORMATS
from ingest.schema_parts import TEXT, Schema, object_of, told
from streams.yaml_lines import Faults, Node, check_keys, suggest

# Every option says what it is for: editors show it, and the reference lists it.
OPTIONS: Schema = {
    "name": told({"enum": list(FORMATS)}, f"The format: {', '.join(f'`{name}`' for name in FORMATS)}."),
    "member": told(TEXT, "The document is a zip archive, and this file in it is what is read: `stops.txt`."),
    "delimiter": told(
        {"type": "string", "minLength": 1, "maxLength": 1},
        "What separates the columns of `csv`; without it, whichever of `,` `;` tab `|` the first line has most of.",
    ),
    "columns": told(
        {"type": "array", "items": TEXT, "minItems": 1},
        "The names of the columns of `csv`, where the document has no line with them.",
    ),
    "encoding": told(TEXT, "The encoding of `csv`, such as `latin-1`; without it what the answer says, or UTF-8."),
    "prefixes": told(
        {"type": "object", "additionalProperties": TEXT},
        "Short names of namespaces for the paths of `rdf`, besides those that are known.",
    ),
    "base": told(TEXT, "The address that relative ones of `rdf` are relative to."),
}
FORMAT: Schema = {"anyOf": [OPTIONS["name"], object_of(OPTIONS)]}
# Which of them make sense for which formats.
_FITTING = {
    "delimiter": ("csv",),
    "columns": ("csv",),
    "encoding": ("csv",),
    "prefixes": ("rdf",),
    "base": ("rdf",),
}


def read_format(node: Node | None, faults: Faults) -> Format:
    """Read `format: csv` or `format: { name: csv, … }`; faults are gathered."""
    if node is None:
        return Format()
    if not node.is_mapping:
        return Format(name=_name(node, faults))
    check_keys(node, tuple(OPTIONS), faults, where="format")
    name_node = node.get("name")
    name = _name(name_node, faults) if name_node is not None else ""
    for key, names in _FITTING.items():
        if (given := node.get(key)) is not None and name not in names:
            faults.add(given.line, f"`{key}` needs the format it is for", f"write format: {{ name: {names[0]}, … }}")
    delimiter, columns = node.get("delimiter"), node.get("columns")
    prefixes = node.get("prefixes")
    return Format(
        name=name,
        member=_text(node, "member"),
        delimiter=_delimiter(delimiter, faults),
        columns=_columns(columns, faults),
        encoding=_encoding(node.get("encoding"), faults),
        prefixes=_prefixes(prefixes, faults),
        base=_base(node.get("base"), faults),
    )


def _text(node: Node, key: str) -> str:
    found = node.get(key)
    return found.text if found is not None else ""


def _name(node: Node, faults: Faults) -> str:
    if node.text not in FORMATS:
        faults.add(node.line, f"unknown format {node.text!r}", suggest(node.text, FORMATS))
        return ""
    return node.text


def _delimiter(node: Node | None, faults: Faults) -> str:
    if node is None:
        return ""
    if not isinstance(node.value, str) or len(node.value) != 1 or node.value in '"\r\n':
        faults.add(node.line, f"{node.described} separates no columns", 'write one character: delimiter: ";"')
        return ""
    return node.value


def _columns(node: Node | None, faults: Faults) -> tuple[str, ...]:
    if node is None:
        return ()
    names = tuple(element.text for element in node.elements())
    if not all(names) or len(set(names)) != len(names):
        faults.add(node.line, "columns need a name each, and every name once", "write columns: [site, from, to, count]")
    return names


def _encoding(node: Node | None, faults: Faults) -> str:
    if node is None:
        return ""
    try:
        return codecs.lookup(node.text).name
    except LookupError:
        faults.add(node.line, f"{node.described} is no encoding", "write for example encoding: latin-1")
        return ""


def _prefixes(node: Node | None, faults: Faults) -> dict[str, str]:
    found: dict[str, str] = {}
    if node is not None and not node.is_mapping:
        faults.add(node.line, f"prefixes must be a mapping, not {node.described}", "write prefixes: { ex: https://… }")
    for name, value in node.items() if node is not None else ():
        if not is_iri(value.text):
            faults.add(value.line, f"{value.described} is no namespace", "write the whole address, with https://")
            continue
        found[name] = value.text
    return found


def _base(node: Node | None, faults: Faults) -> str:
    if node is None:
        return ""
    if not is_iri(node.text):
        faults.add(node.line, f"{node.described} is no absolute IRI", "write the address of the document")
        return ""
    return node.text
