"""Writes the pages of docs/reference from the code: `python -m smartflanders.reference [--check]`.

With --check nothing is written, and the exit status is 1 when a page differs from what would be.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from ingest.check import fields_of
from ingest.formats import OPTIONS as FORMAT_OPTIONS
from ingest.schema import source_schema
from ingest.transports import TRANSPORTS
from ingest.units import known_units
from ldes_server.app import create_app
from ldes_server.declaration import OPTIONS, fitting
from ldes_server.declaration_schema import stream_schema
from ldes_server.digests import GENESIS, PER_PART, sign
from ldes_server.latest_shelf import LATEST_LIMIT
from ldes_server.live import Limits
from ldes_server.model import Published
from ldes_server.negotiate import FORMATS, PLAIN, RDF_TYPES
from ldes_server.plain import FIXED
from ldes_server.retention_file import KEYS as KEPT
from ldes_server.shelf import Store
from ldes_server.state_query import PARAMETERS
from smartflanders import reference_words as words
from smartflanders.cli import parser
from smartflanders.reference_bindings import WORDS as BINDINGS
from smartflanders.reference_input import BAD_INPUT
from smartflanders.reference_pilots import pilot_files
from smartflanders.reference_texts import DIGESTS, LIVE, MODELS
from streams import metrics
from streams.record import Reason
from streams.settings import SETTINGS
from vocab.flat import compile_flat
from vocab.model import Field, Model, load_model, model_names

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
# Help texts are wrapped here, whatever the terminal of who writes the pages.
_WIDTH = 100
# Series that a histogram has besides its buckets: the bucket without bound, the sum and the count.
_BESIDES_BUCKETS = 3

_COMMANDS = (
    "# Commands\n\nResults are on standard output, progress on standard error. Exit status: 0 done, 1 failed or "
    "not conform, 2 wrong use or configuration, 130 interrupted.\n"
)
_REASONS = (
    "# Reasons\n\nWhat could not become a member is a refusal on topic `rejected.<source>`: source, number of the raw "
    "entry, path, reason, a sentence and the first 500 bytes of the item. It is counted in `sf_rejections_total`; "
    "the other items of the payload go on. Items in = members + unchanged + refused, always.\n"
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def settings() -> str:
    """Write the page of the settings."""
    rows = [(f"`{it.name}`", it.kind, f"`{it.default}`" if it.default else "", it.doc) for it in SETTINGS]
    return (
        "# Settings\n\nRead once, at start, from the environment; options of a command win. Every fault is reported at "
        "once, with exit status 2. Durations are written `60s`, `15m`, `1h30m`, `7d`.\n\n"
        + table(("Name", "What", "Default", "Meaning"), rows)
    )


def metrics_page() -> str:
    """Write the page of the metrics."""
    rows = []
    for name, metric in sorted(found_metrics().items()):
        family = metric.describe()[0]
        labels = metric._labelnames  # noqa: SLF001 - the library has no public way to ask
        rows.append((f"`{name}`", family.type, ", ".join(labels), family.documentation, _series(metric, labels)))
    return (
        "# Metrics\n\n`GET /metrics` hands them out for Prometheus, all processes of a machine added up. Labels come from "
        "closed sets: configured names (`source`, `stream`, the `name` and `job` of a loop) and the words given here; "
        "never an address or an entity. The last column says how many series there can be, so that a dashboard's cost "
        "is known beforehand.\n\n" + table(("Name", "Type", "Labels", "Meaning", "Series"), rows)
    )


def found_metrics() -> dict[str, Any]:
    """Return every metric of streams.metrics by the name it has in /metrics."""
    found: dict[str, Any] = {}
    for metric in vars(metrics).values():
        if hasattr(metric, "describe") and not isinstance(metric, type):
            family = metric.describe()[0] if metric is not metrics.REGISTRY else None
            if family is not None:
                found[family.name + ("_total" if family.type == "counter" else "")] = metric
    return found


def _series(metric: Any, labels: Sequence[str]) -> str:
    """Say how many series a metric has at most, from its labels and the words in its meaning."""
    family = metric.describe()[0]
    factors: list[str] = []
    if family.type == "histogram":
        factors.append(str(len(metric._kwargs["buckets"]) + _BESIDES_BUCKETS))  # noqa: SLF001 - as above
    for label in labels:
        listed = re.search(rf"{label}: ([a-z_]+(?:, [a-z_]+)+)", family.documentation)
        if label == "reason":
            factors.append(str(len(Reason)))
        elif label == "route":
            factors.append(str(len(routes())))
        elif listed:
            factors.append(str(listed[1].count(",") + 1))
        else:
            factors.append({"name": "loops", "job": "loops"}.get(label, f"{label}s"))
    return " × ".join(factors) or "1"


def commands() -> str:
    """Write the page of the commands: the help of every verb."""
    parts = [_COMMANDS]
    for name, command in verbs(parser()):
        command.formatter_class = partial(cast("Any", command.formatter_class), width=_WIDTH)
        parts.append(f"## {name}\n\n```text\n{command.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def verbs(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Give a command and the verbs below it that are for people, each with its full name."""
    yield command.prog, command
    for action in command._actions:  # noqa: SLF001 - argparse has no public way to walk its own tree
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            # A verb without a help line is not for people.
            for choice in action._choices_actions:  # noqa: SLF001
                yield from verbs(action.choices[choice.dest])


