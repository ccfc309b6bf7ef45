"""What no line of the application may do with data, and what is installed with it."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from tests.plugins.cases import Case

HOUSE = Path(app.__file__).parent
ROOT = HOUSE.parent
TREES = {path: ast.parse(path.read_text(), str(path)) for path in sorted(HOUSE.rglob("*.py"))}
LOCKS = sorted(ROOT.glob("requirements*.lock"))

MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "imp"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "execfile", "input"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "tempfile.mktemp", "mktemp"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("ssl._create_unverified_context", "os.tempnam", "os.tmpnam"),
}
KEYWORDS = {
    "shell": True,
    "verify": False,
    "verify_certs": False,
    "check_hostname": False,
    "validate_certs": False,
}
SQL = re.compile(
    r"\s*(select\b.*|insert\s+into|update\s+\S+\s+set|delete\s+from|(create|drop|alter)\s+\w+)\b",
    re.IGNORECASE | re.DOTALL,
)
EXCEPTIONS = {("storage/glance.py", "SQL put together"): "of the names of our own columns"}

PIN = re.compile(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+( ; .*)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def findings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every line that runs data as code, trusts whom it should not, or puts SQL together."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names = {each.name.partition(".")[0] for each in node.names}
                yield from ((node.lineno, name) for name in names & MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield node.lineno, module
            case ast.Call():
                yield from ((node.lineno, each) for each in _of_call(node))
            case ast.JoinedStr() | ast.BinOp() if SQL.match(_beginning(node)):
                yield node.lineno, "SQL put together"
            case _:
                pass


def _of_call(node: ast.Call) -> Iterator[str]:
    if (name := ast.unparse(node.func)) in CALLS:
        yield name
    for each in node.keywords:
        said = each.value.value if isinstance(each.value, ast.Constant) else None
        if each.arg in KEYWORDS and said is KEYWORDS[each.arg]:
            yield f"{each.arg}={said}"
    match node.func:
        case ast.Attribute(attr="format", value=text) if SQL.match(_beginning(text)):
            yield "SQL put together"
        case _:
            pass


def _beginning(node: ast.AST) -> str:
    """The text that a string begins with, where that is written here."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[first, *_]):
            return _beginning(first)
        case ast.BinOp(left=left, op=ast.Mod() | ast.Add()):
            return _beginning(left)
        case _:
            return ""


def test_no_line_runs_data_as_code_or_trusts_blindly() -> None:
    found = {
        (path.relative_to(HOUSE).as_posix(), what)
        for path, tree in TREES.items()
        for _, what in findings(tree)
    }

    assert found == EXCEPTIONS.keys()


@pytest.mark.parametrize(
    "line",
    [
        *("import pickle", "from pickle import loads", "import marshal", "import yaml"),
        *("eval(text)", "exec(text)", "compile(text, '', 'exec')", "__import__(name)"),
        *("yaml.load(text)", "tempfile.mktemp()", "os.system(text)", "subprocess.getoutput(text)"),
        *("run(text, shell=True)", "get(url, verify=False)", "connect(check_hostname=False)"),
        'f"SELECT * FROM users WHERE name = {name}"',
        "\"select id from runs where id = '%s'\" % id",
        '"DELETE FROM runs WHERE id = " + id',
        '"INSERT INTO runs VALUES ({})".format(id)',
        'f"""\n    UPDATE runs SET name = {name}"""',
        'f"drop table {name}"',
    ],
)
def test_it_would_be_found(line: str) -> None:
    assert list(findings(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        'f"selected {name}"',
        '"update %s" % name',
        "get(url, verify=True)",
        "ast.literal_eval(text)",
        "model.eval_later(text)",
    ],
)
def test_what_is_harmless_is_left_alone(line: str) -> None:
    assert list(findings(ast.parse(line))) == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_and_hashed(path: Path) -> None:
    entries = path.read_text().replace("\\\n", " ").splitlines()

    for entry in entries:
        pin, *hashes = re.split(r"\s+(?=--hash)", entry.strip())
        assert PIN.fullmatch(pin), f"{pin} is not pinned"
        assert hashes, f"{pin} has no hash"
        assert all(map(HASH.fullmatch, map(str.strip, hashes)))


@pytest.mark.case(67)
def test_every_dependency_is_in_the_lock_and_installed_by_its_hash(case: Case) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=;]", each)[0].strip().lower() for each in wanted}
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"(?m)^([\w.-]+)(?:\[[\w,-]+\])?==", lock))

    assert names <= locked
    installs = re.findall(r"pip install .*?(?<!\\)\n", _setup(), re.DOTALL)
    assert installs
    assert all("--require-hashes" in each for each in installs)
    case.says(
        f"{len(TREES)} files read for what no line may do, {len(LOCKS)} locks for hashes",
        arq="unpickles jobs and results by default",
        steward=f"0 findings, {len(EXCEPTIONS)} exception with its reason, all packages hashed",
    )


def _setup() -> str:
    """The script that installs, with what is continued on one line, and without its comments."""
    text = (ROOT / "scripts" / "_setup.sh").read_text().replace("\\\n", " ")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"
