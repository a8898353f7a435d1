"""The built-in PostgreSQL: first start, crash, take-over, refusal, and life as root and as nobody."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from streams.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

# A platform that can be killed: starts the server, says so, and lives on.
PLATFORM = """
import sys, time
from pathlib import Path
from smartflanders.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Name a data folder that does not exist yet; whatever serves it afterwards is stopped."""
    data = tmp_path / "data"
    yield data
    pid_file = data / "postgres" / "postmaster.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)


async def _ask(server: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def ask(server: EmbeddedPostgres, statement: str) -> object:
    """Run one statement."""
    return asyncio.run(_ask(server, statement))


def spawn(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a platform in a process of its own; return it and its server's process id."""
    platform = subprocess.Popen(
        [sys.executable, "-c", PLATFORM, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert platform.stdout is not None
    return platform, int(platform.stdout.readline())


def kill(platform: subprocess.Popen[str]) -> None:
    """Kill a platform the hard way."""
    platform.kill()
    platform.wait()
    assert platform.stdout is not None
    platform.stdout.close()


def test_the_first_start_makes_a_database_and_the_second_finds_it(folder: Path) -> None:
    """Data written before a stop is there after the next start; both starts are quick."""
    began = time.monotonic()
    with EmbeddedPostgres(folder) as server:
        first = time.monotonic() - began
        ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
        assert ask(server, "SHOW fsync") == "on"
        assert ask(server, "SHOW server_encoding") == "UTF8"
        assert ask(server, "SHOW listen_addresses") == ""
        sockets = Path(str(ask(server, "SHOW unix_socket_directories")))
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert server.poll() == -1
    assert not sockets.exists()
    began = time.monotonic()
    with EmbeddedPostgres(folder) as server:
        second = time.monotonic() - began
        assert ask(server, "SELECT number FROM kept") == 7
    print(f"first start {first:.2f} s, second {second:.2f} s")
    assert first < 30


def test_a_killed_platform_leaves_a_folder_that_starts(folder: Path) -> None:
    """After kill -9 of the platform the next one starts on the same data."""
    platform, _ = spawn(folder)
    kill(platform)
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_killed_server_recovers(folder: Path) -> None:
    """After kill -9 of the server itself it is noticed, and `start` recovers what was committed."""
    with EmbeddedPostgres(folder) as server:
        ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
        assert server.poll() is None
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert asyncio.run(asyncio.wait_for(server.wait(), 10)) == -signal.SIGKILL
        server.start()
        assert ask(server, "SELECT number FROM kept") == 7


def test_a_server_that_outlived_its_platform_is_taken_over(folder: Path) -> None:
    """A living server of this folder that nobody supervises is stopped before ours starts."""
    with EmbeddedPostgres(folder) as old:
        assert old.pid is not None
        # Give the folder free while its server lives on, as a platform does that dies where no kernel tells children.
        old._release()
        with EmbeddedPostgres(folder) as new:
            assert old.poll() is not None
            assert ask(new, "SELECT 1") == 1
            assert new.pid != old.pid


def test_a_stale_process_id_of_somebody_else_is_no_obstacle(folder: Path) -> None:
    """A left-over postmaster.pid whose number belongs to another process now neither stops us nor harms it."""
    with EmbeddedPostgres(folder):
        pass
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (folder / "postgres" / "postmaster.pid").write_text(
            f"{bystander.pid}\n{folder}/postgres\n0\n5432\n\n\n0 0\nready\n"
        )
        with EmbeddedPostgres(folder) as server:
            assert ask(server, "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    """A second platform on the same folder is told who holds it, and the first one does not notice."""
    with EmbeddedPostgres(folder) as server:
        with pytest.raises(ConfigError, match=f"in use by another smartflanders \\(process {os.getpid()}\\)"):
            EmbeddedPostgres(folder).start()
        assert ask(server, "SELECT 1") == 1


def test_a_kill_during_the_first_start_leaves_nothing_half_made(folder: Path) -> None:
    """Killed at any moment of the first start, the folder still starts afterwards."""
    for delay in (0.15, 0.3, 0.5):
        platform = subprocess.Popen(
            [sys.executable, "-c", PLATFORM, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        time.sleep(delay)
        kill(platform)
        half_made = folder / "postgres"
        assert not half_made.exists() or (half_made / "PG_VERSION").exists()
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "SELECT 1") == 1
    assert not list(folder.glob("postgres.new-*"))


@pytest.mark.parametrize("what", ["file", "foreign", "strange database", "old database"])
def test_a_folder_that_is_not_ours_is_refused(folder: Path, what: str) -> None:
    """A file, somebody's documents, or another kind of database are refused with a sentence and a fix."""
    if what == "file":
        folder.write_text("a file")
    elif what == "foreign":
        folder.mkdir()
        (folder / "thesis.odt").touch()
    else:
        (folder / "postgres").mkdir(parents=True)
        if what == "old database":
            (folder / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ConfigError) as caught:
        EmbeddedPostgres(folder).start()
    assert caught.value.problems[0].fix


def test_a_long_folder_name_still_gets_a_short_socket(folder: Path) -> None:
    """The socket's path does not depend on the length of the data folder's."""
    deep = folder.joinpath(*["a-rather-long-folder-name"] * 6)
    with EmbeddedPostgres(deep) as server:
        assert ask(server, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can open folders for another user")
def test_root_opens_the_way_to_a_private_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As root, a data folder below a private one works; what was opened is said in one line."""
    folder.mkdir(mode=0o700)
    with EmbeddedPostgres(folder / "data") as server:
        assert ask(server, "SELECT 1") == 1
        assert (folder / "data" / "postgres").stat().st_uid == NOBODY
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert str(folder) in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a copy away")
def test_root_can_use_a_restored_copy(folder: Path, tmp_path: Path) -> None:
    """As root, a data folder whose files root owns, such as a copy of a backup, works."""
    with EmbeddedPostgres(folder) as server:
        ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with EmbeddedPostgres(copy) as server:
        assert ask(server, "SELECT number FROM kept") == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_start_it_too(folder: Path) -> None:
    """As an ordinary user everything is that user's, and a folder that may not be written is refused."""
    folder.mkdir()
    for parent in [folder, *folder.parents]:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    # Becoming nobody after the imports: this Python may lie in a folder that only root may enter.
    become = f"import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\nserver = "
    program = PLATFORM.replace("server = ", become).replace("time.sleep(600)", "server.stop()")
    arguments = [sys.executable, "-c", program, str(folder)]
    refused = subprocess.run(arguments, cwd=ROOT, check=False, capture_output=True, text=True)
    assert "permission denied" in refused.stderr
    os.chown(folder, NOBODY, NOBODY)
    done = subprocess.run(arguments, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in folder.iterdir()} == {NOBODY}
