"""Runs the tests of the takeover, every process of theirs measured: `make coverage`.

Fails below all branches of what decides over an account and of what undoes it.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
TESTS: Final = (
    *("tests/core/test_tak*.py", "tests/core/test_restoring.py"),
    *("tests/core/test_marker.py", "tests/core/test_guarding.py"),
    *("tests/test_takeover*.py", "tests/test_challenge.py"),
    *("tests/test_guardian*.py", "tests/test_watchdog*.py"),
    *("tests/store/test_takeovers.py", "tests/matrix/test_*.py"),
)

_STAND_IN: Final = """#!/bin/sh
case "$1 $2" in "-I -S") flags="-I -S" ;; *) flags= ;; esac
exec "{python}" $flags "{root}/tests/interpreter.py" "$0" "{data}" "{site}" "$@"
"""


def main() -> int:
    """The exit code of what failed first."""
    with tempfile.TemporaryDirectory(prefix="devhook-coverage-") as folder:
        data = Path(folder) / "data"
        python = stand_in(Path(folder) / "python", data)
        tests = [str(path) for glob in TESTS for path in sorted(ROOT.glob(glob))]
        tested = run(python, "-m", "pytest", "-n", "2", "--dist", "worksteal", *tests)
        coverage = (sys.executable, "-m", "coverage")
        where = f"--data-file={data}"
        return (
            tested
            or run(*coverage, "combine", "--quiet", where, folder)
            or run(*coverage, "report", where)
        )


def stand_in(path: Path, data: Path) -> str:
    """A program that takes the arguments of Python."""
    site = sysconfig.get_path("purelib")
    path.write_text(
        _STAND_IN.format(python=sys.executable, root=ROOT, data=data, site=site)
    )
    path.chmod(0o755)
    return str(path)


def run(*command: str) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