def reasons() -> str:
    """Write the page of the reasons for refusals."""
    parts = [_REASONS]
    for reason in Reason:
        it = words.REASONS[reason]
        parts.append(f"## `{reason.value}`\n\n{it.meaning}\n\n- Example: {it.example}\n- What to do: {it.remedy}\n")
    return "\n".join(parts)


def models() -> str:
    """Write the page of the reference models."""
    parts = [MODELS]
    parts += [_model(load_model(name)) for name in model_names()]
    return "\n".join(parts)


def _model(model: Model) -> str:
    kind = "A member is a version of the thing." if model.versioned else "A member is an observation."
    rows = [_field(field, model) for field in fields_of(model).values() if field.name in model.fields]
    return (
        f"## {model.name}\n\n{model.title['en']} (version {model.version}). {model.description['en']} {kind}\n\n"
        f"*{model.title['nl']}. {model.description['nl']}*\n\n"
        + table(("Name", "Kind", "Unit", "Range or codes", "Required", "English", "Nederlands"), rows)
        + f"\nColumns of CSV and GeoJSON: {', '.join(f'`{name}`' for name in compile_flat(model).names)}.\n"
        + _elsewhere(model)
    )


def _elsewhere(model: Model) -> str:
    """Say what a model's names are called in other worlds."""
    alignment = model.alignment
    said = ", ".join(f"`{name}` as `{attribute.name}`" for name, attribute in alignment.attributes.items())
    columns = [column.name for column in compile_flat(model).columns if column.field.name in alignment.datastreams]
    ngsi_ld = f"\nNGSI-LD: an entity is a `{alignment.type}`; {said}.\n" if alignment.type else ""
    datastreams = f"; Datastreams {', '.join(f'`{name}`' for name in columns)}" if columns else ""
    return ngsi_ld + (f"\nSensorThings: a Thing is a {alignment.thing}{datastreams}.\n" if alignment.thing else "")


def _field(field: Field, model: Model) -> Sequence[str]:
    group = f" in `{field.group}`" if field.group else ""
    return (
        f"`{field.name}`{group}",
        field.kind.value,
        f"`{field.unit}`" if field.unit else "",
        ", ".join(f"`{code}`" for code in field.codes) or _range(field),
        "yes" if model.fields[field.name].required or field.required else "",
        _described(field, "en"),
        _described(field, "nl"),
    )


def _range(field: Field) -> str:
    if field.minimum is not None and field.maximum is not None:
        return f"{field.minimum:g} to {field.maximum:g}"
    if field.minimum is not None:
        return f"from {field.minimum:g}"
    return "" if field.maximum is None else f"up to {field.maximum:g}"


def _described(field: Field, language: str) -> str:
    label, text = field.label.get(language, ""), field.description.get(language, "")
    return f"{label}: {text}" if label and text else label or text


