"""Source: one declarative YAML file that says how a publisher's feed becomes members of a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ingest.bindings import Binding, Bound, Group, absolute, parse_bind
from ingest.catalogue_entry import KEYS as ENTRY_KEYS
from ingest.catalogue_entry import CatalogueEntry, read_entry
from ingest.check import faults_of, fields_of
from ingest.choosing import Only, read_only
from ingest.decoders.items import Format
from ingest.formats import read_format
from ingest.paths import Each, PathError, parse_each, parse_path
from ingest.privacy import KEYS as PRIVACY_KEYS
from ingest.privacy import Privacy, privacy_faults, read_privacy
from ingest.transports import TRANSPORTS, Options
from ingest.transports.files import FilesOptions
from streams.errors import ConfigError
from streams.yaml_lines import Faults, Node, check_keys, duration_of, line_of, read_file, read_yaml, suggest, text_of
from vocab.model import Model, load_model, model_names

KEYS = (
    "source",
    "title",
    "description",
    "publisher",
    "licence",
    *ENTRY_KEYS,
    *TRANSPORTS,
    "sample",
    "model",
    "stream",
    "format",
    "each",
    "only",
    "lookup",
    "bind",
    "publish",
    *PRIVACY_KEYS,
)
PUBLISH = ("when", "heartbeat", "operations", "absent", "deleted", "transaction")
_LOOKUP = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Where an item says that its entity is gone: the text of the value at `path` is one of `values`."""

    path: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """When an item becomes a member: always, or when `changed`, and then at least once per `heartbeat`.

    With `operations` members say what they do to their entity. An entity is deleted when it is `absent` from a payload,
    and when its item has one of the values `gone` at a path. With `transaction` the members of a payload say that they
    belong together.
    """

    changed: bool = False
    heartbeat: timedelta | None = None
    operations: bool = False
    absent: bool = False
    gone: Gone | None = None
    transaction: bool = False

    @property
    def deletes(self) -> bool:
        """Whether entities may be deleted."""
        return self.absent or self.gone is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A table from the newest raw payload of another source: rows at `each`, keyed by `key`, found by `by`."""

    name: str
    line: int
    source: str
    each: tuple[Each, ...]
    key: str
    by: str
    required: bool
    format: Format = field(default_factory=Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source file, read and checked. `title` and `description` are those of the stream it feeds.

    `transport` is the options of the transport that the file names (ingest/transports).
    """

    name: str
    file: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    publisher_name: str
    publisher_iri: str
    licence: str
    transport: Options
    sample: str
    model: str
    stream: str
    each: tuple[Each, ...]
    bind: Mapping[str, Bound]
    format: Format = field(default_factory=Format)
    only: tuple[Only, ...] = ()
    bind_line: int = 1
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    publish: Publish = field(default_factory=Publish)
    entry: CatalogueEntry = field(default_factory=CatalogueEntry)
    privacy: Privacy = field(default_factory=Privacy)


def load_source(path: Path, *, environ: Mapping[str, str] | None = None) -> Source:
    """Read a source file and check it against its model.

    `${NAME}` is taken from `environ` (the environment of the process when absent).

    Raises:
        ConfigError: with every fault of the file, each with its line and how to mend it.

    """
    root, faults = read_file(path)
    return _loaded(root, faults, where=str(path), environ=environ)


def load_text(text: str, *, file: str, environ: Mapping[str, str] | None = None) -> Source:
    """Read the text of a source file that is called `file` in messages, as `load_source` does.

    Raises:
        ConfigError: with every fault.

    """
    faults = Faults(file=file)
    return _loaded(read_yaml(text, faults), faults, where=file, environ=environ)


def _loaded(root: Node, faults: Faults, *, where: str, environ: Mapping[str, str] | None) -> Source:
    source = _read(root, faults, environ=os.environ if environ is None else environ)
    if source.model in model_names():
        model = load_model(source.model)
        _check(source, model, faults)
        if source.publish.operations and not model.versioned:
            what = f"members of model {model.name} are observations: nothing creates, updates or deletes them"
            line = (root.get("publish") or root).line
            faults.add(line, what, "remove `operations`, `absent` and `deleted`")
    if faults.problems:
        raise ConfigError(sorted(faults.problems, key=line_of), where=where)
    return source


