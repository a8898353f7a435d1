"""The sentences of the reference pages that no table in the code holds: reasons, source file words, HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.record import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one reason means, an input that gets it, and what to do."""

    meaning: str
    example: str
    remedy: str


REASONS: Mapping[Reason, Explained] = {
    Reason.MALFORMED: Explained(
        meaning="The payload, or what is left of it, is not what its media type says.",
        example="An XML document cut off in the middle; a JSON feed that answers 200 with an HTML error page.",
        remedy="Look at the excerpt. What came before the break was published; the next poll usually mends it.",
    ),
    Reason.FORBIDDEN: Explained(
        meaning="The payload is well-formed but not safe to read.",
        example="An XML document with a DOCTYPE (entities may grow without bound or read files).",
        remedy="Ask the publisher to leave it out. There is no switch to allow it.",
    ),
    Reason.STRUCTURE: Explained(
        meaning="The list of items, or an item in it, is not where or what the source file says.",
        example="`each: results[*]` and a document that now says `records`; a text where an object should be.",
        remedy="The feed changed shape: put the new path beside the old one (`each:` takes a list).",
    ),
    Reason.MISSING: Explained(
        meaning="A required name has no value.",
        example="`entity: id` and an item without `id`, or with an empty one.",
        remedy="Bind another path that is always there; `from:` takes a list and uses the first that has a value.",
    ),
    Reason.TYPE: Explained(
        meaning="A value cannot become the type its name has in the model.",
        example="`free_spaces` is `many`; a time without zone and no `zone:` in its binding.",
        remedy="Give the binding the word that fits: `decimal`, `zone`, `as`, `match`, `map`, or `not` for a sentinel.",
    ),
    Reason.RANGE: Explained(
        meaning="A number, time, text or coordinate is outside what the model or the world allows.",
        example="A latitude of 210; an occupancy of 104 %; an observation from 1970, or from after tomorrow.",
        remedy="If the value is a sentinel, list it in `not`; if its unit differs, name it in `unit`.",
    ),
    Reason.CODE: Explained(
        meaning="A code is in neither the source file's `map` nor the model's list.",
        example='`map: { "1": car }` and an item that says 7.',
        remedy="Add the code to `map`, map it to `absent`, or say `otherwise: absent` when codes may come and go.",
    ),
    Reason.LOOKUP: Explained(
        meaning="The looked-up document has no row for this item's key.",
        example="A traffic lane that the configuration document does not list.",
        remedy="Wait for the publisher's next configuration, or say `required: false` at the lookup.",
    ),
    Reason.FAULT: Explained(
        meaning="Our own mapping failed on this record: a defect of the platform, not of the data.",
        example="A decoder meets something nobody foresaw.",
        remedy="Report it with the excerpt. The raw payload is kept, so the record is not lost.",
    ),
}

# The keys of a source file, in the order in which people write them.
KEYS: Mapping[str, str] = {
    "source": "The source's name: small letters, digits, hyphens. Its raw payloads are in topic `raw.<source>`.",
    "title": "The stream's title in `nl` and `en` (`fr`, `de` optional).",
    "description": "The stream's description in `nl` and `en` (`fr`, `de` optional).",
    "publisher": "Who publishes the data: `name` and `iri`.",
    "licence": "The licence's IRI.",
    "contact": "Optional. Where questions about the data go: an e-mail address, a web address, or `name`, `email`, "
    "`page`. Without it the catalogue leads to the publisher.",
    "theme": "Optional. The catalogue's themes, by their code in the EU table, such as `TRAN` or `ENVI`; one or a list. "
    "Without it those of the model.",
    "keywords": "Optional. The catalogue's keywords: one or a list in `nl`, `en`, `fr`, `de`. Without it the model's name.",
    "hvd_category": "Optional. Only for a high-value dataset under Regulation (EU) 2023/138: `geospatial`, `environment`, "
    "`meteorological`, `statistics`, `companies`, `mobility`; one or a list. Live parking and traffic are not in its annex.",
    "spatial": "Optional. The IRI of the place that the data is about, such as a municipality; one or a list. The "
    "box around what was measured is computed.",
    "http_poll": "A transport: ask a web address again and again. Exactly one transport per file.",
    "files": "A transport: read files that appear in a folder. Exactly one transport per file.",
    "sample": "Optional. A file name pattern by which `smartflanders up --replay` finds recordings of this source.",
    "model": "The reference model: a page of [models](models.md).",
    "stream": "The stream that the members join. Several sources may feed one stream; they name the same model.",
    "each": "Where the items are: one path with one `[*]`, or a list of paths of which those that exist are read.",
    "lookup": "Optional. Tables made of another source's newest document, by name.",
    "bind": "Names of the model on the left, paths or [bindings](#words-of-a-binding) on the right.",
    "publish": "Optional. When an item becomes a member; without it every item does.",
}

# Keys inside other keys: `parent.key`.
INNER: Mapping[str, str] = {
    "http_poll.url": "The address, http or https, without a password.",
    "http_poll.headers": "Headers to send; `${NAME}` is taken from the environment, and secrets must be.",
    "http_poll.timeout": "The longest one answer may take (30s).",
    "http_poll.every": "The pause between questions, at least 1s.",
    "http_poll.max_bytes": "The largest body, uncompressed (67108864).",
    "http_poll.media_type": "What the body is, for publishers whose Content-Type is wrong.",
    "files.folder": "The folder.",
    "files.pattern": "Which files in it, such as `*.xml`.",
    "files.every": "The pause between looks (10s).",
    "files.max_bytes": "The largest file, uncompressed (67108864).",
    "files.media_type": "What the files are, where their names do not say.",
    "lookup.source": "The other source, by name; it must run too.",
    "lookup.each": "Where its rows are.",
    "lookup.key": "The row's key: a path in the row.",
    "lookup.by": "The key to look for: a path in the item.",
    "lookup.required": "`true`: wait for the document, and refuse items without a row (reason `lookup`).",
    "publish.when": "`always`, or `changed`: only when an entity says something else than last time.",
    "publish.heartbeat": "With `changed`: publish an unchanged entity again after this time.",
}

