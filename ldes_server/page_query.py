"""The query of a page's address: its plain form, and the bucket that a walk in this form stays in; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ldes_server.model import PageId
from ldes_server.problems import Problem
from ldes_server.query import WITHIN_FORM, Query, read_query
from ldes_server.state_query import FORMAT_FORM, media_of

NODE: Mapping[str, str] = {"format": FORMAT_FORM}
LEAF: Mapping[str, str] = {"within": WITHIN_FORM, "format": FORMAT_FORM}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """What the query of a page's address asks for: a plain form's `media` type, and `within`, the key of a bucket."""

    media: str | None = None
    within: str = ""


def read_page_query(raw: bytes, page_id: PageId) -> tuple[PageQuery, Query | None]:
    """Read the query of a page's address; the second value is what was read where it is not spelled as we do.

    Raises:
        Problem: 400 for other parameters than this page has, and for values that do not have their form.

    """
    if not raw:
        return PageQuery(), None
    query = read_query(raw, LEAF if page_id.bucket and page_id.level == 0 else NODE)
    media, within = media_of(query.values), query.values.get("within", "")
    if "within" in query.values and (media is None or not within or not is_within(page_id.bucket, within)):
        keys = page_id.bucket.split(".")
        near = [".".join(keys[: end + 1]) for end in range(len(keys))]
        shown = within if len(within) <= 60 else f"{within[:60]}…"
        raise Problem(400, f"within={shown} is not of its form", fix=f"write within as {WITHIN_FORM}", near=near)
    return PageQuery(media=media, within=within), None if query.is_canonical else query


def is_within(bucket: str, outer: str) -> bool:
    """Whether a bucket is another one or below it; everything is in the whole view, whose key is empty."""
    return not outer or bucket == outer or bucket.startswith(f"{outer}.")
