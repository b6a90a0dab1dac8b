"""One devhook per account and machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from devhook.errors import ChangedElsewhere, StoreError
from devhook.store.lock import account_lock

API = "https://api.example/v1.0"


def test_a_held_account_is_refused_and_its_holder_named(tmp_path: Path) -> None:
    """At once, with exit code 3."""
    with (
        account_lock(tmp_path, API, "a"),
        pytest.raises(ChangedElsewhere, match=r"process \d+") as caught,
        account_lock(tmp_path, API, "a"),
    ):
        pass
    assert caught.value.exit_code == 3


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    """However the block ends."""
    with pytest.raises(RuntimeError), account_lock(tmp_path, API, "a"):
        raise RuntimeError
    with account_lock(tmp_path, API, "a"):
        pass


def test_accounts_and_apis_have_locks_of_their_own(tmp_path: Path) -> None:
    """The key is the pair of them, not the profile."""
    with (
        account_lock(tmp_path, API, "a"),
        account_lock(tmp_path, API, "b"),
        account_lock(tmp_path, "http://127.0.0.1:1/v1.0", "a"),
    ):
        assert len(list((tmp_path / "locks").iterdir())) == 3


def test_a_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    """So a watchdog process outlives its parent's hold."""
    wait = "import sys; sys.stdin.read()"
    with account_lock(tmp_path, API, "a", inheritable=True) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", wait], stdin=subprocess.PIPE, pass_fds=[descriptor]
        )
    with child, pytest.raises(ChangedElsewhere), account_lock(tmp_path, API, "a"):
        pass
    with account_lock(tmp_path, API, "a"):
        pass


def test_a_child_that_was_not_meant_to_does_not_keep_it(tmp_path: Path) -> None:
    """The tunnel's agent, say."""
    wait = "import sys; print('runs', flush=True); sys.stdin.read()"
    with account_lock(tmp_path, API, "a"):
        child = subprocess.Popen(
            [sys.executable, "-c", wait],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout
        child.stdout.readline()  # Linux closes descriptors a moment after exec began
    with child, account_lock(tmp_path, API, "a"):
        pass


def test_lock_files_are_private(tmp_path: Path) -> None:
    """0600 in a folder 0700."""
    state = tmp_path / "state"
    with account_lock(state, API, "a"):
        (file,) = (state / "locks").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Exit 1, with what to do."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        account_lock(tmp_path / "file", API, "a"),
    ):
        pass
