"""A login in a source file: user and password, the password from outside the file; and the files of TLS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingest.schema_parts import TEXT, Schema, told
from ingest.transports.secrets import demand_outside, filled
from streams.yaml_lines import Faults, Node, text_of

USER: Schema = told(TEXT, "The user to log in as; `${NAME}` is taken from the environment.")
PASSWORD: Schema = told(TEXT, "Its password, from the environment or a file.")


def secret_of(node: Node, faults: Faults, environ: Mapping[str, str], *, name: str) -> str:
    """Read a secret, which must stand outside the file."""
    demand_outside(node, faults, name=name)
    return filled(node, faults, environ)


def login_of(node: Node, faults: Faults, environ: Mapping[str, str]) -> tuple[str, str]:
    """Read `user` and `password`, two empty texts where there is no login."""
    user, password = node.get("user"), node.get("password")
    if password is not None and user is None:
        faults.add(password.line, "a password without a user", "add user: …")
    return (
        filled(user, faults, environ) if user is not None else "",
        secret_of(password, faults, environ, name="password") if password is not None else "",
    )


def pem_of(node: Node, key: str, faults: Faults, *, tls: bool) -> Path | None:
    """Read the name of a PEM file, which must be there, and is of use with TLS only."""
    given = node.get(key)
    if given is None:
        return None
    path = Path(text_of(given, faults, where=key, line=given.line))
    if not path.is_file():
        faults.add(given.line, f"{key}: there is no file {path}", "name a PEM file that the platform may read")
    if not tls:
        faults.add(given.line, f"{key} without TLS", "write url: mqtts://… for MQTT, tls: true for Kafka")
    return path
