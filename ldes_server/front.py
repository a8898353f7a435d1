"""The pages people read: the front page with every feed, and a model's page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import orjson

from ldes_server.model import Published, Stream
from ldes_server.render import full_body
from vocab.model import Kind, Model

_FOLDER = Path(__file__).parent / "pages"
# What fits a line of a telephone turned on its side.
_COLUMNS = 6
ROWS = 8
_SLOT = re.compile(r"\{\w+\}")
_NUMBERS = (Kind.INTEGER, Kind.DOUBLE)
_SHOWN = (*_NUMBERS, Kind.BOOLEAN, Kind.TEXT, Kind.CODE, Kind.STRING)


# A step is a key, or, into a list, what an item's keys must match: the template's constant words.
Steps = tuple[str | tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table of newest values: where the value is in a member, and what to call it."""

    path: Steps
    label: str
    number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed of the front page: the stream, how many members it has, its newest states, and its views' names."""

    stream: Stream
    count: int
    newest: Sequence[Published]
    views: Sequence[str] = ()


def front_page(feeds: Sequence[Feed], base_url: str) -> bytes:
    """Return the front page: every feed with its newest values, links and snippets that work as they are."""
    contents = "".join(
        f'<li><a href="#{escape(feed.stream.name)}">{escape(feed.stream.title.get("nl", feed.stream.name))}</a></li>'
        for feed in feeds
    )
    body = _template("front.html").substitute(
        contents=contents, feeds="\n".join(_feed(feed, base_url) for feed in feeds), base=escape(base_url)
    )
    return frame("Sensordata van Vlaamse steden", body)


def model_page(model: Model, base_url: str) -> bytes:
    """Return a model's page: its words, their units and meaning, and the text that comes with it."""
    rows = "".join(
        f"<tr><td><code>{escape(field.name)}</code></td><td>{escape(field.label.get('nl', ''))}"
        f' <span lang="en">· {escape(field.label.get("en", ""))}</span></td><td>{escape(field.kind.value)}</td>'
        f"<td>{escape(field.unit or '')}</td></tr>"
        for field in model.fields.values()
    )
    address = f"{base_url}/models/{model.name}"
    body = (
        f"<header><p><a href='{escape(base_url)}/'>← feeds</a></p><h1>{escape(model.title.get('nl', model.name))}</h1>"
        f"<p>{escape(model.description.get('nl', ''))}</p><p lang='en'>{escape(model.description.get('en', ''))}</p>"
        "</header><main><h3>Namen · Names</h3><div class='wide'><table><tr><th>naam · name</th>"
        f"<th>betekenis · meaning</th><th>soort · kind</th><th>eenheid · unit</th></tr>{rows}</table></div>"
        "<h3>Context en vorm · Context and shape</h3><div class='copy'><pre>"
        f"curl -H 'Accept: application/ld+json' {escape(address)}\ncurl -H 'Accept: text/turtle' {escape(address)}"
        f"</pre></div><details><summary>README</summary><pre>{escape(model.readme)}</pre></details></main>"
    )
    return frame(model.title.get("nl", model.name), body)


def frame(title: str, body: str) -> bytes:
    """Put a body into the frame that all pages for people share; nothing is loaded from anywhere else."""
    style = (_FOLDER / "style.css").read_text("utf-8")
    return _template("frame.html").substitute(title=escape(title), style=style, body=body).encode()


def columns(model: Model) -> tuple[Column, ...]:
    """Choose what the table shows of a model: its first text, then what is measured, in the template's order."""
    found: dict[str, tuple[Kind, Column]] = {}
    for path, slot in _slots(model.template, ()):
        field = model.fields.get(slot)
        if field is not None and field.kind in _SHOWN and slot not in found:
            label = field.label.get("nl") or slot
            found[slot] = (field.kind, Column(path=path, label=label, number=field.kind in _NUMBERS))
    texts = [column for kind, column in found.values() if kind in (Kind.TEXT, Kind.STRING)]
    values = [column for kind, column in found.values() if kind in (*_NUMBERS, Kind.BOOLEAN, Kind.CODE)]
    # Figures, and the codes repeated beside them, say more than flags of the whole member.
    values.sort(key=lambda column: not (column.number or any(isinstance(step, tuple) for step in column.path)))
    return (*texts[:1], *values)[:_COLUMNS]


