"""Glossary: the terms we coined, in every form; pure.

A term's address is that of its namespace with a `#`, so one page answers for all of a namespace, and browsers find the
term on it by the name behind the `#`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from itertools import groupby

import orjson

from ldes_server.front import frame
from vocab.terms import RDFS
from vocab.vocabulary import Entry, Namespace, Sort

_SEE_ALSO = RDFS + "seeAlso"
_HEADINGS: Mapping[Sort, str] = {
    Sort.CLASS: "Klassen · Classes",
    Sort.PROPERTY: "Eigenschappen · Properties",
    Sort.OBSERVED: "Waarneembare eigenschappen · Observable properties",
    Sort.SHAPE: "Vormen · Shapes",
    Sort.OTHER: "Andere · Others",
}


def glossary(spaces: Sequence[Namespace], base_url: str, models: Collection[str]) -> dict[str, bytes]:
    """Return what namespaces hold, by media type; the shapes of `models` lead to where these are explained."""
    leads = [
        (space.iri + entry.name, f"{base_url}/models/{entry.about}")
        for space in spaces
        for entry in space.entries
        if entry.sort is Sort.SHAPE and entry.about in models
    ]
    lines = "".join(f"<{shape}> <{_SEE_ALSO}> <{page}> .\n" for shape, page in leads).encode()
    turtle = b"\n".join(space.turtle for space in spaces) + lines
    return {
        "text/turtle": turtle,
        "application/ld+json": _jsonld(spaces, leads),
        "application/n-triples": b"".join(space.ntriples for space in spaces) + lines,
        "text/html": _page(spaces, base_url, models),
        "text/plain": turtle,
    }


def _jsonld(spaces: Sequence[Namespace], leads: Sequence[tuple[str, str]]) -> bytes:
    documents = [orjson.loads(space.jsonld) for space in spaces]
    prefixes = {prefix: iri for document in documents for prefix, iri in document["@context"].items()}
    nodes = [node for document in documents for node in document["@graph"]]
    nodes += [{"@id": shape, _SEE_ALSO: {"@id": page}} for shape, page in leads]
    return orjson.dumps({"@context": prefixes, "@graph": nodes})


def _page(spaces: Sequence[Namespace], base_url: str, models: Collection[str]) -> bytes:
    is_one = len(spaces) == 1
    title = spaces[0].label if is_one else {"nl": "Onze begrippen", "en": "Our terms"}
    up = "<a href='{0}/ns'>← begrippen · terms</a>" if is_one else "<a href='{0}/'>← feeds</a>"
    body = (
        f"<header><p>{up.format(escape(base_url))}</p><h1>{escape(title['nl'])}</h1>"
        f"<p lang='en'>{escape(title['en'])}</p></header><main>"
    )
    for space in spaces:
        address = f"{base_url}/ns/{space.name}"
        if not is_one:
            heading = f"<a href='{escape(address)}'>{escape(space.label['nl'])}</a>"
            body += f"<article><h2>{heading}</h2><p lang='en'>{escape(space.label['en'])}</p></article>"
            continue
        body += f"<div class='copy'><pre>curl -H 'Accept: text/turtle' {escape(address)}</pre></div>"
        body += f"<p><code>{escape(space.iri)}</code></p>{_sections(space, base_url, models)}"
    return frame(title["nl"], f"{body}</main>")


def _sections(space: Namespace, base_url: str, models: Collection[str]) -> str:
    text = ""
    concepts = [entry for entry in space.entries if entry.sort is Sort.CONCEPT]
    for scheme in (entry for entry in space.entries if entry.sort is Sort.SCHEME):
        inside = [entry for entry in concepts if entry.about == scheme.name]
        heading = f"{escape(scheme.label['nl'])} <span class='soft'>· {escape(scheme.label['en'])}</span>"
        text += f"<h3 id='{escape(scheme.name)}'>{heading}</h3>{_texts(scheme)}{_table(inside, base_url, models)}"
    others = [entry for entry in space.entries if entry.sort in _HEADINGS]
    for sort, entries in groupby(others, lambda entry: entry.sort):
        text += f"<h3>{_HEADINGS[sort]}</h3>{_table(list(entries), base_url, models)}"
    return text


def _table(entries: Sequence[Entry], base_url: str, models: Collection[str]) -> str:
    rows = "".join(
        f"<tr id='{escape(entry.name)}'><td><code>{escape(entry.name)}</code></td>"
        f"<td>{escape(entry.label.get('nl', ''))} <span lang='en'>· {escape(entry.label.get('en', ''))}</span></td>"
        f"<td style='white-space:normal'>{_texts(entry)}{_links(entry, base_url, models)}</td></tr>"
        for entry in entries
    )
    return f"<div class='wide'><table>{rows}</table></div>"


def _texts(entry: Entry) -> str:
    dutch, english = (escape(entry.text.get(language, "")) for language in ("nl", "en"))
    return f"<p>{dutch}</p><p lang='en'>{english}</p>" if dutch or english else ""


def _links(entry: Entry, base_url: str, models: Collection[str]) -> str:
    links = [f"{escape(word)} <a href='{escape(iri)}'>{escape(iri)}</a>" for word, iri in entry.links]
    if entry.sort is Sort.SHAPE and entry.about in models:
        page = f"{base_url}/models/{entry.about}"
        links.append(f"model <a href='{escape(page)}'>{escape(entry.about)}</a>")
    return f"<p class='soft'>{'<br>'.join(links)}</p>" if links else ""
