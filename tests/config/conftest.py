"""A laptop: a home, a project folder in it, and an environment."""

from pathlib import Path

import pytest

from devhook import config
from devhook.config import Flags, Settings


class Laptop:
    """A home, a project folder in it, and an environment."""

    def __init__(self, root: Path) -> None:
        self.home = root
        self.project = root / "work" / "app"
        self.project.mkdir(parents=True)
        self.environ = {"DEVHOOK_HOME": str(root / "dh"), "HOME": str(root)}
        self.config = root / "dh" / "config.toml"

    def user_file(self, text: str) -> None:
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(text)
        self.config.chmod(0o600)

    def project_file(self, text: str, folder: Path | None = None) -> None:
        ((folder or self.project) / ".devhook.toml").write_text(text)

    def official_file(self, text: str) -> None:
        (self.home / ".vn").mkdir()
        (self.home / ".vn" / "config.yaml").write_text(text)

    def load(self, flags: Flags | None = None, /, **environ: str) -> Settings:
        return config.load(
            flags or Flags(), {**self.environ, **environ}, cwd=self.project
        )


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)
