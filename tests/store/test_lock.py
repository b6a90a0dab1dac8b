"""One devhook per account and machine."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from devhook.errors import ChangedElsewhere, StoreError
from devhook.store.lock import Flock, rewrite
from devhook.system import process_mark, this_process
from tests.store.locking import (
    DEAD,
    HOLDS,
    KINDS,
    account_lock,
    both_kinds,
    child_with,
    holder,
    lock_file,
    no_flock,
    running,
    said,
)


def assert_restoring(state: Path, flock: Flock, pid: int) -> None:
    """A guardian is not to be killed: it ends by itself."""
    with pytest.raises(ChangedElsewhere) as caught, account_lock(state, flock=flock):
        pass
    assert f"the guardian (process {pid}) of a session" in caught.value.message
    assert caught.value.hint == "devhook status"


# --- either kind of file system ------------------------------------------------------


@both_kinds
def test_a_held_account_is_refused_and_its_holder_named(
    tmp_path: Path, kind: str
) -> None:
    """At once, with exit code 3."""
    with (
        account_lock(tmp_path, flock=KINDS[kind]),
        pytest.raises(ChangedElsewhere) as caught,
        account_lock(tmp_path, flock=KINDS[kind]),
    ):
        pass
    who = f"(process {os.getpid()})"
    assert caught.value.message == f"another devhook holds this account {who}"
    assert f"kill {os.getpid()};" in (caught.value.hint or "")
    assert caught.value.exit_code == 3


@both_kinds
def test_a_holder_of_another_process_is_named(tmp_path: Path, kind: str) -> None:
    """By its mark, which tells it from a later process of the same number."""
    with running(HOLDS, tmp_path, kind) as process:
        mark = said(process)
        assert mark == process_mark(process.pid)
        assert holder(tmp_path, flock=KINDS[kind]) == mark
        with (
            pytest.raises(ChangedElsewhere, match=rf"\(process {process.pid}\)"),
            account_lock(tmp_path, flock=KINDS[kind]),
        ):
            pass


@both_kinds
def test_a_lock_is_free_again_after_its_block(tmp_path: Path, kind: str) -> None:
    """However the block ends."""
    flock = KINDS[kind]
    with pytest.raises(RuntimeError), account_lock(tmp_path, flock=flock):
        raise RuntimeError
    assert holder(tmp_path, flock=flock) is None
    with account_lock(tmp_path, flock=flock):
        assert holder(tmp_path, flock=flock) == this_process()


@both_kinds
def test_a_lock_is_free_when_its_holder_was_killed(tmp_path: Path, kind: str) -> None:
    """What it left in the file is no obstacle."""
    with running(HOLDS, tmp_path, kind) as process:
        mark = said(process)
        process.send_signal(signal.SIGKILL)
    assert mark in lock_file(tmp_path, kind).read_text()
    assert holder(tmp_path, flock=KINDS[kind]) is None
    with account_lock(tmp_path, flock=KINDS[kind]):
        assert holder(tmp_path, flock=KINDS[kind]) == this_process()


@both_kinds
def test_accounts_and_apis_have_locks_of_their_own(tmp_path: Path, kind: str) -> None:
    """The key is the pair of them, not the profile."""
    flock, there = KINDS[kind], "http://127.0.0.1:1/v1.0"
    with (
        account_lock(tmp_path, "a", flock=flock),
        account_lock(tmp_path, "b", flock=flock),
        account_lock(tmp_path, "a", api_url=there, flock=flock),
    ):
        assert len(list((tmp_path / "locks").glob("*.lock"))) == 3


@both_kinds
@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00\xff\xfe", b"\n\n@\nx@y\n", b"9" * 10_000, DEAD.encode()],
    ids=["nothing", "bytes", "lines", "digits", "dead"],
)
def test_whatever_stands_in_the_file_a_free_lock_is_given(
    tmp_path: Path, kind: str, garbage: bytes
) -> None:
    """A damaged file, an older version's, a number that a new process has by now."""
    flock = KINDS[kind]
    with account_lock(tmp_path, flock=flock):
        pass
    lock_file(tmp_path, kind).write_bytes(garbage)
    assert holder(tmp_path, flock=flock) is None
    with account_lock(tmp_path, flock=flock):
        assert holder(tmp_path, flock=flock) == this_process()


@both_kinds
def test_a_lock_that_is_kept_on_names_the_one_that_lives(
    tmp_path: Path, kind: str
) -> None:
    """A guardian, say, whose run was killed."""
    flock = KINDS[kind]
    with (
        account_lock(tmp_path, flock=flock) as locked,
        child_with(locked.descriptor) as child,
    ):
        rewrite(locked.descriptor, DEAD, process_mark(child.pid))
        assert holder(tmp_path, flock=flock) == process_mark(child.pid)
        assert_restoring(tmp_path, flock, child.pid)


@both_kinds
def test_a_run_that_leaves_strikes_its_own_name_alone(
    tmp_path: Path, kind: str
) -> None:
    """Its guardian may have work to do."""
    flock = KINDS[kind]
    with ExitStack() as stack:
        with account_lock(tmp_path, flock=flock) as locked:
            child = stack.enter_context(child_with(locked.descriptor))
            rewrite(locked.descriptor, this_process(), process_mark(child.pid))
        assert holder(tmp_path, flock=flock) == process_mark(child.pid)
        assert_restoring(tmp_path, flock, child.pid)
    assert holder(tmp_path, flock=flock) is None


