"""The platform's life: started, stopped, refused, restarted; what a person at a terminal sees."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import OwnLog
from tests.support import crawl
from tests.support.running import ROOT, Running, free_port

pytestmark = pytest.mark.slow

# A small and quick city: something new every second.
CITY = ("--lanes", "5", "--speed", "60")
VERBS: tuple[tuple[str, ...], ...] = (
    (),
    ("up",),
    ("simulate",),
    ("migrate",),
    ("collect",),
    ("normalise",),
    ("write",),
    ("serve",),
    ("source",),
    ("source", "check"),
    ("source", "schema"),
    ("source", "replay"),
)


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "smartflanders.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Expect a wrong use: status 2, a fix, no trace; return what it said."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fix: " in done.stderr
    return done.stderr


def _cmdline(process: psutil.Process) -> str:
    """Return what a process runs; nothing for one that is gone or only waits to be counted."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def still_there(processes: Sequence[psutil.Process], data: Path) -> list[str]:
    """Name the processes that live on, and whoever else serves the data folder."""
    _, alive = psutil.wait_procs(processes, timeout=1)
    serving = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(data) in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]
    return [line for process in (*alive, *serving) if (line := _cmdline(process))]


def until(condition: Callable[[], bool], *, within: float) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def part(running: Running, verb: str) -> psutil.Process | None:
    """Find the child process that runs a verb."""
    for process in running.processes():
        try:
            if process.cmdline()[1:4] == ["-m", "smartflanders.cli", verb]:
                return process
        except (psutil.NoSuchProcess, IndexError):
            continue
    return None


@pytest.mark.parametrize(
    ("own_log", "number", "status"),
    [("postgres", signal.SIGINT, 130), ("postgres", signal.SIGTERM, 0), ("kafka", signal.SIGTERM, 0)],
    indirect=["own_log"],
)
def test_stops_everything_in_order(own_log: OwnLog, tmp_path: Path, number: signal.Signals, status: int) -> None:
    """Ctrl-C and SIGTERM end every process, PostgreSQL included, within ten seconds and with the right status."""
    with Running(tmp_path / "data", *CITY, environ=own_log()) as running:
        processes = running.processes()
        assert {"postgres"} <= {process.name() for process in processes}
        began = time.monotonic()
        running.process.send_signal(number)
        assert running.wait(within=15) == status
        took = time.monotonic() - began
        assert took < 10
        assert still_there(processes, running.data) == []
        assert "Traceback" not in running.errors()
        assert "shut down" in (running.data / "postgres.log").read_text().splitlines()[-1]
    print(f"{number.name}: {len(processes)} processes ended in {took:.1f} s")


@pytest.mark.parametrize(
    ("own_log", "after"),
    [("postgres", 0.6), ("postgres", 1.8), ("postgres", 3.0), ("postgres", 4.5), ("kafka", 3.0)],
    indirect=["own_log"],
)
def test_stops_while_it_starts(own_log: OwnLog, tmp_path: Path, after: float) -> None:
    """A stop during the start-up is obeyed at once, as an orderly end and without a word of alarm."""
    data = tmp_path / "data"
    argv = [sys.executable, "-m", "smartflanders.cli", "up", *CITY, "--data", str(data), "--port", str(free_port())]
    environ, pipe = {**os.environ, **own_log()}, subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        time.sleep(after)
        # Before Python has read the command there is nothing that could listen to a signal.
        until(lambda: data.exists() or process.poll() is not None, within=30)
        time.sleep(0.2)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=15)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert "fix:" not in errors
        assert still_there(children, data) == []


def test_ready_line_and_restart(own_log: OwnLog, tmp_path: Path) -> None:
    """The ready line stands alone after the feeds, and a restart on the same data goes on with the same sequence."""
    data, port, environ = tmp_path / "data", free_port(), own_log()
    with Running(data, *CITY, port=port, environ=environ) as running:
        assert running.lines[-1] == f"ready http://127.0.0.1:{port}/"
        before = crawl.members(f"{running.base}/miv-verkeer/log")
        assert before
    with Running(data, *CITY, port=port, environ=environ) as running:
        until(lambda: len(crawl.members(f"{running.base}/miv-verkeer/log")) > len(before), within=30)
        after = crawl.members(f"{running.base}/miv-verkeer/log")
    assert [member["sequence"] for member in after] == list(range(len(after)))
    assert after[: len(before)] == before


