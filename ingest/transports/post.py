"""`post:` below `http_poll`: a body to send, with the times of the window and with secrets from outside the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.schema_parts import TEXT, Schema, object_of, told
from ingest.transports.secrets import demand_outside, filled, names_secret
from streams.yaml_lines import Faults, Node, check_keys, text_of

_KINDS = ("json", "form", "text")

POST: Schema = told(
    object_of(
        {
            "json": told({}, "Anything, sent as `application/json`."),
            "form": told({"type": "object", "additionalProperties": TEXT}, "Fields, sent as a web form does."),
            "text": told(TEXT, "A text, sent as it stands."),
            "type": told(TEXT, "The Content-Type of `text` (text/plain)."),
        }
    ),
    "Ask with POST and this body: one of `json`, `form`, `text`. `{since}` and `{until}` in its texts are the times of "
    "the window; `${NAME}` and `${file:/path}` work there too.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A body of one kind: `json` holds a value, `form` pairs of name and text, `text` a text."""

    kind: str
    media_type: str
    value: Any


def post_of(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> Post | None:
    """Read `post:`; None when there is none."""
    if node is None or not check_keys(node, POST["properties"], faults, where="post"):
        return None
    given = [kind for kind in _KINDS if node.get(kind) is not None]
    if len(given) != 1:
        what = f"post has {' and '.join(given)}" if given else "post has no body"
        faults.add(node.line, what, f"give exactly one of {', '.join(_KINDS)}")
        return None
    body = node.get(given[0])
    assert body is not None
    if given[0] != "text" and node.get("type") is not None:
        faults.add(node.line, f"type does not fit {given[0]}", "leave it out: it is sent with the right one")
    if given[0] == "json":
        return Post(kind="json", media_type="application/json", value=json_of(body, faults, environ))
    if given[0] == "form":
        if not body.is_mapping:
            faults.add(body.line, f"form must be a mapping, not {body.described}", "write form: { name: value }")
        fields = tuple((name, _text(name, value, faults, environ)) for name, value in body.items())
        return Post(kind="form", media_type="application/x-www-form-urlencoded", value=fields)
    media_type = text_of(node.get("type"), faults, where="type", line=node.line) or "text/plain; charset=utf-8"
    text_of(body, faults, where="text", line=node.line)
    return Post(kind="text", media_type=media_type, value=filled(body, faults, environ))


def _text(name: str, node: Node, faults: Faults, environ: Mapping[str, str]) -> str:
    text_of(node, faults, where=name, line=node.line)
    if names_secret(name):
        demand_outside(node, faults, name=name)
    return filled(node, faults, environ)


def json_of(node: Node, faults: Faults, environ: Mapping[str, str]) -> Any:
    """Read a JSON value as YAML writes it, its secrets from outside the file."""
    if node.is_mapping:
        return {
            name: _text(name, value, faults, environ)
            if names_secret(name) and isinstance(value.value, str)
            else json_of(value, faults, environ)
            for name, value in node.items()
        }
    if isinstance(node.value, list):
        return [json_of(element, faults, environ) for element in node.value]
    if node.value is None or isinstance(node.value, bool | int | float):
        return node.value
    # A date of YAML is the text that was written: JSON has no dates.
    return filled(node, faults, environ)
