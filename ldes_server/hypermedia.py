"""Renders what is constant per stream, once at start: contexts, description and shape, in every form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from ldes_server.definition import ByLatest
from ldes_server.log_view import VIEW
from ldes_server.model import SEQUENCE, Stream
from ldes_server.negotiate import Form
from ldes_server.plain import FIXED, OPERATION
from ldes_server.render import IS_PART_OF, LDES, RDF_TYPE, TREE, XSD, Frame
from ldes_server.retention import Retention, xsd_duration
from ldes_server.retention_file import KEYS
from ldes_server.search_forms import HYDRA, Variable, render_form
from ldes_server.searches import Search
from streams.record import format_time
from vocab.flat import compile_flat
from vocab.terms import AS, DIGESTS, TRANSACTION, TRANSACTION_FINAL
from vocab.versions import Operation

DCTERMS = "http://purl.org/dc/terms/"

_LINK = {"@type": "@id"}
# Our own copy of the words pages use. The published context of the specification makes members and paths RDF lists,
# which no client finds (HTTP-23), and must not be fetched by every reader (HTTP-22), so it is inline on each page.
_NODE_WORDS: dict[str, Any] = {
    "EventStream": f"{LDES}EventStream",
    "Node": f"{TREE}Node",
    "GreaterThanOrEqualToRelation": f"{TREE}GreaterThanOrEqualToRelation",
    "LessThanOrEqualToRelation": f"{TREE}LessThanOrEqualToRelation",
    "LessThanRelation": f"{TREE}LessThanRelation",
    "EqualToRelation": f"{TREE}EqualToRelation",
    "PrefixRelation": f"{TREE}PrefixRelation",
    "GeospatiallyContainsRelation": f"{TREE}GeospatiallyContainsRelation",
    "Relation": f"{TREE}Relation",
    "relation": {"@id": f"{TREE}relation"},
    "node": {"@id": f"{TREE}node", **_LINK},
    "path": {"@id": f"{TREE}path", **_LINK},
    "value": {"@id": f"{TREE}value", "@type": f"{XSD}dateTime"},
    "remainingItems": {"@id": f"{TREE}remainingItems", "@type": f"{XSD}integer"},
    "immutable": {"@id": f"{LDES}immutable", "@type": f"{XSD}boolean"},
    "view": {"@reverse": IS_PART_OF, **_LINK},
}
_ROOT_WORDS: dict[str, Any] = {
    **_NODE_WORDS,
    "search": {"@id": f"{TREE}search"},
    "IriTemplate": f"{HYDRA}IriTemplate",
    "IriTemplateMapping": f"{HYDRA}IriTemplateMapping",
    "template": {"@id": f"{HYDRA}template"},
    "variableRepresentation": {"@id": f"{HYDRA}variableRepresentation", **_LINK},
    "mapping": {"@id": f"{HYDRA}mapping"},
    "variable": {"@id": f"{HYDRA}variable"},
    "property": {"@id": f"{HYDRA}property", **_LINK},
    "required": {"@id": f"{HYDRA}required", "@type": f"{XSD}boolean"},
    "view": {"@id": f"{TREE}view", **_LINK},
    "views": {"@id": f"{TREE}view", **_LINK},
    "viewDescription": {"@id": f"{TREE}viewDescription", **_LINK},
    "EventSource": f"{LDES}EventSource",
    "SearchTree": f"{TREE}SearchTree",
    "retentionPolicy": {"@id": f"{LDES}retentionPolicy"},
    "RetentionPolicy": f"{LDES}RetentionPolicy",
    "startingFrom": {"@id": f"{LDES}startingFrom", "@type": f"{XSD}dateTime"},
    "fullLogDuration": {"@id": f"{LDES}fullLogDuration", "@type": f"{XSD}duration"},
    "versionAmount": {"@id": f"{LDES}versionAmount", "@type": f"{XSD}integer"},
    "versionDuration": {"@id": f"{LDES}versionDuration", "@type": f"{XSD}duration"},
    "versionDeleteDuration": {"@id": f"{LDES}versionDeleteDuration", "@type": f"{XSD}duration"},
    "timestampPath": {"@id": f"{LDES}timestampPath", **_LINK},
    "sequencePath": {"@id": f"{LDES}sequencePath", **_LINK},
    **{
        name: {"@id": f"{LDES}{name}", **_LINK}
        for name in (
            "versionOfPath",
            "versionTimestampPath",
            "versionSequencePath",
            *(f"version{each.value}{part}" for each in Operation for part in ("Path", "Object")),
            "transactionPath",
            "transactionFinalizedPath",
        )
    },
    "transactionFinalizedObject": {"@id": f"{LDES}transactionFinalizedObject", "@type": f"{XSD}boolean"},
    "pollingInterval": {"@id": f"{LDES}pollingInterval", "@type": f"{XSD}integer"},
    "shape": {"@id": f"{TREE}shape", **_LINK},
    "digests": {"@id": DIGESTS, **_LINK},
    "title": {"@id": f"{DCTERMS}title", "@container": "@language"},
    "license": {"@id": f"{DCTERMS}license", **_LINK},
}


def describe(
    stream: Stream,
    base_url: str,
    views: Sequence[str] = (),
    searches: Mapping[str, Search] | None = None,
    policies: Mapping[str, Retention] | None = None,
) -> Frame:
    """Render a stream's constants; `base_url` is the public address, absolute, without a slash at the end.

    `views` are the names of all views that have a root now, the chronological one included, `searches` what those
    beside it can be asked for, and `policies` what those keep that do not keep everything.
    """
    iri = f"{base_url}/{stream.name}"
    model = stream.model
    # The model's words apply inside members only: a property-scoped context, so `value` or `path` of a model could
    # not change what the page's own keys mean, nor the other way round.
    leaf = {**_NODE_WORDS, "member": {"@id": f"{TREE}member", "@context": orjson.loads(model.context)}}
    return Frame(
        base=base_url,
        stream=stream.name,
        root_context=orjson.dumps(_ROOT_WORDS),
        node_context=orjson.dumps(_NODE_WORDS),
        leaf_context=orjson.dumps(leaf),
        member_context=model.context,
        facts={
            Form.JSONLD: _json_facts(stream, iri),
            Form.TURTLE: _line_facts(stream, iri),
            Form.NTRIPLES: _line_facts(stream, iri),
        },
        searches={
            VIEW: _log_search(iri, stream.timestamp_path),
            **{name: search.render(f"{iri}/{name}") for name, search in (searches or {}).items()},
        },
        policies={
            name: _policy(f"{iri}/{name}", policy) for name, policy in ({**_newest(stream), **(policies or {})}).items()
        },
        prefixes=model.writer.prefixes,
        writer=model.writer,
        views=tuple(views),
        flat=compile_flat(model, taken=(*FIXED, OPERATION)),
        said=(OPERATION,) if stream.operation_path and stream.operation_key == OPERATION else (),
        context_address=f"{base_url}/models/{model.name}",
    )


def _paths(stream: Stream) -> dict[str, str]:
    """Return what says how members are read, by its local name after ldes: paths, and the values they lead to."""
    paths = {"timestampPath": stream.timestamp_path}
    if stream.numbered:
        paths["sequencePath"] = SEQUENCE
    if stream.model.versioned:
        paths |= _version_paths(stream)
    if stream.transactions:
        paths |= {"transactionPath": TRANSACTION, "transactionFinalizedPath": TRANSACTION_FINAL}
    return paths


def _version_paths(stream: Stream) -> dict[str, str]:
    """Return what says how versions of one entity follow each other (LDES-40..43).

    Versions are published late at times, so the order of publication is not theirs: the newest observation wins, and of
    two with the same time, as corrections have, the one that was published last (LDES-55).
    """
    paths = {"versionOfPath": stream.version_path}
    if stream.model.observed_path:
        paths["versionTimestampPath"] = stream.model.observed_path
        if stream.numbered:
            paths["versionSequencePath"] = SEQUENCE
    for operation in Operation if stream.operation_path else ():
        paths[f"version{operation.value}Path"] = stream.operation_path
        paths[f"version{operation.value}Object"] = f"{AS}{operation.value}"
    return paths


def _json_facts(stream: Stream, iri: str) -> bytes:
    facts = {
        "title": dict(stream.title),
        "license": stream.licence,
        **_paths(stream),
        **({"transactionFinalizedObject": True} if stream.transactions else {}),
        "pollingInterval": _polling(stream),
        **({"digests": f"{iri}/digests"} if stream.numbered else {}),
        "shape": nest(orjson.loads(stream.model.shape.jsonld), stream.model.shape.iri),
    }
    return orjson.dumps(facts)[1:-1]


def _line_facts(stream: Stream, iri: str) -> bytes:
    lines = [f"<{iri}> <{DCTERMS}title> {_text(text)}@{language} ." for language, text in sorted(stream.title.items())]
    lines.append(f"<{iri}> <{DCTERMS}license> <{stream.licence}> .")
    lines += [f"<{iri}> <{LDES}{name}> <{path}> ." for name, path in _paths(stream).items()]
    if stream.transactions:
        lines.append(f'<{iri}> <{LDES}transactionFinalizedObject> "true"^^<{XSD}boolean> .')
    lines.append(f'<{iri}> <{LDES}pollingInterval> "{_polling(stream)}"^^<{XSD}integer> .')
    if stream.numbered:
        lines.append(f"<{iri}> <{DIGESTS}> <{iri}/digests> .")
    lines.append(f"<{iri}> <{TREE}shape> <{stream.model.shape.iri}> .")
    return "\n".join(lines).encode() + b"\n" + stream.model.shape.ntriples.rstrip(b"\n") + b"\n"


def _log_search(iri: str, path: str) -> Mapping[Form, bytes]:
    """Render the form that leads from a time to the page of the log that holds it (TREE-44).

    It expands to the address that entry.py answers with a redirect.
    """
    variable = Variable(name="at", property=f"{TREE}timeQuery", path=(path,))
    return render_form(f"{iri}/{VIEW}", f"{iri}?at={{at}}", [variable])


def _newest(stream: Stream) -> Mapping[str, Retention]:
    """Return what views of newest versions keep, whatever is declared: what they are."""
    return {name: Retention(versions=1) for name, view in stream.views.items() if isinstance(view, ByLatest)}


def _policy(root: str, policy: Retention) -> Mapping[Form, bytes]:
    """Render what a view keeps: a policy with a name (RET-04), described where it is named (RET-05)."""
    name = f"{root}#retention"
    said = {KEYS[key]: _value(getattr(policy, key)) for key in KEYS if getattr(policy, key) is not None}
    named = {"@id": name, "@type": "RetentionPolicy", **{word: value for word, (value, _) in said.items()}}
    statements = [
        f"<{root}> <{LDES}retentionPolicy> <{name}> .",
        f"<{name}> <{RDF_TYPE}> <{LDES}RetentionPolicy> .",
        *(f'<{name}> <{LDES}{word}> "{value}"^^<{XSD}{kind}> .' for word, (value, kind) in said.items()),
    ]
    lines = "\n".join(statements).encode() + b"\n"
    return {Form.JSONLD: b'"retentionPolicy":%s,' % orjson.dumps(named), Form.TURTLE: lines, Form.NTRIPLES: lines}


def _value(value: datetime | timedelta | int) -> tuple[str | int, str]:
    """Return a value of a policy as JSON and its datatype's local name after xsd:."""
    if isinstance(value, datetime):
        return format_time(value), "dateTime"
    return (xsd_duration(value), "duration") if isinstance(value, timedelta) else (value, "integer")


