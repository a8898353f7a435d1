"""An event stream that a test writes page by page, served over HTTP on a free port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.http_script import Asked

PREFIXES = "@prefix tree: <https://w3id.org/tree#> . @prefix ldes: <https://w3id.org/ldes#> . @prefix ex: <https://x.example/> .\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One page: members (their numbers), links (paths or addresses), and how it is answered."""

    members: tuple[int | str, ...] = ()
    links: tuple[str, ...] = ()
    final: bool = False
    more: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def turtle(self) -> str:
        """Write the page."""
        lines = [PREFIXES, self.more]
        lines += [
            f'ex:stream tree:member ex:m{it} . ex:m{it} ex:n "{it}" ; ex:at [ ex:place ex:p{it} ] .'
            for it in self.members
        ]
        lines += [f"<> tree:relation [ a tree:Relation ; tree:node <{link}> ] ." for link in self.links]
        lines.append("<> ldes:immutable true ." if self.final else "")
        return "\n".join(lines)


class Feed:
    """Serves written pages by path, with ETags where `tagged`; what is not written is a 404."""

    def __init__(self, pages: Mapping[str, Written], *, tagged: bool = False) -> None:
        self.pages = dict(pages)
        self.tagged = tagged

    def __call__(self, asked: Asked) -> web.Response:
        """Answer one question."""
        page = self.pages.get(asked.path)
        if page is None:
            return web.Response(status=404)
        text = page.turtle()
        tag = f'"{hash(text)}"'
        if self.tagged and asked.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        headers = {"Content-Type": "text/turtle", **({"ETag": tag} if self.tagged else {}), **page.headers}
        return web.Response(body=text.encode(), status=page.status, headers=headers)


def chain(sizes: Iterable[int], *, back: bool = False) -> dict[str, Written]:
    """Write a linked list of pages `/`, `/1`, `/2` …; all but the last are final; with `back` they link back too."""
    sizes = list(sizes)
    pages, number = {}, 0
    for at, size in enumerate(sizes):
        links = [f"/{at + 1}"] if at + 1 < len(sizes) else []
        if back and at:
            links.append("/" if at == 1 else f"/{at - 1}")
        members = tuple(range(number, number + size))
        pages["/" if at == 0 else f"/{at}"] = Written(members=members, links=tuple(links), final=at + 1 < len(sizes))
        number += size
    return pages
