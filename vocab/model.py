"""Model: one reference model, loaded from its folder.

A model is a folder `vocab/models/<name>/` of five files (read by vocab/model_files.py) and `compiled.json`, what they come
to (vocab/compiled.py):

- `context.jsonld`   the JSON-LD context of its members; it always has the terms `generatedAtTime`
  (prov:generatedAtTime, xsd:dateTime) and `sequence` (sf:sequence, xsd:integer) that the log adds at publication,
  `transaction` and `transactionFinal`, and for versions `operation` with its values (vocab/versions.py);
- `shape.ttl`        the SHACL shape a member conforms to; it also declares the names a source may bind (below);
- `template.jsonld`  the member with slots, filled by `ingest.mapping`;
- `example.jsonld`   a member that validates, with `@context` inline;
- `README.md`        for people: one picture, the table of names, the alignment with other models.

**Names.** A property shape in `shape.ttl` becomes a bindable name by `sf:bind "free_spaces"`, with `sf:kind`
(a `Kind` value), optionally `sf:required true`, `sf:unit` (a UCUM code), `sf:group` (the name of the repeated group
it belongs to); its range comes from sh:minInclusive / sh:maxInclusive, its codes from sh:in (as terms of the
context), its labels and descriptions from sh:name and sh:description in Dutch and English. The same name may be
declared on several property shapes when all of them agree.

**Persons.** `sf:personal "vehicle"` on a property shape says that its name, and on the node shape that the entity of a member,
identifies a vehicle that persons use: a source must rotate such ids, or say why they may be published.

**Themes.** The node shape may have `dcat:theme` (EU data themes) and mobilityDCAT-AP's `mobilityTheme`: what a catalogue
files streams of the model under.

**Template.** JSON whose strings hold slots in braces:

- a string that is exactly `"{name}"` becomes the bound value with its JSON type: number, boolean, string; a `Kind.TEXT`
  becomes a language map `{"nl": "…"}`, a `Kind.POINT` the WKT text `POINT (lon lat)`;
- a string with a slot among other text is interpolated, each value percent-encoded as one IRI path segment;
- when an optional name has no value, the key (or array item) that holds its slot is left out;
- an object inside the member is left out whole, with its key, when it has slots of optional names among its own strings
  (not those of objects below it) and none of them has a value: required names and the built-in slots do not keep an
  object alive, so an observation disappears with its result; an object of which nothing but keywords is left after its
  children went is left out as well, and so is an empty array; the only object that writes a required name is always
  kept;
- an object in an array with `"@each": "<group>"` is repeated for every item of that group; inside it the names of the
  group and those outside may be used; the same group may be repeated by several such objects;
- `{member}`, `{entity}`, `{observed_at}`, `{received_at}`, `{publisher}`, `{licence}` are always there:
  absolute IRIs, and times as RFC 3339 UTC with milliseconds. The first key of a template is `"@id": "{member}"`.
- `{revision_of}` is there only when the member corrects another one of the same entity and time.
"""

from __future__ import annotations

from functools import cache

from vocab.compiled import recall
from vocab.errors import ModelError
from vocab.model_values import MODELS, Field, Kind, Model, Shape, model_names

__all__ = ["MODELS", "Field", "Kind", "Model", "Shape", "load_model", "model_names"]


@cache
def load_model(name: str) -> Model:
    """Load a model from its folder, once per process.

    Raises:
        ModelError: there is no such model, or its files do not agree; names every fault.

    """
    if name not in model_names():
        raise ModelError(f"there is no model {name!r}", where="model", fix=f"one of {', '.join(model_names())}")
    model = recall(MODELS / name)
    if model is None:
        # RDF libraries take a third of a second and 15 MB; they are loaded only for files that were changed by hand.
        from vocab.model_files import read_model  # noqa: PLC0415

        model = read_model(MODELS / name)
    return model