def source_files() -> str:
    """Write the page of the language of source files."""
    loaded = [load_model(name) for name in model_names()]
    schema = source_schema(loaded)
    top, required = schema["properties"], set(schema["required"])
    keys = [(f"`{key}`", "yes" if key in required else "", text) for key, text in _agreed(words.KEYS, top)]
    inner = [(f"`{key}`", text) for key, text in _agreed(words.INNER, _inner(top))]
    binding = schema["$defs"]["binding"]["properties"]
    rows = [(f"`{key}`", it[0], f"`{it[1]}`") for key, it in _agreed({**words.WORDS, **BINDINGS}, binding)]
    units = sorted({field.unit for model in loaded for field in model.fields.values() if field.unit})
    known = [(f"`{unit}`", ", ".join(f"`{it}`" for it in known_units(unit))) for unit in units]
    return (
        "# Source files\n\nA feed is one YAML file in `deploy/pilots/<city>/<pilot>/`. How to write one, step by step: "
        "[add a source](../how-to/add-a-source.md). `smartflanders source schema` prints the JSON Schema for editors; "
        "`smartflanders source check FILE` reports every fault with its line.\n\n## Keys\n\n"
        + table(("Key", "Required", "Meaning"), keys)
        + "\n## Keys inside keys\n\n"
        + table(("Key", "Meaning"), inner)
        + f"\n## Paths\n\n{words.PATHS}\n## Words of a binding\n\nA binding is a path, a list of paths, or a mapping of "
        "these words. It has exactly one origin: `from`, `constant`, `join`, `date` with `time`, `longitude` with `latitude`, "
        "`x` with `y` and `crs`, or `coordinates`. A repeated group is bound with `each:` (a path in the item) and `bind:`.\n\n"
        + table(("Word", "Meaning", "Example"), rows)
        + "\n## Units\n\nA name has the unit of its model; `unit` says what the publisher sends.\n\n"
        + table(("The model's unit", "What `unit` may say"), known)
    )


def stream_files() -> str:
    """Write the page of the language of stream files."""
    loaded = [load_model(name) for name in model_names()]
    schema = stream_schema(loaded)
    keys = [(f"`{key}`", text) for key, text in _agreed(words.STREAM_KEYS, schema["properties"])]
    kinds = [(f"`{key}`", *it[:2], f"`{it[2]}`") for key, it in _agreed(words.VIEWS, OPTIONS)]
    known = {key for kind in schema["$defs"]["view"]["oneOf"] for key in kind["properties"]} - set(OPTIONS)
    options = [(f"`{key}`", text) for key, text in _agreed(words.VIEW_OPTIONS, known)]
    kept = [(f"`{key}`", f"`ldes:{KEPT[key]}`", text) for key, text in _agreed(words.RETENTION, KEPT)]
    return (
        "# Stream files\n\nHow a stream is published is one file `<stream>.stream.yaml` beside its source files; without "
        "one the stream has its history and nothing else. How to write one: [add views](../how-to/add-views.md). "
        "`smartflanders stream schema` prints the JSON Schema for editors; `smartflanders stream check PILOT` reports "
        "every fault with its line, and shows where each view puts an example.\n\n## Keys\n\n"
        + table(("Key", "Meaning"), keys)
        + "\n## Kinds of views\n\nA view has exactly one. Members without a value are in bucket `none`, behind a plain "
        "`tree:Relation`, so that no client skips them.\n\n"
        + table(("Kind", "Buckets", "Relations", "Example"), kinds)
        + "\n## Keys of a view\n\n"
        + table(("Key", "Meaning"), options)
        + "\n## Keys of a policy\n\nA member stays as long as one of the keys keeps it; it may stay longer. How to choose: "
        "[keep less](../how-to/keep-less.md).\n\n"
        + table(("Key", "On the root", "Meaning"), kept)
        + "\n## Names\n\nWhat the members of each model can be divided by.\n\n"
        + table(("Model", *(f"`{kind}`" for kind in OPTIONS)), [_divisible(model) for model in loaded])
    )


def _divisible(model: Model) -> Sequence[str]:
    return (model.name, *(", ".join(f"`{name}`" for name in fitting(kind, model)) for kind in OPTIONS))


