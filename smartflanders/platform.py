"""`up`: database, simulated or recorded city, pipeline and web on one machine, under one supervisor."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smartflanders.embedded import EmbeddedPostgres
from smartflanders.logs_of import kept_for, require_log
from smartflanders.pilots import Plan, below_host, load_plan, only_recorded, recorded, rewrite
from smartflanders.processes import Child, Processes, processes
from smartflanders.status import Replay, report_progress, wait_for_members
from streams.errors import ConfigError, LogError, Problem
from streams.logs import logger
from streams.migrate import check, migrate
from streams.record import format_time
from streams.settings import Settings

# Below deploy/pilots: what runs where no pilot is named. Others ask publishers that the simulated city does not play, and
# some need a key, so they run where somebody names them.
SIMULATED = ("gent/parking", "vlaanderen/verkeer")
# A recorded document does not change, so asking for it once a second costs a 304.
REPLAY_SPEED = 60.0
# The first members of a demo are a second away; if none come, the feeds are announced empty rather than never.
_FIRST_MEMBERS_WITHIN = timedelta(seconds=25)

# A database that was killed while the schema was made is back in seconds.
_DATABASE_WITHIN = timedelta(seconds=60)

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """What `up` was asked for.

    `pilots` are folders with source files; none means those that the simulated city plays. Without `replay` and without
    `pilots` the sources are asked at the simulator, at `speed` times real time; with `replay` at a server of the documents
    in that folder.
    """

    pilots: tuple[Path, ...]
    replay: Path | None
    speed: float
    lanes: int
    seed: int

    @property
    def simulated(self) -> bool:
        """Whether a simulated city stands in for the publishers."""
        return not self.pilots and self.replay is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the sources are asked instead of at their publishers; None for the publishers themselves."""

    address: str | None = None
    speed: float = 1.0

    def arguments(self) -> list[str]:
        """Return what the pipeline and web processes must be told."""
        return [] if self.address is None else [f"--origin={self.address}", f"--speed={self.speed}"]


