"""`http_poll:` in a source file: which address is asked, how often, with what, and how its pages lead on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.schema_parts import object_of
from ingest.transports.access import ACCESS, Access, access_of
from ingest.transports.pages import PAGES, Pages, pages_of
from ingest.transports.post import POST, Post, post_of
from ingest.transports.signs import Sign, sign_of, sign_schema
from ingest.transports.transport import Transport
from ingest.transports.window import WINDOW, Window, window_of
from streams.yaml_lines import Faults, Node, check_keys

_ERROR_WHEN = sign_schema(
    "How an error looks that comes with status 200 as JSON; it is then an error of the source, not a payload."
)
_SCHEMA = object_of(
    {**ACCESS, "post": POST, "window": WINDOW, "pages": PAGES, "error_when": _ERROR_WHEN}, required=("url", "every")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPollOptions(Access):
    """Ask an address again and again: with GET or `post`, for a `window` of time, in `pages`."""

    post: Post | None = None
    window: Window | None = None
    pages: Pages | None = None
    error_when: Sign | None = None


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> HttpPollOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="http_poll")
    options = HttpPollOptions(
        **access_of(node, faults, environ),
        post=post_of(node.get("post"), faults, environ),
        window=window_of(node.get("window"), faults),
        pages=pages_of(node.get("pages"), faults),
        error_when=sign_of(node.get("error_when"), faults, where="error_when"),
    )
    asks_since = "{since}" in options.url or (options.post is not None and "{since}" in str(options.post.value))
    if asks_since and options.window is None:
        faults.add(node.line, "{since} without a window", "add window: { first: 1h }")
    if options.window is not None and not asks_since:
        faults.add(node.line, "a window, and {since} nowhere", "write {since} in url or post, where the feed wants it")
    return options


def _whole(options: HttpPollOptions) -> bool:
    return options.pages is None and options.window is None


HTTP_POLL = Transport(
    name="http_poll",
    whole=_whole,
    meaning="A transport: ask a web address again and again. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
