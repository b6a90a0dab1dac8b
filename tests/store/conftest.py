"""A store of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devhook.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acme.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened
