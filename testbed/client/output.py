"""Where members go: a file that is cut back to what its state says, or standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from streams.errors import FeedError


class Output:
    """Writes lines and knows how many bytes it has written; a context manager. `path` None is standard output.

    `cut` says that a copy died while it wrote: what stands behind the position is not its state's, and is cut off.
    """

    def __init__(self, path: Path | None, position: int, *, cut: bool = True) -> None:
        self._path = path
        self._cut = cut
        self.position = position

    def __enter__(self) -> Self:
        """Open the file, and cut off what was written after the state was last saved.

        Raises:
            FeedError: the file was changed since its state was saved, or cannot be written.

        """
        self._file: BinaryIO
        if self._path is None:
            self._file = sys.stdout.buffer
            return self
        try:
            # Not "a": the position is ours to choose.
            self._file = self._path.open("r+b" if self._path.exists() else "xb")
            size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            fix = "choose a file that can be written"
            raise FeedError(f"cannot be written: {error.strerror}", where=str(self._path), fix=fix) from error
        if size < self.position or (size > self.position and not self._cut):
            self._file.close()
            fix = "--verify says in what it differs; put it back, or move it and its state away to begin anew"
            what = f"has {size} bytes, but {self.position} were written: somebody changed it"
            raise FeedError(what, where=str(self._path), fix=fix)
        with self._translated():
            self._file.truncate(self.position)
            self._file.seek(self.position)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            self._file.close()

    def write(self, line: bytes) -> None:
        """Write a line, or later with `flush`. Raises FeedError when there is no room for it, or nobody reads."""
        with self._translated():
            self._file.write(line)
        self.position += len(line)

    def flush(self) -> None:
        """Have everything on disk, so that the position may be remembered. Raises FeedError as `write`."""
        with self._translated():
            self._file.flush()
            if self._path is not None:
                os.fsync(self._file.fileno())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            # Python would try to write what is left when it ends.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
            fix = "copy to a file with --out, or read all of it"
            raise FeedError("was closed by who read it", where="standard output", fix=fix) from error
        except OSError as error:
            fix = "make room, then run it again: it goes on where its state was last saved"
            raise FeedError(
                f"cannot be written: {error.strerror}", where=str(self._path or "output"), fix=fix
            ) from error
