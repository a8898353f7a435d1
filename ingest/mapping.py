"""Mapping: a source's bindings and its model's template, compiled once into two functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from ingest import reading, writing
from ingest.bindings import Binding, Group
from ingest.check import fields_of
from ingest.conversions import Spot, quoted, stamp
from ingest.decoders.items import Wanted
from ingest.identity import entity_iri
from ingest.paths import dig, expression, parse_path
from ingest.reading import Code, Reading
from ingest.source import Gone, Lookup, Source, bindings_of, check_source
from ingest.writing import Writing
from streams.identity import member_id
from streams.record import Member, Point
from vocab.model import Field, Kind, Model
from vocab.versions import OPERATION_KEY, Operation, deletion_template

Tables = Mapping[str, Mapping[str, Any]]
Values = tuple[Any, ...]


class Facts(NamedTuple):
    """What one item says: of which entity (its `key`), when, where, and the values of the model's names.

    `digest` is that of the values without the times: two items with the same digest say the same. A tuple by name,
    made once per item.
    """

    key: str
    observed_at: datetime
    point: Point | None
    values: Values
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapper:
    """One source's mapping. `source_code` is the generated Python, for people; `wanted` what it reads of documents.

    `key` reads of whom an item is, `locate` also when it was observed, both as `read` does; `gone` says whether an item
    says that its entity is gone, None where none does. `remains` is what a deletion keeps of the model's template.
    """

    source: Source
    base_url: str
    source_code: str
    wanted: Wanted
    read: Callable[[Any, Mapping[str, Any], Tables, datetime], tuple[str, datetime, Point | None, Values, Values]]
    write: Callable[..., str]
    key: Callable[[Any, Mapping[str, Any], Tables, datetime], str]
    locate: Callable[[Any, Mapping[str, Any], Tables, datetime], tuple[str, datetime]]
    gone: Callable[[Any], bool] | None
    remains: Mapping[str, Any]

    def facts(self, item: Any, root: Mapping[str, Any], tables: Tables, *, received: datetime) -> Facts:
        """Read one item.

        Raises:
            Refused: it cannot become a member; anything else that is raised is a defect of ours.

        """
        key, observed_at, point, values, content = self.read(item, root, tables, received)
        # Without our public address, which stands in minted IRIs: another port must not make everything a revision.
        said = repr(content).replace(self.base_url, "")
        digest = blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return Facts(key=key, observed_at=observed_at, point=point, values=values, digest=digest)

    def member(self, facts: Facts, *, received: datetime, revision: bytes = b"", revision_of: str = "") -> Member:
        """Write the member of an item; `revision` is the digest that tells it from the member it corrects."""
        stream = self.source.stream
        name = member_id(stream, facts.key, facts.observed_at, revision=revision)
        entity = entity_iri(facts.key, base_url=self.base_url, stream=stream)
        before = f"{self.base_url}/{revision_of}" if revision_of else ""
        times = (stamp(facts.observed_at), stamp(received))
        body = self.write(facts.values, f"{self.base_url}/{name}", entity, times, before)
        return Member(
            id=name, entity=entity, observed_at=facts.observed_at, point=facts.point, body=body.encode("utf-8")
        )

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


def compile_mapping(source: Source, model: Model, *, base_url: str) -> Mapper:
    """Compile a source's bindings and the template of `model`; done once, at start.

    Raises:
        ConfigError: the bindings do not fit the model.

    """
    check_source(source, model)
    base_url = base_url.rstrip("/")
    code = Code(space={**reading.helpers(), **writing.helpers()})
    fields = fields_of(model)
    _add_read(code, source, fields, base_url=base_url)
    code.add(0, "", "")
    _add_write(code, source, model, fields)
    for name, wanted in (("key", ("entity",)), ("locate", ("entity", "observed_at"))):
        code.add(0, "", "")
        _add_part(code, source, Reading(code, fields, base_url=base_url), name, wanted)
    text = "\n".join(code.lines) + "\n"
    # Generated because a function per source is the only way to be as fast as one written by hand: the text holds
    # names of ours, `repr`s of paths and escaped template text; values of publishers never reach it.
    exec(compile(text, f"<mapping of {source.name}>", "exec"), code.space)  # noqa: S102
    return Mapper(
        source=source,
        base_url=base_url,
        source_code=text,
        wanted=Wanted(each=source.each, root_names=_root_names(source), key=_key(source)),
        read=code.space["read"],
        write=code.space["write"],
        key=code.space["key"],
        locate=code.space["locate"],
        gone=_gone(source.publish.gone),
        remains=deletion_template(model),
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


def _root_names(source: Source) -> frozenset[str]:
    paths = [path for binding in bindings_of(source) for path in (*binding.paths, *(binding.split or ()))]
    paths += [path for binding in bindings_of(source) for side in (binding.place or ()) for path in side]
    paths += [parse_path(lookup.by) for lookup in source.lookups.values()]
    return frozenset(str(path.steps[0]) for path in paths if path.root)


def _add_read(code: Code, source: Source, fields: Mapping[str, Field], *, base_url: str) -> None:
    code.add(0, "def read(item, root, tables, received):", '    object_of(item, "")')
    _add_lookups(code, source.lookups.values())
    Reading(code, fields, base_url=base_url).bind(source.bind, depth=1)
    code.add(1, "check_observed(v_observed_at, received, observed_at_spot)")
    point = "v_point" if "point" in source.bind else "None"
    content = [_content(name, fields) for name in _values(source) if not _is_time(name, source, fields)]
    code.add(
        1,
        f"values = {_tuple([f'v_{name}' for name in _values(source)])}",
        f"content = {_tuple(content)}",
        f"return v_entity, v_observed_at, {point}, values, content",
    )


def _add_part(code: Code, source: Source, reading: Reading, name: str, wanted: tuple[str, ...]) -> None:
    """Add a function that reads only the `wanted` names, and what their conditions ask for."""
    bind: dict[str, Binding] = {}
    todo = list(wanted)
    while todo:
        binding = source.bind.get(todo.pop())
        if isinstance(binding, Binding) and binding.name not in bind:
            bind[binding.name] = binding
            todo.extend(condition.name for condition in binding.when)
    code.add(0, f"def {name}(item, root, tables, received):", '    object_of(item, "")')
    used = {binding.lookup for binding in bind.values()}
    _add_lookups(code, (lookup for lookup in source.lookups.values() if lookup.name in used))
    reading.bind(bind, depth=1)
    if "observed_at" in wanted:
        code.add(1, "check_observed(v_observed_at, received, observed_at_spot)")
    code.add(1, f"return {', '.join(f'v_{each}' for each in wanted)}")


def _add_lookups(code: Code, lookups: Iterable[Lookup]) -> None:
    for lookup in lookups:
        code.space[f"{lookup.name}_lookup"] = Spot(name=lookup.name, path=lookup.by)
        find = "row" if lookup.required else "row_or_nothing"
        key = expression(parse_path(lookup.by), "item")
        code.add(1, f"{lookup.name}_row = {find}(tables, {lookup.name}_lookup, {key})")


def _values(source: Source) -> list[str]:
    return [name for name in source.bind if name not in ("entity", "observed_at")]


def _is_time(name: str, source: Source, fields: Mapping[str, Field]) -> bool:
    return not isinstance(source.bind[name], Group) and fields[name].kind is Kind.DATETIME


def _content(name: str, fields: Mapping[str, Field]) -> str:
    """Write what a value says; a point by its numbers, because the repr of an object is slow."""
    if name in fields and fields[name].kind is Kind.POINT:
        return f"v_{name} and (v_{name}.longitude, v_{name}.latitude)"
    return f"v_{name}"


def _tuple(expressions: list[str]) -> str:
    return f"({', '.join(expressions)}{',' if len(expressions) == 1 else ''})"


def _add_write(code: Code, source: Source, model: Model, fields: Mapping[str, Field]) -> None:
    code.space["publisher"], code.space["licence"] = quoted(source.publisher_iri), quoted(source.licence)
    code.space["publisher_value"], code.space["licence_value"] = source.publisher_iri, source.licence
    code.add(0, "def write(values, member, entity, times, revision_of):")
    code.add(1, f"{_tuple([f'v_{name}' for name in _values(source)])} = values", "observed_at, received_at = times")
    Writing(code, fields, source.bind).member(model.template, depth=1)
