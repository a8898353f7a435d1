"""The errors of vocab: files that disagree, and members that no writer can express."""

from __future__ import annotations


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
