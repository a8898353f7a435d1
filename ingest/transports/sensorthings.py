"""`sensorthings:` in a source file: which observations of which service are asked for, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ingest.schema_parts import COUNT, DURATION, TEXT, object_of, told
from ingest.transports.access import ACCESS, Access, access_of
from ingest.transports.options import count_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, suggest, text_of

_BY = ("phenomenonTime", "resultTime")
_DEFAULT_EXPAND = "Datastream($expand=Thing($expand=Locations),ObservedProperty)"

_ACCESS = {key: schema for key, schema in ACCESS.items() if key != "media_type"}
_SCHEMA = object_of(
    {
        **_ACCESS,
        "url": told(ACCESS["url"], "The address of the service, which ends in its version: `https://host/path/v1.1`."),
        "filter": told(TEXT, "Which observations (`$filter`), such as `Datastream/ObservedProperty/name eq 'PM10'`."),
        "expand": told(
            TEXT, f"What each observation carries (`$expand`) besides itself ({_DEFAULT_EXPAND}); empty for nothing."
        ),
        "by": told({"enum": list(_BY)}, "The time by which news is told: `phenomenonTime` (default) or `resultTime`."),
        "first": told(DURATION, "How far back the first question goes (1d)."),
        "overlap": told(
            DURATION, "How far each later one goes back before the newest observation, for late ones (1h)."
        ),
        "page": told(COUNT, "How many observations are asked for at once (1000); a service may give fewer."),
    },
    required=("url", "every"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorThingsOptions(Access):
    """Ask the service at `url` for the observations since the newest one that is safe, by the time `by`."""

    filter: str = ""
    expand: str = _DEFAULT_EXPAND
    by: str = _BY[0]
    first: timedelta = timedelta(days=1)
    overlap: timedelta = timedelta(hours=1)
    page: int = 1000


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> SensorThingsOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="sensorthings")
    by = text_of(node.get("by"), faults, where="by", line=node.line) or _BY[0]
    if by not in _BY:
        faults.add(node.line, f"by {by!r} is unknown", suggest(by, _BY))
    expand = node.get("expand")
    options = SensorThingsOptions(
        **access_of(node, faults, environ),
        filter=text_of(node.get("filter"), faults, where="filter", line=node.line),
        expand=_DEFAULT_EXPAND if expand is None else text_of(expand, faults, where="expand", line=node.line),
        by=by,
        first=duration_of(node.get("first"), faults, timedelta(days=1)),
        overlap=duration_of(node.get("overlap"), faults, timedelta(hours=1)),
        page=count_of(node.get("page"), faults, 1000),
    )
    if "/Observations" in options.url or "?" in options.url:
        fix = (
            "write the service's address, such as https://host/FROST-Server/v1.1; the rest goes into filter and expand"
        )
        faults.add(node.line, "url is more than the address of the service", fix)
    return options


SENSORTHINGS = Transport(
    name="sensorthings",
    meaning="A transport: ask an OGC SensorThings service for new observations. Each page is a payload. Exactly one "
    "transport per file.",
    read=_read,
    schema=_SCHEMA,
)
