"""Named queries: SQL stays in `.sql` files, Python asks for it by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^--\s*name:\s*(\S+)\s*$", re.MULTILINE)


def load_queries(package: str, name: str) -> Mapping[str, str]:
    """Read `<package>/sql/<name>.sql` into a mapping from the names of its queries to their text.

    A query begins with a line `-- name: foo` and ends at the next such line. What stands before the first one is a
    comment on the file. Comments inside a query are kept: they show up in the server's statistics beside it.

    Raises:
        ValueError: a name occurs twice or has no query.

    """
    text = files(package).joinpath("sql", f"{name}.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for query, body in zip(parts[::2], parts[1::2], strict=True):
        if query in queries or not body.strip():
            raise ValueError(f"{package}/sql/{name}.sql: query {query} is empty or occurs twice")
        queries[query] = body.strip()
    return MappingProxyType(queries)
