"""An independent reading of a feed: plain HTTP and JSON, no code of the server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyld import jsonld

from tests.support.graphs import Triple, literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One page as received."""

    url: str
    body: bytes
    final: bool
    document: dict[str, Any]


def fetch(url: str, accept: str = "application/ld+json") -> tuple[bytes, dict[str, str]]:
    """Fetch a page and its headers (names in lower case)."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


Fetch = Callable[[str], tuple[bytes, dict[str, str]]]


def crawl(root: str, *, fetch: Fetch = fetch) -> Iterator[Fetched]:
    """Yield every page below a root, the root first, each once, following relations in order."""
    waiting, seen = [root], {root}
    while waiting:
        url = waiting.pop(0)
        body, headers = fetch(url)
        document = json.loads(body)
        yield Fetched(url=url, body=body, final="immutable" in headers["cache-control"], document=document)
        for relation in document["view"].get("relation", []):
            if relation["node"] not in seen:
                seen.add(relation["node"])
                waiting.append(relation["node"])


def members(
    root: str, *, fetch: Fetch = fetch, keep: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> list[dict[str, Any]]:
    """Return what `keep` keeps of every member of a view, in the order of the sequence numbers."""
    found = [keep(member) for page in crawl(root, fetch=fetch) for member in page.document.get("member", [])]
    return sorted(found, key=lambda member: int(member["sequence"]))


def triples(page: Fetched, *, every: int = 1) -> Iterator[Triple]:
    """Read a page as RDF with pyld; of its members only each `every`th, since pyld takes milliseconds for one."""
    document = dict(page.document)
    document["member"] = document.get("member", [])[::every]
    for triple in jsonld.to_rdf(document)["@default"]:
        subject, value = triple["subject"], triple["object"]
        yield _term(subject, page.url), triple["predicate"]["value"], _term(value, page.url)


def _term(term: dict[str, str], scope: str) -> str:
    """Spell a term of pyld; blank nodes with their page, so that pages can be read together."""
    if term["type"] == "IRI":
        return f"<{term['value']}>"
    if term["type"] == "blank node":
        return f"{term['value']}@{scope}"
    return literal(term["value"], datatype=term["datatype"], language=term.get("language", ""))