def check_source(source: Source, model: Model) -> None:
    """Check a source against a model, as `load_source` does for the model it names.

    Raises:
        ConfigError: with every fault.

    """
    faults = Faults(file=source.file)
    _check(source, model, faults)
    if faults.problems:
        raise ConfigError(sorted(faults.problems, key=line_of), where=source.file)


def _check(source: Source, model: Model, faults: Faults) -> None:
    faults_of(source.bind, model, lookups=source.lookups, faults=faults, line=source.bind_line)
    privacy_faults(source.bind, fields_of(model), source.privacy, faults)


def _read(root: Node, faults: Faults, *, environ: Mapping[str, str]) -> Source:
    if check_keys(root, KEYS, faults, where="the file") and not root.value:
        faults.add(1, "the file holds no source", "start from another source file of deploy/pilots")
    publisher = root.get("publisher") or Node(line=root.line, value={})
    check_keys(publisher, ("name", "iri"), faults, where="publisher")
    bind = root.get("bind") or Node(line=root.line, value={})
    if not bind.is_mapping:
        faults.add(bind.line, f"bind must be a mapping, not {bind.described}", "write `name: path` lines below it")

    def text(key: str, node: Node = root, *, required: bool = True) -> str:
        return text_of(node.get(key), faults, where=key, line=node.line, required=required)

    return Source(
        name=_identifier(root, "source", faults),
        file=faults.file,
        title=_languages(root, "title", faults),
        description=_languages(root, "description", faults),
        publisher_name=text("name", publisher),
        publisher_iri=absolute(text("iri", publisher), publisher, faults, where="publisher iri"),
        licence=absolute(text("licence"), root.get("licence") or root, faults, where="licence"),
        transport=_transport(root, faults, environ),
        sample=text("sample", required=False),
        model=_model(root, faults),
        stream=_identifier(root, "stream", faults),
        each=_each(root, faults, "each"),
        format=read_format(root.get("format"), faults),
        only=read_only(root.get("only"), faults),
        bind=parse_bind(bind, faults),
        bind_line=bind.line,
        lookups=_lookups(root.get("lookup"), faults),
        publish=_publish(root.get("publish"), faults),
        entry=read_entry(root, faults),
        privacy=read_privacy(root.get("privacy"), faults, environ),
    )


def _identifier(root: Node, key: str, faults: Faults) -> str:
    name = text_of(root.get(key), faults, where=key, line=root.line, required=True)
    if name and not _NAME.fullmatch(name):
        line = (root.get(key) or root).line
        faults.add(line, f"{key} {name!r} is no name", "use small letters, digits and hyphens: gent-garages")
    return name


def _languages(root: Node, key: str, faults: Faults) -> dict[str, str]:
    node = root.get(key)
    if node is None:
        faults.add(root.line, f"{key} is missing", f"add {key}: {{ nl: …, en: … }}")
        return {}
    check_keys(node, ("nl", "en", "fr", "de"), faults, where=key)
    for language in ("nl", "en"):
        if node.is_mapping and node.get(language) is None:
            faults.add(node.line, f"{key} has no text in {language!r}", f"add {language}: …")
    return {language: value.text for language, value in node.items()}


def _transport(root: Node, faults: Faults, environ: Mapping[str, str]) -> Options:
    given = [key for key in TRANSPORTS if root.get(key) is not None]
    if len(given) != 1:
        what = f"two transports: {' and '.join(given)}" if given else "no transport"
        faults.add(root.line, what, f"give exactly one of {', '.join(TRANSPORTS)}")
        return FilesOptions(folder=Path(), pattern="")
    node = root.get(given[0])
    assert node is not None
    options = TRANSPORTS[given[0]].read(node, faults, environ)
    absent = (root.get("publish") or root).get("absent")
    if absent is not None and not TRANSPORTS[given[0]].whole(options):
        what = "`absent` does not fit: each payload of this source is only a part of what there is"
        faults.add(absent.line, what, "remove it; `deleted` works with parts too")
    return options


def _model(root: Node, faults: Faults) -> str:
    name = text_of(root.get("model"), faults, where="model", line=root.line, required=True)
    if name and name not in model_names():
        faults.add((root.get("model") or root).line, f"unknown model {name!r}", suggest(name, model_names()))
    return name


