"""Vocabulary: the terms and concepts that the platform coins, by namespace, ready to be handed out.

They are written in Turtle files beside this module (`ns.ttl` and others), each described in Dutch and in English.
`vocabulary.json` is what these files come to (vocab/vocabulary_files.py), so that no process parses RDF at its start;
`make models` writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from vocab.vocabulary_values import OURS, Entry, Namespace, Sort

__all__ = ["FILE", "FOLDER", "OURS", "Entry", "Namespace", "Sort", "compiled", "namespaces", "recalled", "sources"]

FOLDER = Path(__file__).parent
FILE = "vocabulary.json"


@cache
def namespaces() -> tuple[Namespace, ...]:
    """Return every namespace, in alphabetical order; once per process."""
    contents = sources()
    found = recalled(contents)
    if found is None:
        # RDF libraries are loaded only for files that were changed by hand.
        from vocab.vocabulary_files import read_namespaces  # noqa: PLC0415

        found = read_namespaces(contents)
    return found


def sources() -> dict[str, bytes]:
    """Return the contents of the files that the vocabulary is made of, by name."""
    files = [*FOLDER.glob("*.ttl"), *FOLDER.glob("models/*/shape.ttl")]
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(files)}


def recalled(contents: Mapping[str, bytes], folder: Path = FOLDER) -> tuple[Namespace, ...] | None:
    """Return what was compiled of files with these contents; None where nothing was."""
    try:
        found = orjson.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("digest") != digest(contents):
        return None
    return tuple(_namespace(each) for each in found["namespaces"])


def compiled(found: tuple[Namespace, ...], contents: Mapping[str, bytes]) -> bytes:
    """Write down what reading the files came to, for `recalled`."""
    said = [
        {
            "name": each.name,
            "iri": each.iri,
            "label": each.label,
            "entries": [
                {**{key: getattr(entry, key) for key in Entry.__slots__}, "sort": entry.sort.value}
                for entry in each.entries
            ],
            "turtle": each.turtle.decode(),
            "ntriples": each.ntriples.decode(),
            "jsonld": orjson.loads(each.jsonld),
        }
        for each in found
    ]
    return orjson.dumps({"digest": digest(contents), "namespaces": said}, option=orjson.OPT_APPEND_NEWLINE)


def digest(contents: Mapping[str, bytes]) -> str:
    """Return a number that other contents do not have."""
    hashed = blake2b(digest_size=16)
    for name, content in contents.items():
        hashed.update(b"%s %d\n" % (name.encode(), len(content)))
        hashed.update(content)
    return hashed.hexdigest()


def _namespace(said: Mapping[str, Any]) -> Namespace:
    return Namespace(
        name=said["name"],
        iri=said["iri"],
        label=said["label"],
        entries=tuple(
            Entry(**{**entry, "sort": Sort(entry["sort"]), "links": tuple(map(tuple, entry["links"]))})
            for entry in said["entries"]
        ),
        turtle=said["turtle"].encode(),
        ntriples=said["ntriples"].encode(),
        jsonld=orjson.dumps(said["jsonld"]),
    )
