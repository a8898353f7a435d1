"""`ldes:` in a source file: which event stream is followed, how often it is asked for news, and how far it may lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.schema_parts import COUNT, TEXT, object_of, one_or_more, told
from ingest.transports.access import ACCESS, Access, access_of
from ingest.transports.options import count_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, text_of

# Pages of a feed of a million members at a hundred a page.
_MOST = 10_000

_ACCESS = {key: schema for key, schema in ACCESS.items() if key != "media_type"}
_SCHEMA = object_of(
    {
        **_ACCESS,
        "url": told(ACCESS["url"], "The address of the event stream, or better of one of its views."),
        "every": told(
            ACCESS["every"],
            "The pause between looks at the pages that may change, at least 1s; longer where the stream asks for it.",
        ),
        "hosts": told(one_or_more(TEXT), "Other hosts that its pages may lead to; keys are not shown there."),
        "most": told(COUNT, "How many pages are remembered (10000); a feed that leads to more is an error."),
    },
    required=("url", "every"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LdesOptions(Access):
    """Follow the event stream at `url`, also to `hosts`, over at most `most` pages."""

    hosts: frozenset[str] = frozenset()
    most: int = _MOST


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> LdesOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="ldes")
    hosts = node.get("hosts")
    names = [text_of(each, faults, where="hosts", line=node.line) for each in (hosts.elements() if hosts else ())]
    for name in names:
        if "/" in name:
            faults.add(node.line, f"{name!r} is no host", "write hosts: [data.example.org], without https://")
    return LdesOptions(
        **access_of(node, faults, environ),
        hosts=frozenset(name.lower() for name in names),
        most=count_of(node.get("most"), faults, _MOST),
    )


LDES = Transport(
    name="ldes",
    meaning="A transport: follow a Linked Data Event Stream. Each page with new members is a payload, as N-Quads. Exactly "
    "one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
