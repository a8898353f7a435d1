"""`webhook:` in a source file: how a publisher that posts to us proves who it is, and what of it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ingest.schema_parts import DURATION, TEXT, object_of, one_or_more, told
from ingest.transports.login import secret_of
from ingest.transports.options import LARGEST, count_of
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, suggest, text_of

ENCODINGS = ("hex", "base64")
_MAX_BYTES = 4 * 1024 * 1024
# Guessing 16 random letters and digits takes longer than any feed lives.
_SHORTEST = 16
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SIGNATURE = object_of(
    {
        "secret": told(TEXT, "The secret shared with the publisher, from the environment or a file."),
        "header": told(TEXT, "The header that holds the signature (X-Hub-Signature-256)."),
        "prefix": told(TEXT, "What stands before it there (sha256=)."),
        "encoding": told({"enum": list(ENCODINGS)}, "How it is written (hex)."),
    },
    required=("secret",),
)
_SCHEMA = object_of(
    {
        "bearer": told(
            TEXT, "A token that the sender gives as `Authorization: Bearer`, from the environment or a file."
        ),
        "signature": told(_SIGNATURE, "An HMAC-SHA256 of the body, instead of or besides the token."),
        "headers": told(one_or_more(TEXT), "Request headers that bindings may read as `$message.headers.<name>`."),
        "every": told(DURATION, "How often something is to be expected at least (15m); later, the source is stale."),
        "max_bytes": told(LARGEST, "The largest body, uncompressed (4194304)."),
        "media_type": told(TEXT, "What the bodies are, for senders whose Content-Type is wrong."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Where an HMAC-SHA256 of the body is, and the secret that it is made with."""

    secret: bytes = field(repr=False)
    header: str = "x-hub-signature-256"
    prefix: str = "sha256="
    encoding: str = "hex"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Take what is posted to `/hooks/<source>` with the token `bearer`, the `signature`, or both where both are given.

    `headers` are names in small letters.
    """

    bearer: str = field(default="", repr=False)
    signature: Signature | None = None
    headers: tuple[str, ...] = ()
    every: timedelta = timedelta(minutes=15)
    max_bytes: int = _MAX_BYTES
    media_type: str | None = None


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> WebhookOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="webhook")
    bearer, signature = node.get("bearer"), node.get("signature")
    if bearer is None and signature is None:
        faults.add(node.line, "anybody could post", "add bearer: ${MY_TOKEN}, or signature: { secret: ${MY_SECRET} }")
    return WebhookOptions(
        bearer=_secret(bearer, "bearer token", faults, environ) if bearer else "",
        signature=_signature(signature, faults, environ) if signature else None,
        headers=_headers(node.get("headers"), faults),
        every=duration_of(node.get("every"), faults, timedelta(minutes=15)),
        max_bytes=count_of(node.get("max_bytes"), faults, _MAX_BYTES),
        media_type=text_of(node.get("media_type"), faults, where="media_type", line=node.line) or None,
    )


def _signature(node: Node, faults: Faults, environ: Mapping[str, str]) -> Signature | None:
    if not check_keys(node, _SIGNATURE["properties"], faults, where="signature"):
        return None
    secret = node.get("secret")
    if secret is None:
        faults.add(node.line, "signature has no secret", "add secret: ${MY_SECRET}")
    encoding = node.get("encoding")
    if encoding is not None and encoding.text not in ENCODINGS:
        faults.add(encoding.line, f"encoding {encoding.described} is unknown", suggest(encoding.text, ENCODINGS))
    header = node.get("header")
    prefix = node.get("prefix")
    return Signature(
        secret=_secret(secret, "secret", faults, environ).encode() if secret else b"",
        header=_header(header, faults) if header else "x-hub-signature-256",
        prefix="sha256=" if prefix is None else prefix.text,
        encoding=encoding.text if encoding else "hex",
    )


def _secret(node: Node, name: str, faults: Faults, environ: Mapping[str, str]) -> str:
    before = len(faults.problems)
    found = secret_of(node, faults, environ, name=name)
    if len(found) < _SHORTEST and len(faults.problems) == before:
        faults.add(node.line, f"the {name} is too short", f"use {_SHORTEST} random characters or more")
    return found


def _headers(node: Node | None, faults: Faults) -> tuple[str, ...]:
    found = tuple(_header(each, faults) for each in node.elements()) if node is not None else ()
    for name in found:
        if name in ("authorization", "cookie"):
            line = node.line if node is not None else 0
            faults.add(line, f"{name} is a secret", "leave it out: what bindings may read is kept and published")
    return found


def _header(node: Node, faults: Faults) -> str:
    if not _HEADER.fullmatch(node.text):
        faults.add(node.line, f"{node.described} is no name of a header", "write for example Fiware-ServicePath")
    return node.text.lower()


WEBHOOK = Transport(
    name="webhook",
    meaning="A transport: take what a publisher posts to `/hooks/<source>`. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