def test_dead_children_are_restarted(tmp_path: Path) -> None:
    """Each child that is killed comes back by itself, and the feed goes on."""
    with Running(tmp_path / "data", *CITY) as running:
        for verb in ("web", "pipeline", "simulate"):
            victim = part(running, verb)
            assert victim is not None
            victim.kill()

            def is_back(verb: str = verb, pid: int = victim.pid) -> bool:
                process = part(running, verb)
                return process is not None and process.pid != pid

            until(is_back, within=20)
        before = None
        while before is None:
            try:
                before = len(running.get("/miv-verkeer/latest"))
            except OSError:
                time.sleep(0.2)
        count = len(crawl.members(f"{running.base}/miv-verkeer/log"))
        until(lambda: len(crawl.members(f"{running.base}/miv-verkeer/log")) > count, within=60)


@pytest.mark.parametrize("verb", ["simulate", "pipeline", "web"])
def test_no_orphans(tmp_path: Path, verb: str) -> None:
    """A supervisor that is killed takes its children along, one that was born this very moment too."""
    running = Running(tmp_path / "data", *CITY)
    with suppress(AssertionError):
        running.start(within=0)
    while part(running, verb) is None:
        assert running.status() is None, running.errors()
        time.sleep(0.005)
    children = running.process.children(recursive=True)
    running.process.kill()
    running.wait(within=5)
    psutil.wait_procs(children, timeout=5)
    assert still_there(children, running.data) == []


def test_second_platform_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """A data folder in use is refused with the number of the process that holds it, and the first goes on."""
    with Running(tmp_path / "data", *CITY) as running:
        said = refused(command("up", "--data", str(running.data), "--port", str(free_port())))
        assert "in use by another smartflanders" in said
        assert str(running.process.pid) in said
        assert running.status() is None
        assert b"@id" in running.get("/miv-verkeer/latest")


def test_port_in_use(tmp_path: Path) -> None:
    """A port that somebody else listens on is named, and nothing is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(command("up", "--data", str(tmp_path / "data"), "--port", str(port)))
    assert f"127.0.0.1:{port}: cannot listen here" in said
    assert not (tmp_path / "data").exists()


def test_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A file in the place of the data folder is refused in one sentence, with a database of one's own too."""
    place = tmp_path / "data"
    place.write_text("not a folder")
    port = str(free_port())
    assert str(place) in refused(command("up", "--data", str(place), "--port", port))
    own = command("up", "--data", str(place), "--port", port, SF_DATABASE_URL="postgresql://u@127.0.0.1:1/db")
    assert str(place) in refused(own)


def test_data_folder_without_permission(tmp_path: Path) -> None:
    """A folder that this user may not write is refused in one sentence."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    arguments = ["up", "--data", str(closed / "data"), "--port", str(free_port())]
    argv = [sys.executable, "-m", "smartflanders.cli", *arguments]
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if "Permission denied" in done.stderr and "setpriv" in done.stderr:
        pytest.skip("this Python may not be run by another user")
    assert "permission denied" in refused(done)


def test_database_that_does_not_answer(tmp_path: Path) -> None:
    """A database at a closed port is named with its fix, and its password is not."""
    url = f"postgresql://u:geheim@127.0.0.1:{free_port()}/db"
    said = refused(command("up", "--data", str(tmp_path / "data"), "--port", str(free_port()), SF_DATABASE_URL=url))
    assert "SF_DATABASE_URL" in said
    assert "geheim" not in said


def test_unknown_setting(tmp_path: Path) -> None:
    """A setting that does not exist is refused with the one that was meant."""
    said = refused(command("up", "--data", str(tmp_path / "data"), SF_PROT="8123"))
    assert "did you mean SF_PORT?" in said


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help(verb: tuple[str, ...]) -> None:
    """Every verb explains itself: status 0, and words beside the names of its options."""
    done = command(*verb, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "usage: smartflanders" in done.stdout
    told = [line for line in done.stdout.splitlines() if "show this help" not in line and len(line.split()) > 4]
    assert len(told) > 2, done.stdout


@pytest.mark.parametrize("arguments", [("source", "check"), (), ("no-such-verb",), ("up", "--speed", "0")], ids=str)
def test_wrong_use(arguments: tuple[str, ...]) -> None:
    """A command that is not complete or not known ends with status 2 and its usage."""
    done = command(*arguments)
    assert done.returncode == 2
    assert "usage: smartflanders" in done.stderr
