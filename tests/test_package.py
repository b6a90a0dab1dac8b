"""The package as it is installed, away from the checkout and the dev tools."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Installed:
    wheel: Path
    bin: Path
    home: Path

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """In an empty folder, with nothing of ours in the environment."""
        return subprocess.run(
            [self.bin / args[0], *args[1:]],
            cwd=self.home,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a clean environment, with what its metadata asks for alone.

    That is linked from the environment of the tests: nobody waits for an index.
    """
    folder = tmp_path_factory.mktemp("package")
    _quietly(
        sys.executable, "-m", "build", "--no-isolation", "--wheel",
        "--outdir", str(folder), str(ROOT),
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    bin = folder / "venv" / "bin"
    _quietly(
        sys.executable, "-m", "pip", "--python", str(bin / "python"),
        "install", "--quiet", "--disable-pip-version-check", "--no-compile",
        "--no-index", "--no-deps", str(wheel),
    )  # fmt: skip
    (site,) = folder.glob("venv/lib/*/site-packages")
    (own,) = distributions(path=[str(site)])
    for name, path in _parts(_needed(own)).items():
        (site / name).symlink_to(path)
    home = folder / "home"
    home.mkdir()
    return Installed(wheel, bin, home)


def _needed(own: Distribution) -> Iterator[Distribution]:
    """What it requires, and what that requires in turn, in versions that will do."""
    known: set[Requirement] = set()
    wanted = set(_required(own, {""}))
    while new := wanted - known:
        known |= new
        for requirement in new:
            part = distribution(requirement.name)
            assert requirement.specifier.contains(part.version), requirement
            wanted |= set(_required(part, {"", *requirement.extras}))
            yield part


def _required(part: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in part.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": x}) for x in extras):
            yield requirement


def _parts(installed: Iterable[Distribution]) -> dict[str, Path]:
    """Their packages and modules, as they lie in the environment of the tests."""
    return {
        top: Path(str(part.locate_file(top)))
        for part in installed
        for top in {file.parts[0] for file in part.files or ()} - {"..", "__pycache__"}
    }


def _quietly(*args: str) -> None:
    done = subprocess.run(args, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_and_version_work(installed: Installed) -> None:
    """From the console script."""
    shown = installed.run("devhook", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "devhook demo" in shown.stdout
    assert installed.run("devhook", "--version").stdout == "devhook 0.1.0\n"


def test_the_wheel_holds_the_package_and_its_fixtures(installed: Installed) -> None:
    """And nothing of the tests."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"devhook", "devhook-0.1.0.dist-info"}
    shipped = {
        Path(name).name for name in names if name.startswith("devhook/fixtures/")
    }
    assert {path.name for path in (ROOT / "fixtures").rglob("*.json")} <= shipped


def test_nothing_of_the_dev_tools_is_needed(installed: Installed) -> None:
    """Every module but the plugin, which belongs to pytest, can be imported."""
    code = (
        "import importlib, pkgutil, devhook\n"
        "for module in pkgutil.walk_packages(devhook.__path__, 'devhook.'):\n"
        "    if not any(x in module.name for x in ('pytest', 'demo.', '__main__')):\n"
        "        importlib.import_module(module.name)\n"
    )
    done = installed.run("python", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert installed.run("python", "-c", "import pytest").returncode == 1


def test_the_demo_runs_from_the_wheel_alone(installed: Installed) -> None:
    """Every process of it, and not a file is left behind at home."""
    shown = installed.run("devhook", "demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert list(installed.home.iterdir()) == []