async def up(wish: Up, settings: Settings, *, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Start everything, say where the feeds are, run until `stop`, then stop everything: processes, then database.

    Raises:
        ConfigError: a pilot, a setting, the port, the data folder, the log or the database is wrong; nothing runs.
        SmartFlandersError: a process did not come up.

    """
    folders = wish.pilots or shipped_pilots()
    plan = load_plan(folders, keyless=wish.replay is not None)
    _require_sources(plan)
    documents = _documents(wish, plan)
    if wish.replay is not None:
        plan = only_recorded(plan, documents)
    _require_free_port(settings)
    await require_log(settings, kept=kept_for(plan, settings))
    async with AsyncExitStack() as stack:
        server = _database(stack, settings, say)
        dsn = settings.database_url or (server.dsn if server else "")
        environ = _environ(settings, dsn)
        group = await stack.enter_async_context(processes(stop))
        if server is not None:
            group.keep("database", _keep_database(server, stop))
        await _migrate(dsn, own=server is not None, stop=stop)
        origin = await _origin(wish, folders, group, environ=environ, say=say)
        common = [*(f"--pilot={folder}" for folder in folders), *origin.arguments(), *_replay_argument(wish)]
        await group.start(child("pipeline", common, environ=environ))
        await group.start(child("web", common, environ=environ, ready="listening"))
        if origin.address is not None:
            await wait_for_members(plan.streams, own_address(settings), within=_FIRST_MEMBERS_WITHIN, stop=stop)
        if not stop.is_set():
            _announce(plan, settings, say)
            say(f"ready {settings.base_url}/")
        recordings = None if wish.replay is None else _by_source(plan, documents)
        replay = None if recordings is None else Replay(settings=settings, dsn=dsn, documents=recordings)
        await report_progress(plan, own_address(settings), replay=replay, stop=stop)


def own_address(settings: Settings) -> str:
    """Return the address at which this machine reaches its own web process, whatever the public one is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - not listening
    return f"http://{host}:{settings.port}"


def effective_plan(folders: Sequence[Path], *, origin: str | None, speed: float, replay: Path | None) -> Plan:
    """Load the plan as a child process of `up` sees it: only what is recorded, asked where the stand-in listens."""
    plan = load_plan(folders, keyless=replay is not None)
    if replay is not None:
        plan = only_recorded(plan, recorded(plan, replay))
    return plan if origin is None else rewrite(plan, origin, speed)


def _require_sources(plan: Plan) -> None:
    """Refuse a plan of which every source stays off."""
    if not plan.sources:
        problems = [
            Problem(where=each.source.name, what=each.reason, fix="set it in the environment of the platform")
            for each in plan.off
        ]
        raise ConfigError(problems, where="the pilots")


def shipped_pilots() -> tuple[Path, ...]:
    """Name the pilots in deploy/pilots that run where none is named: those the simulated city speaks.

    Raises:
        ConfigError: the command runs from an installation without them.

    """
    return tuple(pilots_folder() / name for name in SIMULATED)


def pilots_folder() -> Path:
    """Name the folder of all pilots that ship: deploy/pilots.

    Raises:
        ConfigError: the command runs from an installation without them.

    """
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        folder = root / "deploy" / "pilots"
        if folder.is_dir():
            return folder
    fix = "run from a checkout of smartflanders, or name your pilot with --pilot FOLDER"
    raise ConfigError([Problem(where="up", what="deploy/pilots is not here", fix=fix)], where="up")


def child(name: str, arguments: Sequence[str], *, environ: Mapping[str, str], ready: str | None = None) -> Child:
    """Describe one of our own processes: the verb `name` of this very command."""
    argv = [sys.executable, "-m", "smartflanders.cli", name, *arguments]
    return Child(name=name, argv=lambda: argv, environ=environ, ready=ready)


def _documents(wish: Up, plan: Plan) -> Mapping[str, Sequence[Path]]:
    if wish.replay is None:
        return {}
    documents = recorded(plan, wish.replay)
    if not documents:
        patterns = ", ".join(sorted({source.sample for source in plan.sources if source.sample}))
        what = f"no recorded documents of any source here (looked for {patterns})"
        fix = "name a folder that holds recordings, such as ../shared/samples"
        raise ConfigError([Problem(where=str(wish.replay), what=what, fix=fix)], where="--replay")
    return documents


def _by_source(plan: Plan, documents: Mapping[str, Sequence[Path]]) -> Mapping[str, Sequence[Path]]:
    """Return the recorded documents that each source is served, in their order."""
    return {source.name: documents[below_host(source)] for source in plan.sources}


def _require_free_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            fix = "stop what uses the port, or choose another: make up PORT=8123 (--port, SF_PORT)"
            what = f"cannot listen here: {(error.strerror or str(error)).lower()}"
            raise ConfigError([Problem(where=where, what=what, fix=fix)], where="up") from error


def _database(stack: AsyncExitStack, settings: Settings, say: Callable[[str], None]) -> EmbeddedPostgres | None:
    """Start a PostgreSQL in the data folder unless one is configured.

    Called in the main thread and blocking on purpose: the kernel stops the server when the thread that started it
    is gone, and nothing else runs yet.
    """
    if settings.database_url is not None:
        say("database as in SF_DATABASE_URL")
        return None
    server = EmbeddedPostgres(settings.data)
    server.start()
    stack.callback(server.stop)
    say(f"data in {settings.data.resolve()} (PostgreSQL, reachable from this machine only)")
    return server


async def _keep_database(server: EmbeddedPostgres, stop: asyncio.Event) -> None:
    """Start the server again when it dies; whoever uses it tries again until it is back."""
    while not stop.is_set():
        if server.poll() is not None:
            _log.warning("process died", process="database", status=server.poll())
            # In a thread of the pool, which lives until the loop ends: recovery may take a while, and meanwhile the
            # other processes are watched and a stop is heard.
            await asyncio.to_thread(server.start)
        await asyncio.sleep(0.2)


async def _migrate(dsn: str, *, own: bool, stop: asyncio.Event) -> None:
    """Bring the schema up to date; our `own` database may die while we do and comes back, another's must be there.

    Raises:
        ConfigError: the configured database cannot be used, or a newer release made its schema.
        LogError: our own did not come back in time.

    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + _DATABASE_WITHIN.total_seconds()
    while not stop.is_set():
        try:
            await migrate(dsn)
            await check(dsn)
        except LogError as error:
            if not own:
                start = "start that PostgreSQL or mend the address; without SF_DATABASE_URL one comes along"
                fix = start if error.retriable else error.fix
                raise ConfigError([Problem(where="SF_DATABASE_URL", what=error.what, fix=fix)], where="up") from error
            if not error.retriable or clock() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


def _environ(settings: Settings, dsn: str) -> Mapping[str, str]:
    metrics = settings.data / "metrics"
    try:
        metrics.mkdir(parents=True, exist_ok=True)
        for old in metrics.glob("*.db"):
            old.unlink()
    except OSError as error:
        what = f"cannot be used as data folder: {(error.strerror or str(error)).lower()}"
        fix = "let this user read and write it, or choose another with --data FOLDER (SF_DATA)"
        raise ConfigError([Problem(where=str(settings.data), what=what, fix=fix)], where="the data folder") from error
    return {
        "SF_DATABASE_URL": dsn,
        "SF_DATA": str(settings.data),
        "SF_BASE_URL": settings.base_url,
        "SF_HOST": settings.host,
        "SF_PORT": str(settings.port),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def _replay_argument(wish: Up) -> list[str]:
    return [] if wish.replay is None else [f"--replay={wish.replay}"]


async def _origin(
    wish: Up, folders: Sequence[Path], group: Processes, *, environ: Mapping[str, str], say: Callable[[str], None]
) -> Origin:
    """Start what stands in for the publishers, if anything does; a restarted stand-in keeps its port and its clock."""
    if not wish.simulated and wish.replay is None:
        return Origin()
    port = 0
    address = ""
    arguments = [f"--lanes={wish.lanes}", f"--seed={wish.seed}", f"--speed={wish.speed}", *_clock(wish)]
    if wish.replay is not None:
        arguments = [*(f"--pilot={folder}" for folder in folders), f"--replay={wish.replay}"]

    def argv() -> list[str]:
        return [sys.executable, "-m", "smartflanders.cli", "simulate", "--with-parent", f"--port={port}", *arguments]

    def listening(line: str) -> None:
        nonlocal port, address
        address = line.removeprefix("ready ").rstrip("/")
        port = int(address.rsplit(":", 1)[1])

    await group.start(Child(name="simulator", argv=argv, environ=environ, ready="ready ", on_ready=listening))
    say(f"publishers played by {address}/ ({'recorded documents' if wish.replay else 'a simulated city'})")
    return Origin(address=address, speed=wish.speed if wish.simulated else REPLAY_SPEED)


def _clock(wish: Up) -> list[str]:
    """Fix the simulated clock now, so that a restarted simulator goes on where it was."""
    now = datetime.now(UTC)
    start = now if wish.speed <= 1 else now - timedelta(days=30)
    return [f"--epoch={format_time(now)}", f"--start={format_time(start)}"]


def _announce(plan: Plan, settings: Settings, say: Callable[[str], None]) -> None:
    for each in plan.off:
        say(f"stays off: {each}")
    say("feeds")
    for stream in plan.streams:
        say(f"  {settings.base_url}/{stream.name}  {stream.title['en']}")
        say(f"      newest values: {settings.base_url}/{stream.name}/latest")
