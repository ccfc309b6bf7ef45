"""The arrows of the house, and what no file of it may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import app
import app.engine

HOUSE = Path(app.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))

SERVICES = {"services", "storage"}
EVERYTHING = {each.stem for each in HOUSE.iterdir() if each.suffix == ".py"} | {
    each.name for each in HOUSE.iterdir() if (each / "__init__.py").exists()
}
MAY_IMPORT = {
    # what knows nothing
    "engine": set[str](),
    "queues": set[str](),
    "settings": set[str](),
    # what the assistant can do
    "storage": {"engine"},
    "services": {"storage"},
    "local": SERVICES,
    "observability": {"engine", *SERVICES},
    # what brings it together
    "connection": {"engine", "local", "queues", "settings"},
    "context": {"connection", "engine", "local", "observability", "settings", *SERVICES},
    "jobs": {"context", "engine", "queues", *SERVICES},
    "relay": {"engine", "storage"},
    "timetable": {"engine", "jobs"},
    # entry points
    "worker": EVERYTHING - {"worker", "cli", "web", "testing", "__main__"},
    "web": EVERYTHING - {"web", "worker", "cli", "testing", "__main__"},
    "cli": EVERYTHING - {"cli", "testing", "__main__"},
    "__main__": {"cli"},
    "testing": {"context", "engine", "jobs", "local", "observability", *SERVICES},
}
LATE = {"cli": {"worker", "web"}}  # imported where they are used: `--help` is quick

PARTS = ("redis", "doors", "roles", "dropin")  # of the engine, each on those before it
INSIDE = {
    "app.observability.stores": {"app.engine.redis.keys"},  # its key stands in the list of all keys
    "app.observability.probe": {"app.engine.redis.keys"},  # ... and it reads a schedule's cursor
    "app.cli.dropin": {"app.engine.dropin"},  # nobody else loads it
}


def module_of(path: Path) -> str:
    """The name a file is imported by."""
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room a module is in; the house's own `__init__` is in none."""
    return module.split(".")[1] if "." in module else ""


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported, the names of a package among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports say the whole name"
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def at_once(tree: ast.Module) -> Iterator[str]:
    """What is imported when the module is."""
    waiting: list[ast.AST] = [*tree.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(node)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


TREES = {path: read(path) for path in FILES}


def houses(files: Sequence[Path] = FILES) -> Iterator[tuple[str, str, ast.Module]]:
    """Each module's name, its room, and what it says."""
    for path in files:
        module = module_of(path)
        yield module, room_of(module), TREES[path]


def test_imports_follow_the_arrows() -> None:
    astray = {
        (module, other)
        for module, room, tree in houses()
        for other in {room_of(each) for each in imports(tree) if each.startswith("app.")}
        if other not in {room, "", *MAY_IMPORT.get(room, set())}
    }

    assert astray == set()


def test_entry_points_import_each_other_only_when_needed() -> None:
    too_early = {
        (module, other)
        for module, room, tree in houses()
        for other in {room_of(each) for each in at_once(tree) if each.startswith("app.")}
        if other in LATE.get(room, set())
    }

    assert too_early == set()


def test_every_room_has_its_arrows_and_is_on_the_map() -> None:
    rooms = EVERYTHING - {"__init__", "__main__"}

    assert rooms <= MAY_IMPORT.keys()
    assert {room for room in rooms if room not in (app.__doc__ or "")} == set()


def test_no_arrow_forms_a_circle() -> None:
    left = dict(MAY_IMPORT)
    while left:
        free = {room for room, arrows in left.items() if not arrows & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {room: arrows for room, arrows in left.items() if room not in free}


ENGINE = [
    path
    for path in FILES
    if path.is_relative_to(HOUSE / "engine") and path != HOUSE / "engine/__init__.py"
]


def part_of_engine(module: str) -> int:
    """How high it stands there: 0 for the pure files, which lie in no folder."""
    folder = module.split(".")[2]
    return PARTS.index(folder) + 1 if folder in PARTS else 0


def test_inside_the_engine_roles_stand_on_doors_on_redis_on_pure_files() -> None:
    upward = {
        (module, each)
        for module, _, tree in houses(ENGINE)
        # a handle names the type of what looks it up, and imports it nowhere
        for each in (at_once(tree) if module.endswith(".handle") else imports(tree))
        if each.startswith("app.engine.") and part_of_engine(each) > part_of_engine(module)
    }

    assert upward == set()


def test_others_use_only_what_the_engine_names() -> None:
    public = set(app.engine.__all__)
    deeper = {
        (module, each)
        for module, room, tree in houses()
        for each in imports(tree)
        if room != "engine" and each.startswith("app.engine.") and each.split(".")[2] not in public
    }

    assert {(module, each) for module, each in deeper if not is_allowed(module, each)} == set()


def is_allowed(module: str, inner: str) -> bool:
    """Whether this module may know of a part of the engine that has no public name."""
    allowed = INSIDE.get(module, set[str]())
    return any(one.startswith(inner) or inner.startswith(one) for one in allowed)


FORBIDDEN_MODULES = {
    *("nest_asyncio", "requests", "celery", "psycopg2", "pymysql", "urllib3", "http.client"),
    *("pickle", "marshal", "shelve", "dill", "cloudpickle", "urllib.request", "smtplib"),
}
FORBIDDEN_CALLS = {
    *("asyncio.run", "anyio.run", "asyncio.get_event_loop", "asyncio.ensure_future"),
    *(
        "asyncio.create_task",
        "loop.create_task",
        "loop.run_until_complete",
        "asyncio.new_event_loop",
    ),
    *("time.sleep", "sleep", "eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("os.fork",),
}
FORBIDDEN_NAMES = {"shell", "create_task", "run_until_complete", "ensure_future"}
EXCEPTIONS = {
    ("engine/roles/carriers.py", "create_task"): "the one file that owns the runs' tasks",
    ("engine/roles/carriers.py", "asyncio.create_task"): "the same",
    ("engine/redis/together.py", "create_task"): "a trip outlives the caller who began it",
    ("engine/redis/together.py", "loop.create_task"): "the same",
    ("engine/roles/arq_worker.py", "anyio.run"): "arq's command calls it without a loop",
    ("engine/roles/process.py", "anyio.run"): "the only loop of a process that works",
    ("storage/sqlite.py", "sleep"): "in the thread that opens the file",
}


def forbidden(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every line that does what no line may."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((node.lineno, each) for each in imports(node) if each in FORBIDDEN_MODULES)
        elif isinstance(node, ast.Call):
            if (name := ast.unparse(node.func)) in FORBIDDEN_CALLS:
                yield node.lineno, name
            yield from ((node.lineno, each.arg) for each in node.keywords if each.arg == "shell")
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_NAMES:
            yield node.lineno, node.attr


def test_nothing_blocks_the_loop_escapes_it_or_runs_data_as_code() -> None:
    found = [
        f"{name}:{line}: {what}"
        for path, tree in TREES.items()
        for name in [path.relative_to(HOUSE).as_posix()]
        for line, what in forbidden(tree)
        if (name, what) not in EXCEPTIONS
    ]

    assert found == []


def test_every_exception_is_still_needed() -> None:
    used = {
        (path.relative_to(HOUSE).as_posix(), what)
        for path, tree in TREES.items()
        for _, what in forbidden(tree)
    }

    assert EXCEPTIONS.keys() <= used


@pytest.mark.parametrize(
    "line",
    [
        "import requests",
        "from requests import get",
        "from urllib import request",
        "import pickle",
        "asyncio.run(main())",
        "time.sleep(1)",
        "sleep(1)",
        "loop.run_until_complete(x)",
        "self.loop.run_until_complete(x)",
        "asyncio.create_task(x)",
        "group.loop.create_task(x)",
        "eval(text)",
        "run(text, shell=True)",
        "import nest_asyncio",
    ],
)
def test_the_forbidden_is_found(line: str) -> None:
    assert list(forbidden(ast.parse(line)))


QUIET = """
import logging, os, sys, threading

done = []
def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
        writes = isinstance(args[1], str) and set(args[1]) & set("wax+")
        if writes or os.fsdecode(args[0]).endswith(".env"):
            done.append(f"{event} {args[0]} {args[1]}")
    elif event in ("socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen",
                   "os.system", "os.fork", "os.mkdir", "os.remove", "os.rename",
                   "sqlite3.connect", "os.putenv", "signal.signal"):
        done.append(f"{event} {args}")
sys.addaudithook(watch)
before = (list(logging.root.handlers), logging.root.level, dict(os.environ), sys.excepthook)
for name in sys.argv[1:]:
    done.clear()
    __import__(name)
    after = (list(logging.root.handlers), logging.root.level, dict(os.environ), sys.excepthook)
    if threading.active_count() != 1: done.append("a thread")
    if after != before: done.append("logging, environment or hooks changed")
    for each in done: print(name, each, file=sys.stderr)
"""
BUSY = {
    "app.worker": "arq reads its class when it is imported",
    "app.__main__": "it is the command",
    "app.storage.migrations.__main__": "it is a command of developers",
    "app.storage.migrations.env": "alembic runs it",
}


def test_importing_the_house_does_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STEWARD_REDIS__URL=not-a-url\n")
    quiet = [name for name in map(module_of, FILES) if name not in BUSY and "versions" not in name]
    path = f"{HOUSE.parent}"

    done = subprocess.run(
        [sys.executable, "-B", "-c", QUIET, *quiet],
        cwd=tmp_path,
        env={"PYTHONPATH": path, "STEWARD_WORKER__CONCURRENCY": "no number", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert {each.name for each in tmp_path.iterdir()} == {".env"}


def test_what_a_model_says_goes_to_its_task_and_nowhere_else() -> None:
    """Who asks the assistant: the job that writes the answer down, and the check of the account."""
    asks = {
        module
        for module, _, tree in houses()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "ai"
        if isinstance(node.value, ast.Name) and node.value.id in ("ctx", "services", "context")
    }

    assert asks == {"app.jobs.ai_answer", "app.cli.check_ai"}


def test_no_model_is_given_a_tool() -> None:
    given = {
        (module, word)
        for module, _, tree in houses()
        if module.startswith("app.services.ai")
        for node in ast.walk(tree)
        for word in (
            node.arg if isinstance(node, ast.keyword) else "",
            node.attr if isinstance(node, ast.Attribute) else "",
        )
        if word and ("tool" in word or word in ("capabilities", "deps_type", "mcp_servers"))
    }

    assert given == set()
