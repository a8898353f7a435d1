"""The sentences of the reference pages that no table in the code holds: reasons, source file words, HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.formats import OPTIONS as FORMAT_OPTIONS
from ingest.transports import TRANSPORTS
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
    Reason.PRIVACY: Explained(
        meaning="A text that would be published holds personal data: a number plate, a phone number, a MAC or e-mail address, "
        "or an id that hides nothing. The excerpt shows only the shape of the item.",
        example="A name that says `Fietspunt, bel 0478 12 34 56`; a `bike_id` that cannot be new for every trip.",
        remedy="Bind another path, or say under `privacy: allow` why it may be published; ids of vehicles: `rotate: daily`.",
    ),
    Reason.ABSENT: Explained(
        meaning="With `absent: delete`: a payload lacks so much that it is not believed, and nothing is deleted.",
        example="An empty list; more than half of the entities missing at once; an item that does not say whose it is.",
        remedy="None where the publisher had a bad moment: the next payload counts again. If it stays, the feed changed.",
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
    **{name: transport.meaning for name, transport in TRANSPORTS.items()},
    "sample": "Optional. A file name pattern by which `smartflanders up --replay` finds recordings of this source.",
    "model": "The reference model: a page of [models](models.md).",
    "stream": "The stream that the members join. Several sources may feed one stream; they name the same model.",
    "format": "Optional. The [form of the documents](../how-to/formats.md) where the media type does not say it: its name, or "
    "`name` with options. It counts more than what the publisher says.",
    "each": "Where the items are: a path with `[*]` at every list, or a list of paths of which the first that exists is read.",
    "only": "Optional. Which of them are items of this source: `{ from: path, equals: [values] }`, or `not:`; of a list, all "
    "must hold. Others are not counted.",
    "lookup": "Optional. Tables made of another source's newest document, by name.",
    "bind": "Names of the model on the left, paths or [bindings](#words-of-a-binding) on the right.",
    "publish": "Optional. When an item becomes a member; without it every item does.",
    "privacy": "Optional. Which personal data may be published and why, and the secret of `rotate: daily`. "
    "[How](../how-to/add-a-source.md#personal-data).",
}

# Keys inside other keys: `parent.key`.
INNER: Mapping[str, str] = {
    **{key: text for transport in TRANSPORTS.values() for key, text in transport.rows()},
    **{f"format.{key}": schema["description"] for key, schema in FORMAT_OPTIONS.items()},
    "lookup.source": "The other source, by name; it must run too.",
    "lookup.format": "The form of its documents, as `format`.",
    "lookup.each": "Where its rows are.",
    "lookup.key": "The row's key: a path in the row.",
    "lookup.by": "The key to look for: a path in the item.",
    "lookup.required": "`true`: wait for the document, and refuse items without a row (reason `lookup`).",
    "publish.when": "`always`, or `changed`: only when an entity says something else than last time.",
    "publish.heartbeat": "With `changed`: publish an unchanged entity again after this time.",
    "publish.operations": "`true`: members say whether they create or update their entity.",
    "publish.absent": "`delete`: every payload lists all entities, and what one lacks is deleted; refused as `absent` when "
    "that is more than half of them.",
    "publish.deleted": "`{ from: path, equals: [values] }`: an item with one of these values deletes its entity.",
    "privacy.allow": "A list: `name` (of the model) or `path` (of the item), `kind` (`email`, `mac`, `phone`, `plate`, "
    "`vehicle`; one or a list), and `because`, a sentence that says why it may be published.",
    "privacy.salt": "`${NAME}` or `${file:/path}`: 16 or more random characters, which make rotated ids impossible to guess.",
    "publish.transaction": "`payload`: members of one payload belong together.",
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
    "rotate": (
        "`daily`: ids are hashed with a secret, anew each day (UTC). `publisher`: they are new after every trip already.",
        "entity: { from: bike_id, rotate: daily }",
    ),
}

# The keys of a stream file.
STREAM_KEYS: Mapping[str, str] = {
    "stream": "The stream, as the source files beside it name it. One file per stream, named `<stream>.stream.yaml`.",
    "retention": "Optional. What the stream keeps; without it, everything. `all` or some of the keys below.",
    "versions": "Optional. What members say besides: `operations: true` that they create, update or delete their entity, "
    "`transactions: true` what they were published together with. Needed only where no source says so. [How](../how-to/delete-and-group.md).",
    "views": "Optional. Ways into the stream besides its history, each with a name of letters, digits and hyphens.",
}

# The kinds of views: what each divides by, the relations that lead to its buckets, an example.
VIEWS: Mapping[str, tuple[str, str, str]] = {
    "by_time": (
        "Half-open windows in UTC, a tree level for each of `levels`; who comes after the closing is below `late`.",
        "`tree:GreaterThanOrEqualToRelation` and `tree:LessThanRelation`",
        "by-hour: { by_time: observed_at, levels: [year, month, day, hour], lateness: 1d }",
    ),
    "by_tile": (
        "Slippy tiles (Web Mercator) at each of `zooms`. A geometry is at the deepest tile that contains all of it.",
        "`tree:GeospatiallyContainsRelation` with a polygon in CRS84",
        "by-tile: { by_tile: point, zooms: [8, 11, 14] }",
    ),
    "by_property": (
        "One bucket for each value; a member with several values is in several.",
        "`tree:EqualToRelation` with an IRI or a literal",
        "by-operator: { by_property: operator }",
    ),
    "by_prefix": (
        "The first `length` characters of a text, one tree level each, upper and lower case apart.",
        "`tree:PrefixRelation`",
        "by-name: { by_prefix: name, length: 2 }",
    ),
    "by_latest": (
        "None: pages of entities, each with its newest version or its deletion; its root says `ldes:versionAmount 1`.",
        "`tree:Relation`: every page may change",
        "newest: { by_latest: entity }",
    ),
}

# The keys of a view besides its kind.
VIEW_OPTIONS: Mapping[str, str] = {
    "levels": "Of `year`, `month`, `day`, `hour`, `minute`, from coarse to fine.",
    "lateness": "How long after its end a window still takes members (1d). Then its pages are final.",
    "zooms": "From 0 to 20, ascending.",
    "length": "From 1 to 8.",
    "then": "A second view, inside each bucket of the first.",
    "retention": "What this view keeps, where that is not what the stream keeps.",
}

# The keys of a policy; their properties are in ldes_server/retention_file.py.
RETENTION: Mapping[str, str] = {
    "full_log": "How long after its publication every member is kept: `30d`.",
    "starting_from": "What was published before this time may be gone, whatever else is said: `2026-01-01T00:00:00Z`.",
    "versions": "How many versions of each entity are kept, however old: the newest ones by observed time.",
    "version_for": "How long after their observation those versions are kept. With `versions` only.",
    "deleted_for": "How long after its observation the deletion of an entity is kept; then the entity is forgotten.",
}

PATHS = """\
A path names one value of an item: keys with dots (`location.lon`), indexes in brackets (`location[1]`), attributes of XML
with `@` (`"@unieke_id"`, quoted because YAML reserves the sign). `names[language=nl].text` takes the element whose
`language` is `nl`; a key that holds dots or brackets stands between `<` and `>`: `<http://www.w3.org/ns/sosa/hasResult>`.
`$.` starts at the document instead of the item, and `^.` at what is around the item where `each` goes through lists inside
lists (`entity[*].trip_update.stop_time_update[*]`). In `each`, `[*]` is a list and `{*}` the values of an object, whose key is
then `@key`. A path that leads nowhere gives no value; so do `null`, the empty text and whatever `not` lists. A required
name without a value refuses the item; an optional one is left out of the member.
"""

STATES: Mapping[str, str] = {
    "entity": "of this one entity",
    "bbox": "whose place is in the box, edges included",
    "since": "observed at or after this time",
    "after": 'of entities behind this one; what `rel="next"` uses',
    "format": "in this form",
}

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

Pages of every view and `/latest` are also NDJSON, GeoJSON and CSV: by `Accept` ({plain}) or, where a header cannot be set,
by `?format=` ({formats}). They hold members and nothing else; where to go on is in the `Link` header. `/{{stream}}/log`
and inner nodes answer 303 to the oldest leaf below them, a final leaf has `rel="next"` for ever, the last leaf has
`first`, `last` and `prev` but no `next`: poll that one. Where the history keeps versions of before its oldest leaf, the root leads to
these first. In the other views the walk is depth first: a bucket's own pages, oldest first,
then the buckets below it in the order in which they came into being. Roots, nodes and groups answer 303 to the first page at
or below them. From a root the walk is the whole view, from a node only its bucket: `?within=2026.11.23&format=csv` stays in
`2026.11.23`. A page without `next` is the end of the walk; `first` leads back to where it began. A member with several values is
in several buckets, and comes once in each. A final page is kept for ever once the page behind it is settled, that is, nothing
can come between them any more; until then it is asked again like an open one. `self` is the address in this form, `canonical` the one for all forms. A line
of NDJSON is a JSON-LD object without its context, which `rel="http://www.w3.org/ns/json-ld#context"` names.

`/{{stream}}/latest` shows the newest state of every entity in the order of their IRIs, {limit} at most, then `rel="next"`.
Newest is what was observed last, and of the same time what was published last. An entity whose newest member is its deletion
is left out, and 410 where it is asked for by `entity`; its deletion and all before it stay in the history.

| Parameter of `/latest` | Form | Shows the newest states |
|---|---|---|
{parameters}
They can be combined; in another order they are redirected (308) to this one. A box whose west is east of its east crosses
the date line; what has no place is in no box.

CSV has the columns {columns}, then `operation` where members of the stream say it, then the names of the model in the order of [models](models.md): RFC 4180, UTF-8,
a point in decimals, `true` and `false`, nothing where there is no value, a JSON array where there are several. A repeated
group has one column per name and code (`count_car`, `count_van`). A text in several languages is shown in Dutch, else in
English. A text that a spreadsheet would run as a formula (it begins with `=`, `@`, a tab, or a sign that no number follows) has an
apostrophe before it. GeoJSON (RFC 7946) has the same values as properties of the feature, without those that are missing,
and the texts as they are.

| What | `Cache-Control` | Then |
|---|---|---|
| a final page, a member | `public, max-age=604800, immutable` | never asked again |
| the root and the open page | `public, max-age=5` | a 304 until something new came |
| a redirect to a feed's root | `public, max-age=3600` | 303: the feed's own address is the one to keep |
| a redirect to the page of a time or number | `public, max-age=60` | 303 |
| a live stream | `no-store` | it does not end; see [live](live.md) |

`/{{stream}}?since=2026-11-23T08:00:00Z` leads to the page with the first member published then or later, `?at=` to the page with
the last one published until then, `?since=1234` to the page with that `sequence`. A place that is not published yet leads to
the root, one that is no longer kept to the oldest page, or to the root where that links older members. The root offers `?at=` as a search form (`tree:search`).

The root of a view by time offers `?at=`, of a view by tile `?z=&x=&y=`, a slippy tile of any zoom (`y` counts from the north). The
answer, 200, is a page of links into the view from which every member that satisfies the form is reached, and few others:

| Asked for | Leads to |
|---|---|
| a time | its window, the same window among the late ones, and `none`: members whose time has no zone may be meant |
| a tile of a zoom of the view | this tile, the own members of the tiles around it (what crosses an edge inside them), and `none` |
| a deeper tile than the view has | the deepest tile around it, and the same |
| a tile between two zooms | the tiles of the next zoom inside it, if these are 64 at most, and the same; else the tile around it |
| a tile coarser than the view has | the tiles inside it, if these are 64 at most, and `none`; else 303 to the root |

A bucket that does not exist is left out, so a time or a tile where nothing is leads to `none` or nowhere. In a view that is
nested, `?at=` works where the outer part is by time; where it is by tile, only its coarsest zoom is told apart. `none` is where
members are that say no time or no place, or one that no relation can tell.

| Status | When |
|---|---|
| 303 | an address that stands for something leads to the document about it |
| 304 | what you have is current |
| 308 | the same address with its parameters in order, each once; or, from a page that went, where all is that is kept of it |
| 400 | a parameter that does not exist here, has two values, or a value that is not of its form; the answer names it |
| 404 | no such address; the answer names those that come near |
| 406 | none of the forms you accept exists; the answer lists those that do |
| 410 | nothing of the page is kept any more, nor the member, or the view is no longer there |
| 503 | the database does not answer, or too many requests are in work: ask again |

A refusal is `application/problem+json`: `title`, `status`, `detail` (what happened) and `fix` (what to do).
"""
