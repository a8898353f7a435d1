"""The tree of errors. Each says what happened, where, and how to mend it.

    SmartFlandersError
    ├── ConfigError     settings or a source file are wrong: exit 2, every fault at once, no stack trace
    ├── SourceError     a publisher did not answer, or answered an error page
    ├── LogError        the log could not take or give entries
    ├── StoreError      the page store could not take or give pages
    └── FeedError       a feed that a client reads did not answer, or is not what the specification says

Bad data is not an error: it is a `Rejection` (see record.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class SmartFlandersError(Exception):
    """The base: `what` happened, `where`, and the `fix`; `retriable` says whether trying again can help."""

    def __init__(self, what: str, *, where: str, fix: str, retriable: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.retriable = retriable

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  fix: {self.fix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a configuration: `where` is a file with its line, or the name of a setting."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"  {self.where}: {self.what}\n    fix: {self.fix}"


class ConfigError(SmartFlandersError):
    """Settings or source files are wrong; carries every problem found, never only the first."""

    def __init__(self, problems: Sequence[Problem], *, where: str) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"{count} in the configuration", where=where, fix=problems[0].fix if problems else "")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [f"{self.what} of {self.where}", *(str(problem) for problem in self.problems)]
        return "\n".join(lines)


class Trouble(Enum):
    """What kind of failure a publisher's is; closed, because it is also a metric label."""

    FAILED = "failed"  # it answered an error, or an answer was cut off, too late or too large
    UNREACHABLE = "unreachable"  # nobody is at its address, or the connection was lost
    REFUSED = "refused"  # it does not let us in: user, password, key, certificate or rights
    SILENT = "silent"  # the connection stands and nothing comes for longer than the source file allows
    BROKEN = "broken"  # what it sends is against its own protocol
    BUSY = "busy"  # more comes than is taken in: senders were told to come back


class SourceError(SmartFlandersError):
    """A publisher did not answer or answered an error page; retried with back-off unless `retriable` is false."""

    def __init__(
        self, what: str, *, where: str, fix: str, retriable: bool = False, kind: Trouble = Trouble.FAILED
    ) -> None:
        super().__init__(what, where=where, fix=fix, retriable=retriable)
        self.kind = kind


class LogError(SmartFlandersError):
    """The log could not take or give entries."""


class StoreError(SmartFlandersError):
    """The page store could not take or give pages."""


class TwinError(StoreError):
    """Some members of a batch were published before; nothing of the batch is stored."""


class FeedError(SmartFlandersError):
    """A feed that a client reads did not answer, or broke a rule without which it cannot be read."""
