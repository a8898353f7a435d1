"""Compiled models: what the files of a model come to, written beside them so that no process parses RDF at its start.

`compiled.json` names the digest of the five files it was made of and is used for exactly those. `make models` writes it
anew; a test compares it with what the files say.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from vocab.context import Writer, read_names
from vocab.model_values import MODELS, Field, Kind, Model, Shape, model_names

FILE = "compiled.json"
_FILES = ("context.jsonld", "shape.ttl", "template.jsonld", "example.jsonld", "README.md")
_PLAIN = ("version", "title", "description", "versioned", "observed_path")


def recall(folder: Path) -> Model | None:
    """Return the model that was compiled of the files in a folder as they are now; None where none was.

    Says nothing of files that are missing or malformed: reading them does (`vocab.model_files.read_model`).
    """
    try:
        contents = {name: (folder / name).read_bytes() for name in _FILES}
        found = orjson.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("digest") != _digest(contents):
        return None
    return _model(folder.name, contents, found)


def compiled(model: Model, folder: Path) -> bytes:
    """Write down what reading the files of a folder came to, for `recall`."""
    fields = [
        {**{name: getattr(field, name) for name in Field.__slots__ if name != "personal"}, "kind": field.kind.value}
        | ({"personal": field.personal} if field.personal else {})
        for field in model.fields.values()
    ]
    found = {
        "digest": _digest({name: (folder / name).read_bytes() for name in _FILES}),
        **{name: getattr(model, name) for name in _PLAIN},
        **({"personal": model.personal} if model.personal else {}),
        "themes": model.themes,
        "mobility_themes": model.mobility_themes,
        "shape": {
            "iri": model.shape.iri,
            "ntriples": model.shape.ntriples.decode(),
            "jsonld": orjson.loads(model.shape.jsonld),
        },
        "fields": fields,
    }
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


def _digest(contents: Mapping[str, bytes]) -> str:
    hashed = blake2b(digest_size=16)
    for name in _FILES:
        # With its length, so that no byte can move from one file to the next.
        hashed.update(b"%s %d\n" % (name.encode(), len(contents[name])))
        hashed.update(contents[name])
    return hashed.hexdigest()


def _model(name: str, contents: Mapping[str, bytes], found: Mapping[str, Any]) -> Model:
    context = orjson.loads(contents["context.jsonld"])["@context"]
    shape = found["shape"]
    return Model(
        name=name,
        **{each: found[each] for each in _PLAIN},
        context=orjson.dumps(context),
        shape=Shape(
            iri=shape["iri"],
            turtle=contents["shape.ttl"].decode(),
            ntriples=shape["ntriples"].encode(),
            jsonld=orjson.dumps(shape["jsonld"]),
        ),
        template=orjson.loads(contents["template.jsonld"]),
        example=contents["example.jsonld"],
        readme=contents["README.md"].decode(),
        fields={field["name"]: _field(field) for field in found["fields"]},
        writer=Writer(read_names(context)),
        personal=found.get("personal", ""),
        themes=tuple(found["themes"]),
        mobility_themes=tuple(found["mobility_themes"]),
    )


def _field(found: Mapping[str, Any]) -> Field:
    return Field(**{**found, "kind": Kind(found["kind"]), "codes": tuple(found["codes"])})


def main() -> int:
    """Compile every model there is, and the vocabulary, and say which."""
    # Imported here: only this needs RDF libraries.
    from vocab import vocabulary  # noqa: PLC0415
    from vocab.model_files import read_model  # noqa: PLC0415
    from vocab.vocabulary_files import read_namespaces  # noqa: PLC0415

    for name in model_names():
        folder = MODELS / name
        (folder / FILE).write_bytes(compiled(read_model(folder), folder))
        print(f"{name}: {FILE}")  # noqa: T201 - the command's result
    contents = vocabulary.sources()
    (vocabulary.FOLDER / vocabulary.FILE).write_bytes(vocabulary.compiled(read_namespaces(contents), contents))
    print(f"vocabulary: {vocabulary.FILE}")  # noqa: T201 - the command's result
    return 0


if __name__ == "__main__":
    sys.exit(main())
