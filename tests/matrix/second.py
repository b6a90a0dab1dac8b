"""A second virtual environment with a copy of devhook, to be lost while it runs."""

import asyncio
import shutil
import site
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.terminal import ROOT


@dataclass(frozen=True)
class Second:
    """`folder` holds its interpreter, its devhook and the way to our packages."""

    folder: Path

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def command(self) -> tuple[str, ...]:
        return str(self.interpreter), "-m", "devhook"

    def lose(self) -> None:
        """As an upgrade or a clean-up does it, under a process that runs."""
        shutil.rmtree(self.folder)


async def second_program(folder: Path) -> Second:
    second = Second(folder / "second")
    making = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "venv", "--without-pip", str(second.folder)
    )
    assert await making.wait() == 0
    await asyncio.to_thread(_furnish, second)
    asking = await asyncio.create_subprocess_exec(
        str(second.interpreter),
        *("-I", "-c", "import devhook; print(devhook.__file__)"),
        stdout=asyncio.subprocess.PIPE,
    )
    found, _ = await asking.communicate()
    assert found.decode().startswith(str(second.folder))
    return second


def _furnish(second: Second) -> None:
    """Its own copy of devhook, and the libraries of the tests."""
    (packages,) = second.folder.glob("lib/python*/site-packages")
    shutil.copytree(ROOT / "devhook", packages / "devhook")
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
