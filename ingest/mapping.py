"""Mapping: a source's bindings and its model's template, compiled once into two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from ingest.bindings import Binding
from ingest.choosing import choice
from ingest.conversions import stamp
from ingest.decoders.items import Wanted
from ingest.generating import generate
from ingest.identity import entity_iri
from ingest.paths import Path, dig, parse_path
from ingest.source import Gone, Source, bindings_of, check_source
from streams.identity import member_id
from streams.record import Member, Point
from vocab.model import Model
from vocab.versions import OPERATION_KEY, Operation, deletion_template

Tables = Mapping[str, Mapping[str, Any]]
Values = tuple[Any, ...]


class Facts(NamedTuple):
    """What one item says: of which entity (its `key`), when, where, and the values of the model's names.

    `digest` is that of the values without the times: two items with the same digest say the same. `fixed` is what is
    ready of all members of the entity: what their identities begin with, its IRI, and pieces of their bodies. A tuple by
    name, made once per item.
    """

    key: str
    observed_at: datetime
    point: Point | None
    values: Values
    digest: bytes
    fixed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """One source's mapping. `source_code` is the generated Python, for people; `wanted` what it reads of documents.

    `facts` reads an item with the root of its document, the looked-up tables and the time it was received; it raises
    `Refused` where the item cannot become a member, and anything else that it raises is a defect of ours. `member` writes
    the member of what was read; it takes `received=`, and for a corrected member `revision=`, the digest that tells it
    from the member it corrects, and that one's identity, `revision_of=`. `key` reads of whom an item is, `locate` also
    when it was observed, both as `facts` does; `gone` says whether an item says that its entity is gone, None where none
    does. `remains` is what a deletion keeps of the model's template. `rotates` says that keys are hidden anew each day
    (`ingest.personal.rotated`).
    """

    source: Source
    base_url: str
    source_code: str
    wanted: Wanted
    facts: Callable[[Any, Mapping[str, Any], Tables, datetime], Facts]
    member: Callable[..., Member]
    key: Callable[[Any, Mapping[str, Any], Tables, datetime], str]
    locate: Callable[[Any, Mapping[str, Any], Tables, datetime], tuple[str, datetime]]
    gone: Callable[[Any], bool] | None
    remains: Mapping[str, Any]
    rotates: bool = False

    def deletion(self, key: str, observed_at: datetime, *, received: datetime) -> Member:
        """Write the deletion of an entity, observed at this time: what it is of, when, by whom, and nothing else."""
        source = self.source
        name = member_id(source.stream, key, observed_at, deletes=True)
        entity = entity_iri(key, base_url=self.base_url, stream=source.stream)
        values = {
            "{member}": f"{self.base_url}/{name}",
            "{entity}": entity,
            "{observed_at}": stamp(observed_at),
            "{received_at}": stamp(received),
            "{publisher}": source.publisher_iri,
            "{licence}": source.licence,
        }
        said = {name: value if isinstance(value, list) else values[value] for name, value in self.remains.items()}
        body = orjson.dumps({**said, OPERATION_KEY: Operation.DELETE.value})
        return Member(id=name, entity=entity, observed_at=observed_at, body=body)


def compile_mapping(source: Source, model: Model, *, base_url: str, quick: bool = True) -> Mapper:
    """Compile a source's bindings and the template of `model`; done once, at start.

    Without `quick` each value is converted each time by the function that knows all cases: what tests compare with.

    Raises:
        ConfigError: the bindings do not fit the model.

    """
    check_source(source, model)
    base_url = base_url.rstrip("/")
    code = generate(source, model, base_url=base_url, quick=quick)
    code.space["Facts"] = Facts
    text = "\n".join(code.lines) + "\n"
    # Generated because a function per source is the only way to be as fast as one written by hand: the text holds
    # names of ours, `repr`s of paths and escaped template text; values of publishers never reach it.
    exec(compile(text, f"<mapping of {source.name}>", "exec"), code.space)  # noqa: S102
    return Mapper(
        source=source,
        base_url=base_url,
        source_code=text,
        wanted=Wanted(
            each=source.each,
            root_names=_root_names(source),
            root_paths=_root_paths(source),
            key=_key(source),
            format=source.format,
            only=choice(source.only),
        ),
        facts=code.space["read"],
        member=code.space["member"],
        key=code.space["key"],
        locate=code.space["locate"],
        gone=_gone(source.publish.gone),
        remains=deletion_template(model),
        rotates=isinstance(entity := source.bind["entity"], Binding) and entity.rotate == "daily",
    )


def _gone(gone: Gone | None) -> Callable[[Any], bool] | None:
    if gone is None:
        return None
    steps, values = parse_path(gone.path).steps, frozenset(gone.values)

    def is_gone(item: Any) -> bool:
        found = dig(item, steps)
        return (str(found).lower() if isinstance(found, bool) else str(found)) in values

    return is_gone


def _key(source: Source) -> str:
    entity = source.bind["entity"]
    return entity.paths[0].text if isinstance(entity, Binding) and entity.paths else ""


def _root_paths(source: Source) -> frozenset[tuple[str, ...]]:
    found = [path.steps for path in _paths_of(source) if path.root and len(path.steps) > 1]
    return frozenset(tuple(it for it in steps if isinstance(it, str)) for steps in found)


def _root_names(source: Source) -> frozenset[str]:
    return frozenset(str(path.steps[0]) for path in _paths_of(source) if path.root and len(path.steps) == 1)


def _paths_of(source: Source) -> list[Path]:
    paths = [path for binding in bindings_of(source) for path in binding.plain_paths]
    paths += [path for binding in bindings_of(source) for side in (binding.place or ()) for path in side]
    return [*paths, *(it.path for it in source.only), *(parse_path(it.by) for it in source.lookups.values())]
