"""What can be wrong: files that disagree, members nobody can express, documents nobody can read, shapes not kept."""

from __future__ import annotations

from dataclasses import dataclass


class ModelError(Exception):
    """A reference model or its context is wrong: `what` is wrong, `where`, and the `fix`."""

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  fix: {self.fix}"


class MemberError(ValueError):
    """A member uses a part of JSON-LD that members of this platform never need; the message names it."""


class DocumentError(ValueError):
    """The document as a whole cannot be read; the message says what is wrong, `fix` how to mend it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.fix = fix

    def __str__(self) -> str:
        return str(self.args[0])


class MissingContextError(DocumentError):
    """The document names a JSON-LD context by an address, `url`, that is not at hand."""

    def __init__(self, url: str, fix: str) -> None:
        super().__init__(url, fix)
        self.url = url

    def __str__(self) -> str:
        return f"its @context {self.url[:200]!r} is not at hand"


class TooManyError(DocumentError):
    """The document has more members than are taken at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One violation: the focus node (an IRI, or `[]` for a blank node), the path in Turtle, what is wrong, the value.

    `path` and `value` are empty where the violated constraint has none.
    """

    focus: str
    path: str
    message: str
    value: str
