"""The house: layers, light start, one importer per awkward library, mirrored tests, file sizes, words."""

from __future__ import annotations

import ast
import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path("src/joulemark")
LONGEST_FILE = 400
SMALLEST_TESTED = 30
TESTED_ELSEWHERE = {
    "cli/agent.py": "the process itself: tests/agent/test_service.py",
    "meters/base.py": "the interface: tests/meters/conformance.py",
    "proto/messages.py": "plain objects: tests/proto/test_convert.py",
}
ONE_IMPORTER = {
    "pynvml": "meters/nvml",
    "pyghmi": "meters/",
    "pysnmp": "meters/snmp",
    "pymodbus": "meters/modbus",
    "pyvisa": "meters/scpi",
    "aiomqtt": "meters/tasmota",
    "amdsmi": "meters/amd",
    "prometheus_client": "meters/prometheus",
    "sqlite_utils": ("collector/", "pricing/store", "board/store", "database"),
    "apscheduler": "collector/",
    "pcodec": "collector/store/",
    "clickhouse_connect": "collector/store/clickhouse/",
    "cryptography": "pki/",
    "joulemark.proto.v1": "proto/",
}
HEAVY = (
    "rich",
    "numpy",
    "scipy",
    "pandas",
    "fastapi",
    "aiohttp",
    "sqlite_utils",
    "apscheduler",
    "pyghmi",
    "cryptography",
    "pysnmp",
    "pymodbus",
)


def sources(repository: Path) -> list[Path]:
    """Every hand-written module, relative to the package."""
    root = repository / SOURCE
    return sorted(p.relative_to(root) for p in root.rglob("*.py") if "proto/v1" not in p.as_posix())


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def tracked(repository: Path) -> list[Path]:
    """Every text file of the repository that git knows."""
    out = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=True).stdout
    names = [Path(name) for name in out.decode().split("\0") if name]
    return [name for name in names if (repository / name).is_file() and b"\0" not in (repository / name).read_bytes()[:4096]]


def test_every_module_has_its_mirror(repository: Path) -> None:
    """A module of more than 30 lines has a test file at the mirrored place, or a stated one elsewhere."""
    missing = []
    for module in sources(repository):
        if line_count(repository / SOURCE / module) <= SMALLEST_TESTED or module.as_posix() in TESTED_ELSEWHERE:
            continue
        name = module.parent.name if module.name == "__init__.py" else module.stem
        folder = module.parent.parent if module.name == "__init__.py" else module.parent
        places = [folder / f"test_{name}.py", module.parent / f"test_{name}.py"]
        if not any((repository / "tests" / place).is_file() for place in places):
            missing.append(f"{module}: tests/{places[0]}")
    assert missing == []


