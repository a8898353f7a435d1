"""The page of the reference about pilot files, from their JSON Schema and the table of cities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ingest.pilot_file import PILOT_FILE
from ingest.pilot_schema import pilot_schema
from vocab.cities import CITIES
from vocab.model import load_model, model_names

# Writes a Markdown table from its head and its rows.
Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

_HEAD = f"""# Pilot files

A pilot is a folder `deploy/pilots/<city>/<pilot>/` with [source files](source-files.md) and [stream files](stream-files.md).
Its `{PILOT_FILE}` says what it is, for which area, and what can be expected of it. A folder without one runs all the same;
it cannot be copied, and nothing is expected of it. How to copy one: [copy a pilot](../how-to/copy-a-pilot.md).
`smartflanders pilot schema` prints the JSON Schema for editors; `smartflanders pilot check` reports every fault with its line,
and tries the sources on samples.

## Keys

"""
_CITIES = """
## Cities

What `pilot copy` proposes: the centre cities and Brussels, with their codes and boxes (west, south, east, north). The publisher
is the city, with the IRI of the Flemish register; that of Brussels must be said.

"""


def pilot_files(table: Table) -> str:
    """Write the page."""
    schema = pilot_schema([load_model(name) for name in model_names()])
    expectation = schema["properties"]["expect"]["additionalProperties"]
    rows = [*_rows("", schema), *_rows("expect.<source>.", expectation)]
    cities = [
        (f"`{city.slug}`", city.name, f"`{city.nis}`", f"`{city.iri}`", str(city.box)) for city in CITIES.values()
    ]
    return (
        _HEAD
        + table(("Key", "Required", "Meaning"), rows)
        + _CITIES
        + table(("Word", "Name", "NIS", "IRI", "Box"), cities)
    )


def _rows(before: str, schema: dict[str, Any]) -> Iterator[Sequence[str]]:
    """Yield each key that is explained, those below it included; a text in several languages has none below it."""
    for key, inner in schema["properties"].items():
        if "description" in inner:
            yield f"`{before}{key}`", "yes" if key in schema["required"] else "", inner["description"]
        if key == "area":
            yield from _rows(f"{before}{key}.", inner)