def _each(node: Node, faults: Faults, key: str) -> tuple[Each, ...]:
    each = node.get(key)
    if each is None:
        faults.add(node.line, f"{key} is missing", f"say where the items are: {key}: results[*]")
        return ()
    found = []
    for element in each.elements():
        try:
            found.append(parse_each(element.text, nested=True))
        except PathError as error:
            faults.add(element.line, str(error), f"write for example {key}: results[*]")
    return tuple(found)


def _lookups(node: Node | None, faults: Faults) -> dict[str, Lookup]:
    lookups: dict[str, Lookup] = {}
    if node is not None and not node.is_mapping:
        faults.add(node.line, f"lookup must be a mapping, not {node.described}", "write lookup: { name: { … } }")
    for name, value in node.items() if node is not None else ():
        check_keys(value, ("source", "format", "each", "key", "by", "required"), faults, where=f"lookup {name}")
        if not _LOOKUP.fullmatch(name):
            faults.add(value.line, f"lookup {name!r} is no name", "use small letters, digits and _")
            continue
        required = value.get("required")
        if required is not None and not isinstance(required.value, bool):
            faults.add(required.line, f"required is {required.described}", "write required: true or false")
        lookups[name] = Lookup(
            name=name,
            line=value.line,
            source=text_of(value.get("source"), faults, where="source", line=value.line, required=True),
            each=_each(value, faults, "each"),
            key=_path_text(value, "key", faults),
            by=_path_text(value, "by", faults),
            required=required is None or required.value is True,
            format=read_format(value.get("format"), faults),
        )
    return lookups


def _path_text(node: Node, key: str, faults: Faults) -> str:
    text = text_of(node.get(key), faults, where=key, line=node.line, required=True)
    try:
        return parse_path(text).text if text else ""
    except PathError as error:
        faults.add(node.line, str(error), f'write for example {key}: "@unieke_id"')
        return ""


def _publish(node: Node | None, faults: Faults) -> Publish:
    if node is None:
        return Publish()
    check_keys(node, PUBLISH, faults, where="publish")
    when, heartbeat = node.get("when"), node.get("heartbeat")
    word = when.text if when else "always"
    if word not in ("always", "changed"):
        faults.add(node.line, f"publish when {word!r} is unknown", suggest(word, ("always", "changed")))
    if heartbeat is not None and word == "always":
        faults.add(heartbeat.line, "a heartbeat without `when: changed`", "remove it: every item is published")
    pause = duration_of(heartbeat, faults, timedelta(0)) if heartbeat else None
    absent, gone = _word(node, "absent", "delete", faults), _gone(node.get("deleted"), faults)
    operations = node.get("operations")
    if operations is not None and not isinstance(operations.value, bool):
        faults.add(operations.line, f"operations is {operations.described}", "write operations: true or false")
    if operations is not None and operations.value is False and (absent or gone):
        faults.add(operations.line, "deletions without operations", "remove `operations: false`: a deletion is one")
    return Publish(
        changed=word == "changed",
        heartbeat=pause,
        operations=absent or gone is not None or (operations is not None and operations.value is True),
        absent=absent,
        gone=gone,
        transaction=_word(node, "transaction", "payload", faults),
    )


def _word(node: Node, key: str, word: str, faults: Faults) -> bool:
    """Return whether a key has the only word it may have."""
    found = node.get(key)
    if found is not None and found.text != word:
        faults.add(found.line, f"{key} {found.text!r} is unknown", f"write {key}: {word}, or leave it out")
    return found is not None


def _gone(node: Node | None, faults: Faults) -> Gone | None:
    if node is None:
        return None
    if not check_keys(node, ("from", "equals"), faults, where="deleted"):
        return None
    equals = node.get("equals")
    values = tuple(each.text for each in equals.elements()) if equals is not None else ()
    if not all(values) or not values:
        faults.add(
            node.line, "deleted needs the values that say so", "write deleted: { from: status, equals: [closed] }"
        )
    return Gone(path=_path_text(node, "from", faults), values=values)


def bindings_of(source: Source) -> list[Binding]:
    """List every binding of a source, those of groups included."""
    found: list[Binding] = []
    for bound in source.bind.values():
        found.extend(bound.bind.values() if isinstance(bound, Group) else [bound])
    return found
