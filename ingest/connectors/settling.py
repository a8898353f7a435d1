"""Settling: which files of a drop folder are still being written."""

from __future__ import annotations

import os
import time
from datetime import timedelta

# What programs call a file that they have not finished: they rename it afterwards.
_UNDER_WAY = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")


def is_under_way(name: str) -> bool:
    """Say whether a file's name says that it is not finished: hidden, or with the suffix of a temporary file."""
    last = name.rpartition("/")[2].lower()
    return last.startswith(".") or last.endswith(_UNDER_WAY)


class Settling:
    """Tells files that stand still from those that grow: by the time of their last change, or by looking again.

    Looking again is for folders of machines whose clock runs ahead. `wait` is how long to leave the folder before the
    next look, when a file did not stand still.
    """

    def __init__(self, settle: timedelta) -> None:
        self.wait: timedelta | None = None
        self._settle = settle.total_seconds()
        self._looked: tuple[str, int, int] | None = None
        self._since = 0.0

    def stands_still(self, name: str, state: os.stat_result) -> bool:
        """Say whether a file has been as it is for long enough."""
        look, now = (name, state.st_size, state.st_mtime_ns), time.monotonic()
        if self._looked != look:
            self._looked, self._since = look, now
        left = self._settle - max(time.time() - state.st_mtime, now - self._since)
        if left <= 0:
            return True
        self.wait = timedelta(seconds=max(left, 0.1))
        return False
