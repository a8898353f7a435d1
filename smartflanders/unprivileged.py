"""The user a child process runs as when we are root, and the way to its files."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from streams.errors import ConfigError, Problem


class Identity(TypedDict, total=False):
    """The arguments with which `subprocess` changes the user of a child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who a child runs as: another user when we are root, else ourselves (`uid` is None)."""

    uid: int | None
    gid: int

    def as_arguments(self) -> Identity:
        """Return the arguments for `subprocess`."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give one file or folder to this user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_pass(self, folder: Path) -> bool:
        """Whether this user may walk through the folder and everything above it."""
        return self.uid is None or all(self._may(part) for part in (folder, *folder.parents))

    def _may(self, folder: Path) -> bool:
        found = folder.stat()
        bit = stat.S_IXOTH
        if found.st_uid == self.uid:
            bit = stat.S_IXUSR
        elif found.st_gid == self.gid:
            bit = stat.S_IXGRP
        return bool(found.st_mode & bit)


def choose_user(files: Path) -> User:
    """Choose who shall own and use `files`: ourselves, or, when we are root, their owner or else `nobody`.

    Files that root owns (a restored copy) are given away; what an ordinary user made stays theirs.
    """
    if os.geteuid() != 0:
        return User(uid=None, gid=os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
        user = User(uid=nobody.pw_uid, gid=nobody.pw_gid)
    except KeyError:
        user = User(uid=65534, gid=65534)
    if files.exists():
        found = files.stat()
        if found.st_uid != 0:
            return User(uid=found.st_uid, gid=found.st_gid)
        for folder, _, names in os.walk(files):
            for path in (Path(folder), *(Path(folder) / name for name in names)):
                user.own(path)
    return user


def let_through(folder: Path, user: User, *, contents: bool = False) -> None:
    """Open the way to `folder` for the user, with `contents` also what lies beside it; say what was opened.

    Only folders that we own are opened, and only for passing through, never for listing.

    Raises:
        ConfigError: a folder on the way is closed and belongs to somebody else.

    """
    if user.uid is None:
        return
    opened = []
    for part in (folder.resolve(), *folder.resolve().parents):
        if user._may(part):  # noqa: SLF001 - the two belong together
            continue
        if part.stat().st_uid != os.geteuid():
            raise ConfigError(
                [Problem(where=str(part), what="is closed to the database's user", fix=f"chmod o+x {part}")],
                where="the data folder",
            )
        part.chmod(part.stat().st_mode | stat.S_IXOTH)
        opened.append(str(part))
    if contents and not (folder / "postgres").stat().st_mode & stat.S_IROTH:
        _open_tree(folder.parent)
        opened.append(f"everything in {folder.parent}")
    if opened:
        print(f"opened for the database's user (chmod o+x): {', '.join(opened)}", file=sys.stderr)  # noqa: T201


def _open_tree(top: Path) -> None:
    """Let everybody read a tree of programs and libraries that an installation with umask 077 closed."""
    for folder, _, names in os.walk(top):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder) / name
            mode = path.stat().st_mode
            if not path.is_symlink():
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
