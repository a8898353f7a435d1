"""Progress on standard error: one rewritten line on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

_EVERY = timedelta(seconds=10)
_REDRAW = timedelta(milliseconds=100)
_WIDTH = 30


class Progress:
    """Shows how much of `total` is done; call it with the count done so far, and `close` it at the end."""

    def __init__(
        self,
        label: str,
        total: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = label
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._bar = self._stream.isatty()
        self._began = self._said = clock()
        self._done = 0

    def __call__(self, done: int) -> None:
        """Show it, unless something was shown a moment ago."""
        self._done = done
        now = self._clock()
        if now - self._said >= (_REDRAW if self._bar else _EVERY).total_seconds():
            self._said = now
            self._show(now)

    def expect(self, total: int) -> None:
        """Take another total: of what can only be counted while it is done."""
        self._total = total

    def close(self) -> None:
        """Show the last state of a bar and leave its line."""
        if self._bar:
            self._show(self._clock())
            print(file=self._stream, flush=True)

    def _show(self, now: float) -> None:
        rate = self._done / max(now - self._began, 0.001)
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate else ""
        text = f"{self._label}: {self._done} of {self._total}, {rate:.0f}/s{left}"
        if self._bar:
            filled = _WIDTH * self._done // max(self._total, 1)
            print(f"\r[{'#' * filled:<{_WIDTH}}] {text}\x1b[K", end="", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)
