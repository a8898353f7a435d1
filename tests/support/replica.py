"""A real streaming replica of the embedded PostgreSQL, whose replay can be paused."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from smartflanders.embedded import SERVER_SETTINGS, EmbeddedPostgres, _binaries
from smartflanders.unprivileged import User, choose_user


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The running replica: `sockets` is the folder of its socket, `primary` that of the server it follows."""

    sockets: str
    primary: str

    def database(self, primary_dsn: str) -> str:
        """Return the address of the same database here."""
        return primary_dsn.replace(quote(self.primary), quote(self.sockets))

    def ask(self, statement: str) -> str:
        """Run a statement on the replica."""
        return _psql(self.sockets, statement)

    def catch_up(self) -> None:
        """Wait until it has everything that the primary has now."""
        # A record of our own that is flushed: the tests' server does not wait for its disk, so the rest comes later.
        target = _psql(self.primary, "SELECT pg_logical_emit_message(false, 'tests', 'here', true)")
        self.until(f"SELECT pg_last_wal_replay_lsn() >= '{target}'", "t")

    def pause(self) -> None:
        """Keep it from showing what the primary does from now on."""
        self.catch_up()
        self.ask("SELECT pg_wal_replay_pause()")
        self.until("SELECT pg_get_wal_replay_pause_state()", "paused")

    def resume(self) -> None:
        """Let it follow again."""
        self.ask("SELECT pg_wal_replay_resume()")
        self.catch_up()

    def until(self, statement: str, answer: str) -> None:
        """Wait for an answer."""
        deadline = time.monotonic() + 20
        while (said := self.ask(statement)) != answer:
            assert time.monotonic() < deadline, said
            time.sleep(0.05)


@contextmanager
def replica_of(server: EmbeddedPostgres) -> Iterator[Replica]:
    """Copy a running server and follow it until the block is left."""
    primary = parse_qs(urlsplit(server.dsn).query)["host"][0]
    user = choose_user(server.folder / "postgres")
    # Short, because the path of a socket may have 107 bytes; open for passing, because a database never runs as root.
    with tempfile.TemporaryDirectory(prefix="sf-replica-", dir="/tmp") as top:
        folder, sockets = Path(top) / "data", Path(top) / "s"
        for path in (Path(top), folder, sockets):
            path.mkdir(mode=0o700, exist_ok=True)
            user.own(path)
        _run(
            user, "pg_basebackup", "-h", primary, "-p", "5432", "-U", "postgres", "-D", str(folder), "-R", "-c", "fast"
        )
        options = {**SERVER_SETTINGS, "shared_buffers": "32MB", "unix_socket_directories": str(sockets)}
        with (Path(top) / "log").open("wb") as log:
            process = subprocess.Popen(
                [_binaries() / "postgres", "-D", folder, *(f"--{name}={value}" for name, value in options.items())],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **user.as_arguments(),
            )
        try:
            _until_open(process, folder, Path(top) / "log")
            yield Replica(sockets=str(sockets), primary=primary)
        finally:
            # Nothing of it is wanted any more.
            process.send_signal(signal.SIGQUIT)
            process.wait(20)


def _until_open(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    deadline = time.monotonic() + 30
    pid = folder / "postmaster.pid"
    while not pid.exists() or pid.read_text().splitlines()[7:8] not in (["ready   "], ["ready"]):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _psql(sockets: str, statement: str) -> str:
    arguments = ("-h", sockets, "-p", "5432", "-U", "postgres", "-XAtq", "-c", statement, "postgres")
    return _run(User(uid=None, gid=0), "psql", *arguments)


def _run(user: User, program: str, *arguments: str) -> str:
    command: Sequence[str] = [str(_binaries() / program), *arguments]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **user.as_arguments())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