def _polling(stream: Stream) -> int:
    # At least 1: zero or a fraction is no valid ldes:pollingInterval (LDES-07).
    return max(1, int(stream.polling_interval.total_seconds()))


def _text(value: str) -> str:
    # JSON's string escapes are a subset of those of N-Triples, line feeds included (HTTP-34).
    return orjson.dumps(value).decode()


def nest(nodes: list[dict[str, Any]], top: str) -> dict[str, Any]:
    """Hang flat expanded JSON-LD nodes below the node `top`, each where it is first referred to.

    What `top` does not reach comes along as `@included`, so no statement is lost.
    """
    known = {node["@id"]: node for node in nodes if "@id" in node}
    placed: set[str] = set()

    def grow(value: Any) -> Any:
        if isinstance(value, list):
            return [grow(item) for item in value]
        if not isinstance(value, dict):
            return value
        name = value.get("@id")
        if isinstance(name, str) and name in known and name not in placed:
            placed.add(name)
            value = {**known[name], **value}
        return {key: grow(item) for key, item in value.items()}

    tree: dict[str, Any] = grow({"@id": top})
    rest = [grow({"@id": name}) for name in known if name not in placed]
    rest += [node for node in nodes if "@id" not in node]
    return {**tree, "@included": rest} if rest else tree