@both_kinds
def test_an_account_that_was_never_held_has_no_holder(
    tmp_path: Path, kind: str
) -> None:
    """To look leaves nothing behind."""
    assert holder(tmp_path, flock=KINDS[kind]) is None
    assert list(tmp_path.iterdir()) == []


@both_kinds
def test_lock_files_are_private(tmp_path: Path, kind: str) -> None:
    """0600 in a folder 0700."""
    state = tmp_path / "state"
    with account_lock(state, flock=KINDS[kind]):
        for file in (state / "locks").iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
    assert (state / "locks").stat().st_mode & 0o777 == 0o700
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_shorter_name_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    """It is written over it in place, so that a reader never finds none."""
    with account_lock(tmp_path) as locked:
        rewrite(locked.descriptor, "123456@a-boot:123456", "7@b")
        rewrite(locked.descriptor, "8@c")
        assert lock_file(tmp_path).read_text() == "8@c\n"


# --- a file system with locks --------------------------------------------------------


def test_a_lock_of_the_stronger_kind_warns_of_nothing(tmp_path: Path) -> None:
    """It dies with its holders, whatever the file says."""
    with account_lock(tmp_path) as locked:
        assert locked.warning is None


def test_a_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    """So a watchdog process outlives its parent's hold; named or not."""
    with ExitStack() as stack:
        with account_lock(tmp_path) as locked:
            stack.enter_context(child_with(locked.descriptor))
        assert holder(tmp_path) == "unknown"
        with (
            pytest.raises(ChangedElsewhere, match=r"\(process unknown\)") as caught,
            account_lock(tmp_path),
        ):
            pass
        assert "kill it;" in (caught.value.hint or "")
    assert holder(tmp_path) is None
    with account_lock(tmp_path):
        pass


def test_an_inheritable_lock_is_kept_across_a_change_of_program(
    tmp_path: Path,
) -> None:
    """By a child that is given every descriptor that may be inherited."""
    wait = "import sys; print('runs', flush=True); sys.stdin.read()"
    with account_lock(tmp_path, inheritable=True):
        child = subprocess.Popen(
            [sys.executable, "-c", wait],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
    with child:
        assert holder(tmp_path) == "unknown"
    assert holder(tmp_path) is None


def test_a_child_that_was_not_meant_to_does_not_keep_it(tmp_path: Path) -> None:
    """The tunnel's agent, say."""
    wait = "import sys; print('runs', flush=True); sys.stdin.read()"
    with account_lock(tmp_path):
        child = subprocess.Popen(
            [sys.executable, "-c", wait],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout
        child.stdout.readline()  # Linux closes descriptors a moment after exec began
    with child, account_lock(tmp_path):
        pass


def test_the_mark_of_a_living_process_alone_holds_nothing(tmp_path: Path) -> None:
    """The file may be older than a lock that another one gave back."""
    with account_lock(tmp_path):
        pass
    lock_file(tmp_path).write_text(this_process())
    assert holder(tmp_path) is None
    with account_lock(tmp_path):
        pass


def test_who_only_looks_at_a_free_lock_keeps_nobody_off_it(tmp_path: Path) -> None:
    """`status` looks while an `up` starts."""
    with account_lock(tmp_path):
        pass
    looking = os.open(lock_file(tmp_path), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    asked: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        asked.append(operation)
        if len(asked) == 3:
            os.close(looking)
        fcntl.flock(descriptor, operation)

    with account_lock(tmp_path, flock=flock):
        assert holder(tmp_path) == this_process()


def test_who_looks_for_ever_is_taken_for_a_holder(tmp_path: Path) -> None:
    """One that was stopped in the middle of it: nobody waits longer than a second."""
    with account_lock(tmp_path):
        pass
    looking = os.open(lock_file(tmp_path), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    with pytest.raises(ChangedElsewhere), account_lock(tmp_path):
        pass
    os.close(looking)


# --- nothing to lock -----------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Exit 1, with what to do."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        account_lock(tmp_path / "file"),
    ):
        pass
    with pytest.raises(StoreError, match="cannot be opened"):
        holder(tmp_path / "file")


def test_a_file_system_that_fails_is_no_file_system_without_locks(
    tmp_path: Path,
) -> None:
    """Two might each find the account free."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with (
        pytest.raises(StoreError, match="Input/output error"),
        account_lock(tmp_path, flock=flock),
    ):
        pass
    with pytest.raises(StoreError, match="Input/output error"):
        holder(tmp_path, flock=flock)


def test_where_nothing_can_be_locked_another_folder_is_asked_for(
    tmp_path: Path,
) -> None:
    """Neither kind of lock may be left out."""

    def flock(descriptor: int, operation: int) -> None:
        shutil.rmtree(tmp_path / "locks")
        no_flock(descriptor, operation)

    with (
        pytest.raises(StoreError, match="can be locked") as caught,
        account_lock(tmp_path, flock=flock),
    ):
        pass
    assert "DEVHOOK_HOME" in (caught.value.hint or "")


def test_marks_that_cannot_be_read_are_no_free_account(tmp_path: Path) -> None:
    """Their process may live."""
    with account_lock(tmp_path, flock=no_flock):
        pass
    lock_file(tmp_path, "without").unlink()
    lock_file(tmp_path).with_suffix(".1").mkdir()
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        account_lock(tmp_path, flock=no_flock),
    ):
        pass
