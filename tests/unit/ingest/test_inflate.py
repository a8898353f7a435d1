"""Bounded decompression: what is over the limit is given up whole."""

from __future__ import annotations

import pytest

from ingest.connectors.inflate import Inflater, OversizeError


def test_a_body_over_the_limit_is_let_go() -> None:
    """Whoever still has the inflater when it has given up, as a traceback has, does not hold the body."""
    inflater = Inflater("identity", 4000)
    inflater.feed(b"x" * 4000)
    with pytest.raises(OversizeError, match="larger than 4000 bytes"):
        inflater.feed(b"x")
    assert inflater.finish() == b""