def _agreed(texts: Mapping[str, Any], known: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """Give texts, refusing a page that explains more or less than there is."""
    if odd := set(texts) ^ set(known):
        raise ValueError(f"smartflanders/reference_words.py and the code differ in {sorted(odd)}")
    return texts.items()


def _inner(top: Mapping[str, Any]) -> list[str]:
    lookup = top["lookup"]["additionalProperties"]["properties"]
    nested = {"format": FORMAT_OPTIONS, "lookup": lookup}
    nested |= {key: top[key]["properties"] for key in ("publish", "privacy")}
    ours = [f"{parent}.{key}" for parent, properties in nested.items() for key in properties]
    return ours + [key for transport in TRANSPORTS.values() for key, _ in transport.rows()]


def http() -> str:
    """Write the page of the HTTP addresses."""
    rows = [(f"`{path}`", summary) for path, summary in routes().items()]
    types = ", ".join(f"`{it}`" for it in RDF_TYPES)
    return (
        "# HTTP\n\n"
        + table(("Address", "What it gives"), rows)
        + "\n"
        + words.HTTP.format(
            types=types,
            plain=", ".join(f"`{media}`" for media in PLAIN),
            formats=", ".join(f"`{name}`" for name in FORMATS),
            limit=f"{LATEST_LIMIT:,}",
            parameters="".join(
                f"| `{name}` | {form} | {shown} |\n"
                for (name, form), (_, shown) in zip(PARAMETERS.items(), _agreed(words.STATES, PARAMETERS), strict=True)
            ),
            columns=", ".join(f"`{name}`" for name in FIXED),
        )
        + "\n## Bad input\n\nNone of it stores anything.\n\n"
        + table(("What", "Answer", "Test"), [(what, said, f"`{test}`") for what, said, test in BAD_INPUT])
        + "\nHow to use it: [follow a feed](../how-to/follow-a-feed.md); "
        + "[read it as NGSI-LD or SensorThings](../how-to/read-as-ngsi-ld-or-sensorthings.md).\n"
    )


def live() -> str:
    """Write the page of the live streams."""
    limits = Limits()
    figures = {
        "{patience}": f"{limits.patience.total_seconds():g}",
        "{heartbeat}": f"{limits.heartbeat.total_seconds():g}",
        "{listeners}": f"{limits.listeners:,}",
    }
    return _filled(LIVE, figures)


def digests() -> str:
    """Write the page of the digests, with a line made as the server makes it."""
    return _filled(DIGESTS, {"{lines}": f"{PER_PART:,}", "{example}": _line().decode()})


def _filled(text: str, figures: Mapping[str, str]) -> str:
    for slot, figure in figures.items():
        text = text.replace(slot, figure)
    return text


def _line() -> bytes:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    pair = [
        Published(
            sequence=number,
            published_at=noon,
            id=f"example/members/{number}",
            entity="https://data.example.org/example/entities/1",
            observed_at=noon,
            point=None,
            body=b'{"@id":"https://data.example.org/example/members/%d"}' % number,
        )
        for number in (0, 1)
    ]
    return sign(0, pair, previous=GENESIS)


def routes() -> dict[str, str]:
    """Return the addresses that a site answers, each with what it gives."""
    paths = create_app([], cast("Store", None), base_url="https://data.example.org").openapi()["paths"]
    return {path: (operations.get("get") or operations["post"])["summary"] for path, operations in paths.items()}


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings,
    "metrics.md": metrics_page,
    "commands.md": commands,
    "reasons.md": reasons,
    "models.md": models,
    "source-files.md": source_files,
    "stream-files.md": stream_files,
    "pilot-files.md": partial(pilot_files, table),
    "http.md": http,
    "live.md": live,
    "digests.md": digests,
}
_WRITTEN = "\n<!-- Written by `make docs` from the code; change it there. -->\n"


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    return {name: write() + _WRITTEN for name, write in PAGES.items()}


def main(argv: Sequence[str] | None = None, *, folder: Path = FOLDER) -> int:
    """Write the pages, or with --check tell which are not up to date; return the exit status."""
    options = argparse.ArgumentParser(prog="python -m smartflanders.reference", description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is not up to date")
    checking = options.parse_args(argv).check
    old = [name for name, text in pages().items() if not _has(folder / name, text)]
    if checking:
        for name in old:
            print(f"docs/reference/{name} is not up to date; run `make docs`", file=sys.stderr)  # noqa: T201
        return 1 if old else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in old:
        (folder / name).write_text(pages()[name], "utf-8")
        print(f"docs/reference/{name}")  # noqa: T201 - the command's result
    return 0


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


if __name__ == "__main__":
    raise SystemExit(main())
