"""How far a run of scenarios is, on standard error: a line kept current on a terminal, one every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_EVERY_SECONDS = 10.0
# The same phase, told over and over, is drawn anew so often; other words are drawn at once.
_REDRAW_SECONDS = 0.2


class Telling:
    """Shows where the run is; calling it with a few words says what the present scenario does."""

    def __init__(
        self, count: int, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live = self._stream.isatty()
        self._number = 0
        self._name = self._phase = ""
        self._began = self._said = clock()

    def begin(self, name: str) -> None:
        """Go on to the next scenario."""
        self._number += 1
        self._name = name
        self._began = self._clock()
        self._show("begins")

    def __call__(self, words: str) -> None:
        """Say what is done now; without a terminal only when nothing was said for ten seconds.

        May be called as often as one likes: words that begin as the last ones, up to a colon, are not drawn at every call.
        """
        passed = self._clock() - self._said
        phase = words.partition(":")[0]
        if passed >= _EVERY_SECONDS or (self._live and (passed >= _REDRAW_SECONDS or phase != self._phase)):
            self._phase = phase
            self._show(words)

    def end(self, words: str) -> None:
        """Leave the scenario with a line that stays."""
        self._show(words)
        if self._live:
            print(file=self._stream, flush=True)

    def _show(self, words: str) -> None:
        self._said = self._clock()
        line = f"[{self._number}/{self._count}] {self._name} {self._said - self._began:.0f} s: {words}"
        if self._live:
            print(f"\r{line}\x1b[K", end="", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)