def test_files_are_short(repository: Path) -> None:
    """No hand-written module or test is longer than 400 lines."""
    tests = [Path("../../tests") / p.relative_to(repository / "tests") for p in (repository / "tests").rglob("*.py")]
    lengths = {str(p): line_count(repository / SOURCE / p) for p in [*sources(repository), *tests]}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_tests_say_what_they_prove(repository: Path) -> None:
    """Every test function carries a docstring: the claim it proves."""
    silent = []
    for path in sorted((repository / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(repository)}:{node.lineno} {node.name}")
    assert silent == []


@functools.cache
def imported(path: Path) -> set[str]:
    """Names of all modules a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize(("library", "place"), ONE_IMPORTER.items())
def test_awkward_libraries_have_one_importer(repository: Path, library: str, place: str | tuple[str, ...]) -> None:
    """A library whose interface is awkward is imported in one place, and everything else talks to that place."""
    strangers = [
        str(module)
        for module in sources(repository)
        if not module.as_posix().startswith(place)
        and any(name == library or name.startswith(f"{library}.") for name in imported(repository / SOURCE / module))
    ]
    assert strangers == []


def test_meters_speak_http_in_one_place(repository: Path) -> None:
    """Among the meters aiohttp is imported by `http.py` alone, which holds the deadlines and bounds."""
    meters = [module for module in sources(repository) if module.parts[0] == "meters"]
    assert [str(module) for module in meters if "aiohttp" in imported(repository / SOURCE / module)] == ["meters/http.py"]


def test_prices_speak_http_in_one_place(repository: Path) -> None:
    """In pricing aiohttp is imported by `http_web.py` alone, which holds the pinned origins and the caps."""
    pricing = [module for module in sources(repository) if module.parts[0] == "pricing"]
    assert [str(module) for module in pricing if "aiohttp" in imported(repository / SOURCE / module)] == ["pricing/http_web.py"]


def test_only_timebase_reads_a_clock(repository: Path) -> None:
    """No module but timebase calls a clock of the standard library."""
    clock = re.compile(r"\btime\.(time|monotonic|perf_counter)(_ns)?\(|\bdatetime\.(now|utcnow|today)\(")
    readers = [str(m) for m in sources(repository) if m.name != "timebase.py" and clock.search((repository / SOURCE / m).read_text())]
    assert readers == []


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes every exception and does not raise it again after cleaning up."""
    broad = handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException"))
    return broad and not isinstance(handler.body[-1], ast.Raise)


def test_broad_except_only_where_a_loop_must_survive(repository: Path) -> None:
    """Every exception is swallowed in the sampler's runner, the ingest stream and the writer, which gives it to who asked; nowhere else."""
    places = set()
    for module in sources(repository):
        for node in ast.walk(ast.parse((repository / SOURCE / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and swallows_everything(node):
                places.add(f"{module}:{node.lineno}")
    assert {p for p in places if not p.startswith(("agent/runner", "agent/sampler", "collector/ingest", "collector/store/writer"))} == set()


def test_no_stub_and_no_place_of_the_making(repository: Path) -> None:
    """No tracked file holds a stub mark or a path of the machine it was written on."""
    words = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", r"(?<![\w.])/wo" + "rk/", "/tmp/re" + "search", r"\.\./sha" + "red"]
    marks = re.compile("|".join(words))
    found = []
    for name in tracked(repository):
        if name.as_posix() in (".ci/run", "tests/conftest.py", "LICENSE") or "_pb2" in name.name:
            continue
        text = (repository / name).read_text(encoding="utf-8", errors="replace")  # recorded output may be in another code
        for number, line in enumerate(text.splitlines(), 1):
            if marks.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []


LIGHT = ["joulemark.agent.service", "joulemark.cli", "joulemark.cli.agent", "joulemark.meters.registry", "joulemark.proto.convert"]


@pytest.mark.parametrize("module", LIGHT)
def test_agent_start_is_light(module: str) -> None:
    """What the agent loads at start brings in none of the collector's or the mathematician's libraries."""
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over a checkout, seeing that checkout's package first."""
    program = Path(sys.executable).with_name("lint-imports")
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout / "src")}
    return subprocess.run([program, "--no-cache"], cwd=checkout, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copytree(repository / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(repository / "pyproject.toml", tmp_path)
    return tmp_path


def test_import_contracts_are_kept(checkout: Path) -> None:
    """All import contracts hold."""
    done = lint_imports(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("units.py", "from joulemark import config", "layers"),
        ("runs.py", "def late():\n    from joulemark.proto import convert", "layers"),
        ("meters/base.py", "import numpy", "agent stays light"),
        ("energy/series.py", "import sqlite3", "pure maths"),
    ],
)
def test_a_planted_import_breaks_its_contract(checkout: Path, module: str, line: str, contract: str) -> None:
    """An upward, heavy or I/O import, also inside a function, is found and reported with the contract it breaks."""
    path = checkout / SOURCE / module
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    done = lint_imports(checkout)
    assert done.returncode == 1
    _, _, broken = done.stdout.partition("Broken contracts")
    assert contract in broken, done.stdout
