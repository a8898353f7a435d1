"""A small disk that can be filled: a file system in memory, mounted where a data folder will be."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest


class Disk:
    """A context manager around `folder`; where mounting is refused the folder stays an ordinary one."""

    def __init__(self, folder: Path, *, size: int) -> None:
        self.folder = folder
        self.size = size
        self.refused = ""
        self._filler = folder / "filler"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={self.size}m,mode=0755", "failures", str(self.folder))
        except (OSError, subprocess.CalledProcessError) as error:
            self.refused = f"a small disk cannot be mounted here (it takes root): {getattr(error, 'stderr', error)}"
        return self

    def __exit__(self, *_: object) -> None:
        if not self.refused:
            _run("umount", "--lazy", str(self.folder))

    def require(self) -> None:
        """Skip a test that needs a disk that can be full."""
        if self.refused:
            pytest.skip(self.refused)

    def fill(self) -> None:
        """Leave no room at all."""
        with self._filler.open("wb") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), b"\0" * 65536)
        with self._filler.open("ab") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), b"\0" * 512)

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
