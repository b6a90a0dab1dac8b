"""Fixtures for a user's own tests: recorded events, a capture, a sandbox. All offline.

Every pytest run of the user imports this module, so it imports nothing of the house;
the fixtures do, when a test asks for one. They are synchronous: what they run has a
thread and a loop of its own, so that synchronous and asynchronous tests can use them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from devhook.testing.background import Background
    from devhook.testing.capture import Captured
    from devhook.testing.replay import Devhook
    from devhook.testing.sandbox import SandboxView


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "devhook_fixtures",
        "Folder with devhook fixtures, from the rootdir.",
        default="",
    )


@pytest.fixture(scope="session")
def devhook_background() -> "Iterator[Background]":
    """The thread and loop that the other fixtures' servers live on."""
    from devhook.testing.background import Background

    with Background() as background:
        yield background


@pytest.fixture
def devhook(
    devhook_background: "Background", request: pytest.FixtureRequest
) -> "Devhook":
    """Loads fixtures, and replays their events to a URL.

    A fixture is looked for beside the test, in `fixtures/devhook/`, in the folder that
    `devhook_fixtures` names, then among those that come with devhook.
    """
    from devhook.testing.replay import Devhook

    root = request.config.rootpath
    beside = request.path.parent
    folders = [beside, beside / "fixtures" / "devhook", root / "fixtures" / "devhook"]
    if named := request.config.getini("devhook_fixtures"):
        folders.append(root / str(named))
    return Devhook(devhook_background, folders)


@pytest.fixture
def devhook_capture(
    devhook_background: "Background", tmp_path: Path
) -> "Iterator[Captured]":
    """A real capture server on loopback: `.url`, `.events`, `.wait_for(...)`."""
    from devhook.testing.capture import captured

    with devhook_background.opened(captured(tmp_path / "devhook.db")) as capture:
        capture.background = devhook_background
        yield capture


@pytest.fixture(scope="session")
def devhook_sandbox_server(
    devhook_background: "Background",
) -> "Iterator[SandboxView]":
    """One sandbox for the whole run; `devhook_sandbox` shows it as new."""
    from devhook.testing.sandbox import sandbox

    with devhook_background.opened(sandbox()) as view:
        view.background = devhook_background
        yield view


@pytest.fixture
def devhook_sandbox(devhook_sandbox_server: "SandboxView") -> "SandboxView":
    """The platform on loopback: `.api_url`, `.access_key`, `.emit(...)` and more."""
    devhook_sandbox_server.reset()
    return devhook_sandbox_server
