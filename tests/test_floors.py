"""Imports run downstairs only, and never to a neighbour on the same floor."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "devhook"

# From the cellar up. A room may import any room below its own floor. `wire` and `send`
# are landings: what several rooms of the next floor dial and send with. `replay` stands
# above `forward`, whose deliveries it makes.
FLOORS = (
    {"errors"},
    {"core"},
    {"wire"},
    {"system", "config", "store", "provider", "tunnel", "relay", "sandbox", "shipped"}
    | {"spawn"},
    {"send", "watchdog"},
    {"capture", "forward", "takeover", "listen", "backfill", "doctor", "inspector"}
    | {"trigger"},
    {"replay"},
    {"session", "testing"},
    {"cli", "pytest_plugin"},
    {"__main__"},
)

# An entry of its own: it must run where everything else is broken or gone.
GUARDIAN = {"guardian", "guardian_api"}
GUARDIANS_OWN = GUARDIAN | {"errors", "core", "store.takeovers"}

# Scripts that are read as files and run by others; they belong to no floor.
APART = {"demo"}

# Who may import what is not ours; `.` goes into a room. A new name needs a reason.
FOREIGN = {
    "aiohttp": {"provider", "relay", "sandbox", "capture", "inspector"},
    "click": {"cli"},
    "httptools": {"wire"},
    "httpx": {"pytest_plugin", "testing"},
    "platformdirs": {"config"},
    "prometheus_client": {"relay"},
    "pyngrok": {"tunnel"},
    "pytest": {"pytest_plugin"},
    "rich": {"cli"},
    "sqlite_utils": {"store"},
    "tomlkit": {"config"},
    "typing_extensions": {"cli", "relay", "sandbox", "tunnel", "wire"},
    "uvloop": {"cli"},
    "websockets": {"tunnel.relay", "provider.stream"},
    "yaml": {"config"},
}

# What acts on the world or reads a clock has no place on the ground floor.
WORLDLY = {
    "asyncio",
    "http.client",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}


@dataclass(frozen=True)
class Import:
    """`at` is the module that imports, `what` the module it names, without devhook."""

    at: str
    what: str
    ours: bool
    is_lazy: bool
    line: int

    @override
    def __str__(self) -> str:
        return f"devhook/{self.at.replace('.', '/')}.py:{self.line} imports {self.what}"

    @property
    def room(self) -> str:
        return self.at.partition(".")[0]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text())


def imports(at: str, tree: ast.Module) -> Iterator[Import]:
    top_level = set(map(id, tree.body))
    for node in ast.walk(tree):
        for name in _names(node):
            ours = name == "devhook" or name.startswith("devhook.")
            what = name.removeprefix("devhook").removeprefix(".") if ours else name
            yield Import(at, what, ours, id(node) not in top_level, node.lineno)  # type: ignore[attr-defined]


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names) if _is_package(module):
            return [f"{module}.{alias.name}" for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []


def _is_package(module: str) -> bool:
    """Whether what is imported from it may be modules: `from devhook import config`."""
    return module in ("devhook", "devhook.store")


MODULES = dict(modules())
IMPORTS = [found for at, tree in MODULES.items() for found in imports(at, tree)]
OURS = [found for found in IMPORTS if found.ours and found.at]
FOREIGNERS = [
    found
    for found in IMPORTS
    if not found.ours and found.what.partition(".")[0] not in sys.stdlib_module_names
]


def floor(room: str) -> int:
    return next(n for n, rooms in enumerate(FLOORS) if room in rooms)


def is_within(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def test_every_room_has_its_floor() -> None:
    """A new room is put on one before anything is built in it."""
    rooms = {name.partition(".")[0] for name in MODULES} - {""}
    known = set().union(*FLOORS) | APART | GUARDIAN
    assert rooms <= known


def test_imports_run_downstairs() -> None:
    """And never to a neighbour: what two of them share belongs in core."""
    assert [str(found) for found in OURS if not _runs_downstairs(found)] == []


def _runs_downstairs(found: Import) -> bool:
    target = found.what.partition(".")[0]
    if found.room in GUARDIAN:
        return is_within(found.what, GUARDIANS_OWN)
    if target == found.room:
        return True
    return target not in APART and floor(target) < floor(found.room)


def test_each_library_has_its_room() -> None:
    """So that it can be replaced in one place."""
    strays = [
        str(found)
        for found in FOREIGNERS
        if not is_within(found.at, FOREIGN.get(found.what.partition(".")[0], set()))
    ]
    assert strays == []


def test_sqlite_utils_is_never_paid_for_at_the_start() -> None:
    """It is loaded when a migration or a maintenance command needs it."""
    early = [i for i in FOREIGNERS if i.what == "sqlite_utils" and not i.is_lazy]
    assert early == []


def test_what_is_imported_is_declared() -> None:
    """A clean install has it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["pytest"]
    declared = {line.split(">")[0].lower().replace("-", "_") for line in lines}
    packages = {found.what.partition(".")[0] for found in FOREIGNERS}
    assert {"pyyaml" if name == "yaml" else name for name in packages} <= declared


def test_the_ground_floor_is_pure() -> None:
    """Standard library alone, and nothing of it that acts or waits."""
    strays = [
        str(found)
        for found in IMPORTS
        if found.room == "core"
        and (found in FOREIGNERS or is_within(found.what, WORLDLY))
    ]
    assert strays == []


@pytest.mark.parametrize("at", [at for at in MODULES if at.startswith("core")])
def test_the_ground_floor_opens_and_awaits_nothing(at: str) -> None:
    """Values in, values out; the clock's Protocol alone says `async`."""
    for node in ast.walk(MODULES[at]):
        match node:
            case ast.Call(func=ast.Name(id="open" | "print" | "input")):
                pytest.fail(f"{at}:{node.lineno} acts on the world")
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                pytest.fail(f"{at}:{node.lineno} waits")
            case ast.AsyncFunctionDef():
                assert at == "core.clock", f"{at}:{node.lineno}"
            case _:
                pass


@pytest.mark.parametrize("package", ["", "store", "core"])
def test_these_packages_hold_no_code(package: str) -> None:
    """The guardian passes through them, and pays for what they import."""
    code = [n for n in MODULES[package].body if not isinstance(n, ast.Expr)]
    assert code == []


def test_what_the_guardian_needs_runs_on_the_standard_library_alone() -> None:
    """`python -I -S`: no site-packages, no environment."""
    needed = [at for at in MODULES if at.startswith("core.")]
    needed += ["store.takeovers", "store.lock"]
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"import {', '.join(f'devhook.{name}' for name in needed)}\n"
        "print('asyncio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