def _slots(template: Mapping[str, Any], path: Steps) -> list[tuple[Steps, str]]:
    found: list[tuple[Steps, str]] = []
    for key, value in template.items():
        if isinstance(value, Mapping):
            found += _slots(value, (*path, key))
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Mapping):
                    found += _slots(item, (*path, key, _marks(item)))
        elif isinstance(value, str) and _SLOT.fullmatch(value) and not key.startswith("@"):
            found.append(((*path, key), value[1:-1]))
    return found


def _marks(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return which of an item's keys have words of their own, and the pattern those follow once filled."""
    return tuple(
        (key, ".+".join(re.escape(part) for part in _SLOT.split(value)))
        for key, value in item.items()
        if isinstance(value, str) and not key.startswith("@") and not _SLOT.fullmatch(value)
    )


def _feed(feed: Feed, base_url: str) -> str:
    stream = feed.stream
    plain = {
        "name": stream.name,
        "base": base_url,
        "model": stream.model.name,
        "model_nl": stream.model.title.get("nl", stream.model.name),
        "publisher": stream.publisher_name,
        "publisher_iri": stream.publisher_iri,
        "licence": stream.licence,
        "count": f"{feed.count:,}".replace(",", "\u202f"),
        **{f"title_{language}": stream.title.get(language, "") for language in ("nl", "en")},
        **{f"description_{language}": stream.description.get(language, "") for language in ("nl", "en")},
    }
    return _template("feed.html").substitute(
        {key: escape(value) for key, value in plain.items()},
        newest=_table(feed.newest, stream.model),
        views=_views(f"{base_url}/{stream.name}", feed.views),
    )


def _views(stream: str, names: Sequence[str]) -> str:
    """Return the row of the ways into a stream besides its history; nothing where there are none."""
    links = " ·\n".join(f'<a href="{escape(stream)}/{escape(name)}">{escape(name)}</a>' for name in names)
    return f"<dt>Andere ingangen · Other views</dt><dd>{links}</dd>" if links else ""


def _table(members: Sequence[Published], model: Model) -> str:
    if not members:
        return "<p class='soft'>Nog geen metingen. · No members yet.</p>"
    chosen = columns(model)
    heads = "".join(f"<th{_class(column)}>{escape(column.label)}</th>" for column in chosen)
    rows = []
    for member in members[:ROWS]:
        body = orjson.loads(full_body(member))
        cells = "".join(f"<td{_class(column)}>{_cell(body, column.path)}</td>" for column in chosen)
        rows.append(
            f'<tr><td><a href="{escape(body["@id"])}">{escape(_short(member.entity))}</a></td>{cells}'
            f"<td>{member.observed_at:%Y-%m-%d %H:%M:%S} UTC</td></tr>"
        )
    return f"<div class='wide'><table><tr><th>object</th>{heads}<th>gemeten · observed</th></tr>{''.join(rows)}</table></div>"


def _class(column: Column) -> str:
    return ' class="number"' if column.number else ""


def _cell(body: Any, path: Steps) -> str:
    return escape(" · ".join(_spell(value) for value in _values(body, path)))


def _values(body: Any, path: Steps) -> list[Any]:
    if not path:
        return [body]
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        return _values(body[step], rest) if isinstance(body, dict) and step in body else []
    items = body if isinstance(body, list) else [body]
    return [
        value
        for item in items
        if isinstance(item, dict) and all(re.fullmatch(pattern, str(item.get(key, ""))) for key, pattern in step)
        for value in _values(item, rest)
    ]


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("nl") or value.get("en") or next(iter(value.values()), "")
    if isinstance(value, bool):
        return "ja" if value else "nee"
    return str(value)


def _short(iri: str) -> str:
    return iri.rstrip("/").rsplit("/", 1)[-1]


def _template(name: str) -> Template:
    return Template((_FOLDER / name).read_text("utf-8"))