# The words of a binding: what it does, and a binding that uses it.
WORDS: Mapping[str, tuple[str, str]] = {
    "from": ("The path of the value; of a list, the first that has one.", "total_spaces: { from: [capacity, total] }"),
    "constant": ("The same value for every item.", "instrument: { constant: loop }"),
    "date": (
        "A date in one field, with `time` in another.",
        "observed_at: { date: day, time: hour, zone: Europe/Brussels }",
    ),
    "time": (
        "The time of day that belongs to `date`.",
        "observed_at: { date: day, time: hour, zone: Europe/Brussels }",
    ),
    "longitude": (
        "Degrees east (WGS 84), with `latitude`.",
        "point: { longitude: location.lon, latitude: location.lat }",
    ),
    "latitude": (
        "Degrees north (WGS 84), with `longitude`.",
        "point: { longitude: location.lon, latitude: location.lat }",
    ),
    "x": ("Metres east in the system `crs`, with `y`.", "point: { x: x_lambert, y: y_lambert, crs: 31370 }"),
    "y": ("Metres north in the system `crs`, with `x`.", "point: { x: x_lambert, y: y_lambert, crs: 31370 }"),
    "crs": ("31370 (Lambert 72) or 3812 (Lambert 2008).", "point: { x: x_lambert, y: y_lambert, crs: 31370 }"),
    "not": ('Values that mean "no value"; a number also matches its text.', "free_spaces: { from: free, not: [-1] }"),
    "decimal": ("`comma`: 1.234,5 is 1234.5.", "occupancy: { from: percent, decimal: comma }"),
    "zone": ("The zone of times that carry none.", "observed_at: { from: measured, zone: Europe/Brussels }"),
    "as": ("`epoch_seconds` or `epoch_milliseconds`.", "observed_at: { from: ts, as: epoch_milliseconds }"),
    "plus": ("A duration to add to a time.", 'interval_end: { from: start, zone: "+01:00", plus: 60s }'),
    "match": (
        "A pattern; its first group, or all it matched, is the value.",
        'lane_type: { from: lane, match: "^[A-Z]+" }',
    ),
    "map": ("Publisher's codes to ours; `absent` means no value.", 'vehicle_class: { from: k, map: { "2": car } }'),
    "otherwise": ("`absent`: a code outside `map` means no value.", "facility_type: { from: type, otherwise: absent }"),
    "when": (
        "Take the value only if other names pass `above`, `below`, `equals` or `not`.",
        "mean_speed: { from: speed, when: { count: { above: 0 } } }",
    ),
    "language": ("The language of a text; texts need one.", "name: { from: naam, language: nl }"),
    "lookup": ("Read the path in the row of a lookup, not in the item.", "road: { from: Ident_8, lookup: lane }"),
    "entity_of": (
        "The value is an entity's key in that stream; it becomes the entity's IRI.",
        'measuring_point: { from: "@unieke_id", entity_of: miv-meetpunten }',
    ),
    "json": ("`true`: texts on the path hold JSON; read on inside them.", "name: { from: tags.naam, json: true }"),
    "unit": ("The unit (UCUM) of what the publisher sends.", "mean_speed: { from: v, unit: m/s }"),
}

PATHS = """\
A path names one value of an item: keys with dots (`location.lon`), indexes in brackets (`location[1]`), attributes of XML
with `@` (`"@unieke_id"`, quoted because YAML reserves the sign). `$.` starts at the document instead of the item. A path
that leads nowhere gives no value; so do `null`, the empty text and whatever `not` lists. A required name without a value
refuses the item; an optional one is left out of the member.
"""

HTTP = """\
Every address answers GET and HEAD and allows requests from any web page (CORS). Every document has a strong ETag, and
`If-None-Match` gets a 304. Bodies are compressed with gzip for who accepts it. `/openapi.json` is this table for programs.

RDF is negotiated by `Accept`: {types}. Without a wish it is JSON-LD with its context inside, which a script can read as
plain JSON: `view.relation[].node` leads on, `member[]` holds the members. All addresses in it are absolute.

At `/` that is the catalogue in DCAT-AP 3: a data set, a service and a distribution per view and media type for each feed,
with contact, themes, place, time, the interval to expect and the lag that was measured. What members cover is asked of the
database at most once a minute, and exact as of then. `/catalogue-feed` is the history of the catalogue as a DCAT-AP feed:
a member for each description that was created, updated or deleted, in JSON-LD, TriG and N-Quads. Times, boxes and lags move
all the time; they are in the catalogue only and make no activity.

| What | `Cache-Control` | Then |
|---|---|---|
| a final page, a member | `public, max-age=604800, immutable` | never asked again |
| the root and the open page | `public, max-age=5` | a 304 until something new came |
| a redirect to a feed's root | `public, max-age=3600` | 303: the feed's own address is the one to keep |

| Status | When |
|---|---|
| 303 | an address that stands for something leads to the document about it |
| 304 | what you have is current |
| 404 | no such address; the answer names those that come near |
| 406 | none of the forms you accept exists; the answer lists those that do |
| 410 | the page is no longer kept |
| 503 | the database does not answer, or too many requests are in work: ask again |

A refusal is `application/problem+json`: `title`, `status`, `detail` (what happened) and `fix` (what to do).
"""
