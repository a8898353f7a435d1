"""`oauth2:` below a transport: a token by client credentials (RFC 6749 section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.schema_parts import TEXT, Schema, object_of, told
from ingest.transports.options import url_of
from ingest.transports.secrets import demand_outside, filled
from streams.yaml_lines import Faults, Node, check_keys, suggest, text_of

_WAYS = ("header", "body")

OAUTH2: Schema = told(
    object_of(
        {
            "token_url": told({"type": "string", "pattern": "^https?://"}, "Where tokens are handed out."),
            "client_id": told(TEXT, "The client's name; `${NAME}` and `${file:/path}` work here too."),
            "client_secret": told(TEXT, "The client's secret, from the environment or a file."),
            "scope": told(TEXT, "What the token is to be good for, where the publisher wants that said."),
            "audience": told(TEXT, "Whom the token is for, where the publisher wants that said."),
            "credentials": told(
                {"enum": list(_WAYS)}, "Where name and secret go: `header` (Basic, default) or `body`."
            ),
        },
        required=("token_url", "client_id", "client_secret"),
    ),
    "A token by client credentials, sent as `Authorization: Bearer`; asked for again when it expires or is refused.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """Where a token comes from, and what is shown for it."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    in_body: bool = False


def oauth2_of(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> OAuth2 | None:
    """Read `oauth2:`; None when there is none."""
    if node is None or not check_keys(node, OAUTH2["properties"], faults, where="oauth2"):
        return None
    credentials = text_of(node.get("credentials"), faults, where="credentials", line=node.line) or "header"
    if credentials not in _WAYS:
        faults.add(node.line, f"credentials {credentials!r} is unknown", suggest(credentials, _WAYS))

    if (secret := node.get("client_secret")) is not None:
        demand_outside(secret, faults, name="client_secret")

    def text(key: str, *, required: bool = False) -> str:
        found = node.get(key)
        given = text_of(found, faults, where=key, line=node.line, required=required)
        return filled(found, faults, environ) if found is not None and given else ""

    return OAuth2(
        token_url=url_of(node, faults, environ, key="token_url"),
        client_id=text("client_id", required=True),
        client_secret=text("client_secret", required=True),
        scope=text("scope"),
        audience=text("audience"),
        in_body=credentials == "body",
    )
