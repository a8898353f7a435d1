"""`pages:` below `http_poll`: how an answer in parts leads on, and how far it is followed."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.paths import PathError, parse_path
from ingest.schema_parts import COUNT, TEXT, Schema, object_of, told
from ingest.transports.options import count_of
from streams.yaml_lines import Faults, Node, check_keys, text_of

_WAYS = ("next", "link", "offset", "number", "cursor")
# A page a second for half an hour; who has more has another interface for it.
MOST = 100

PAGES: Schema = told(
    object_of(
        {
            "next": told(TEXT, "The path in a page (JSON) of the next one's address; the last page has none."),
            "link": told(TEXT, "The relation of the `Link` header that leads to the next page, such as `next`."),
            "offset": told(TEXT, "The parameter that counts items to leave out; with `size` and `items`."),
            "number": told(TEXT, "The parameter that numbers pages; with `items`, and `first` where that is not 1."),
            "cursor": told(TEXT, "The path in a page of a mark that the next question carries in `parameter`."),
            "parameter": told(TEXT, "With `cursor`: the parameter that carries the mark."),
            "items": told(TEXT, "With `offset` and `number`: the path of the list; an empty one is the end."),
            "size": told(COUNT, "With `offset`: how many items a page has; a page with fewer is the last."),
            "first": told({"type": "integer", "minimum": 0}, "With `number`: the number of the first page (1)."),
            "most": told(COUNT, "How many pages a poll may have (100); more of them are an error."),
        }
    ),
    "For answers in pages, each of which becomes a payload: one of `next`, `link`, `offset`, `number`, `cursor`. "
    "`max_bytes` then counts all pages of a poll together.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """How pages lead on: `way` is one of the words above, `at` its value; the rest as the words say."""

    way: str
    at: str
    parameter: str = ""
    items: str = ""
    size: int = 0
    first: int = 1
    most: int = MOST


def pages_of(node: Node | None, faults: Faults) -> Pages | None:
    """Read `pages:`; None when there is none."""
    if node is None or not check_keys(node, PAGES["properties"], faults, where="pages"):
        return None
    given = [way for way in _WAYS if node.get(way) is not None]
    if len(given) != 1:
        what = f"pages has {' and '.join(given)}" if given else "pages does not say how they lead on"
        faults.add(node.line, what, f"give exactly one of {', '.join(_WAYS)}")
        return None
    way = given[0]
    _check_company(node, way, faults)
    first = node.get("first")
    if first is not None and (isinstance(first.value, bool) or not isinstance(first.value, int) or first.value < 0):
        faults.add(first.line, f"{first.described} is no number of a page", "write first: 0")
    size = node.get("size")

    def text(key: str, *, path: bool) -> str:
        value = text_of(node.get(key), faults, where=key, line=node.line)
        if path and value:
            _check_path(value, node, key, faults)
        return value

    return Pages(
        way=way,
        at=text(way, path=way in ("next", "cursor")),
        parameter=text("parameter", path=False),
        items=text("items", path=True),
        size=0 if size is None else count_of(size, faults, 100),
        first=first.value if first is not None and isinstance(first.value, int) else 1,
        most=count_of(node.get("most"), faults, MOST),
    )


def _check_company(node: Node, way: str, faults: Faults) -> None:
    """Fault what a way of paging lacks, and what does not belong to it."""
    needs = {"offset": ("items", "size"), "number": ("items",), "cursor": ("parameter",)}.get(way, ())
    may = {*needs, "first"} if way == "number" else set(needs)
    for key in needs:
        if node.get(key) is None:
            faults.add(node.line, f"pages by {way} need {key}", f"add {key}: …")
    for key in ("parameter", "items", "size", "first"):
        if node.get(key) is not None and key not in may:
            faults.add(node.line, f"{key} does not fit pages by {way}", f"remove {key}")


def _check_path(text: str, node: Node, key: str, faults: Faults) -> None:
    try:
        parse_path(text)
    except PathError as error:
        faults.add(node.line, str(error), f"write for example {key}: meta.{key}")
