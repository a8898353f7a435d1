"""The command line: `smartflanders VERB`; results on standard output, progress on standard error.

Exit status: 0 done, 1 failed or not conform, 2 wrong use or configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from streams.errors import ConfigError, SmartFlandersError
from streams.logs import configure

_EPILOG = """\
examples:
  smartflanders up                                       a demo city on this machine, feeds at http://127.0.0.1:8080/
  smartflanders up --pilot deploy/pilots/gent/parking    Gent's real parking data
  smartflanders up --replay FOLDER                       recorded documents through the same connectors
  smartflanders source check FILE --sample PAYLOAD       what a source file makes of a payload, before it goes live

Settings come from the environment (SF_...), see docs/reference/settings.md; options win over settings.
"""


# Which module adds which verbs, in the order of the help; `pipeline` and `web` are processes that `up` starts.
VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "up_commands": ("up", "simulate", "migrate"),
        "role_commands": ("collect", "normalise", "write", "serve", "pipeline", "web"),
        "source_commands": ("source",),
        "pilot_commands": ("pilot",),
        "view_commands": ("view",),
        "stream_commands": ("stream",),
        "replicate_commands": ("replicate",),
        "doctor_commands": ("doctor",),
        "load_commands": ("load",),
    }
)


def parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; each verb's module adds its own.

    With a verb that we know only its module is loaded: the others bring half a second of imports, and every process of a
    platform is started with a verb.
    """
    wanted = [module for module, verbs in VERBS.items() if verb in verbs]
    top = argparse.ArgumentParser(
        prog="smartflanders",
        description="Publish real-time city data as replicable Linked Data Event Streams.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"smartflanders {version('smartflanders')}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in wanted or VERBS:
        import_module(f"smartflanders.{module}").add(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; every error of ours becomes one sentence with its fix."""
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = parser(words[0] if words else None).parse_args(words)
    except SystemExit as end:
        return int(end.code or 0)
    configure(os.environ)
    try:
        return _run(arguments.run, arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except SmartFlandersError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(run: Callable[..., Any], arguments: argparse.Namespace) -> int:
    """Run a plain command directly, a long-running one in a loop whose `stop` is set by Ctrl-C and SIGTERM."""
    if not asyncio.iscoroutinefunction(run):
        return int(run(arguments))
    # The processes that do the work bring a faster loop of their own.
    with asyncio.Runner(loop_factory=getattr(arguments, "loop", None)) as runner:
        return runner.run(_until_stopped(run, arguments))


async def _until_stopped(
    run: Callable[[argparse.Namespace, asyncio.Event], Awaitable[int]], arguments: argparse.Namespace
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    status = await run(arguments, stop)
    # Ctrl-C is an interruption, SIGTERM the orderly way to end a service.
    return status or (130 if interrupted else 0)


def entry() -> None:
    """Be the console script."""
    raise SystemExit(main())


if __name__ == "__main__":
    entry()
