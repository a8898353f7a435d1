"""`gbfs:` in a source file: the discovery file of a mobility system, and which of its feeds are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.schema_parts import TEXT, object_of, one_or_more, told
from ingest.transports.access import ACCESS, Access, access_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, suggest

# What a feed is called in versions 1 and 2, and in 3.
RENAMED = {"free_bike_status": "vehicle_status", "vehicle_status": "free_bike_status"}
FEEDS = (
    "system_information",
    "station_information",
    "station_status",
    "vehicle_status",
    "free_bike_status",
    "vehicle_types",
    "vehicle_availability",
    "system_regions",
    "system_pricing_plans",
    "system_alerts",
    "geofencing_zones",
)
_SCHEMA = object_of(
    {
        **{key: schema for key, schema in ACCESS.items() if key != "media_type"},
        "feeds": told(
            one_or_more({"enum": list(FEEDS)}),
            "Which feeds are read, one or a list; each is a payload. `vehicle_status` is also what was `free_bike_status`.",
        ),
        "language": told(TEXT, "The language of the feeds where they are split by it (GBFS 2); without it the first."),
    },
    required=("url", "every", "feeds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GbfsOptions(Access):
    """Read `feeds` of the system whose discovery file, `gbfs.json`, is at `url`, in `language` where there are several.

    A feed is asked every `every`, and no sooner than its own `ttl` allows.
    """

    feeds: tuple[str, ...]
    language: str = ""


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> GbfsOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="gbfs")
    feeds, language = node.get("feeds"), node.get("language")
    names = []
    for element in feeds.elements() if feeds is not None else ():
        if element.text not in FEEDS:
            faults.add(element.line, f"unknown feed {element.described}", suggest(element.text, FEEDS))
        names.append(element.text)
    if not names:
        faults.add(node.line, "gbfs names no feed", "add feeds: [station_status]")
    access = access_of(node, faults, environ) | {"media_type": "application/json"}
    return GbfsOptions(
        **access, feeds=tuple(dict.fromkeys(names)), language=language.text if language is not None else ""
    )


GBFS = Transport(
    name="gbfs",
    meaning="A transport: ask for feeds of shared mobility, which its discovery file finds. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
    # With several feeds a payload has part of what there is.
    whole=lambda options: len(options.feeds) == 1,
)
