"""The server's values: addresses of pages and the heads of streams."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ldes_server.log_view import ROOT
from ldes_server.model import Head, PageId, RelationType


def test_the_root_of_a_view_has_the_views_address() -> None:
    """A view's root is addressed by the view's name alone, and is the page named by default."""
    assert ROOT.path("gent-parking") == "/gent-parking/log"
    assert PageId() == ROOT
    assert ROOT.is_root


def test_a_node_is_addressed_by_level_and_index() -> None:
    """A leaf has level 0; it is no root."""
    leaf = PageId(level=0, index=17)
    assert leaf.path("gent-parking") == "/gent-parking/log/0/17"
    assert not leaf.is_root


def test_page_ids_are_values() -> None:
    """Equal names are one key of a mapping, and nobody can change them."""
    assert {PageId(level=1, index=2): "x"}[PageId(level=1, index=2)] == "x"
    with pytest.raises(FrozenInstanceError):
        PageId().level = 3  # type: ignore[misc]


def test_a_stream_nobody_wrote_to_starts_before_the_log() -> None:
    """The empty head reads the log from its oldest entry and numbers from 0."""
    assert Head() == Head(count=0, published_at=None, position=-1, first=0)


def test_relation_types_are_terms_of_tree() -> None:
    """Every relation type is a class of TREE: its value ends in Relation and is used once."""
    values = [kind.value for kind in RelationType]
    assert all(value.endswith("Relation") for value in values)
    assert len(set(values)) == len(values)
