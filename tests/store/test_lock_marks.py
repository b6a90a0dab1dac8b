"""The account lock where the file system has none: the marks of its holders."""

import errno
import os
from pathlib import Path

import pytest

from devhook.errors import ChangedElsewhere
from devhook.store import lock
from devhook.store.lock import rewrite
from devhook.system import is_alive, this_process
from tests.store.locking import (
    API,
    DEAD,
    account_lock,
    lock_file,
    no_flock,
    running,
    said,
    start,
    until_done,
)

MISSING = [
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
]

WINS_SOME = """
print("ready", flush=True)
sys.stdin.readline()
with ExitStack() as stack:
    for number in range(40):
        try:
            stack.enter_context(hold(str(number)))
        except ChangedElsewhere:
            continue
        print(number, flush=True)
    print("done", flush=True)
    sys.stdin.read()
"""

ADDS_UP = """
counter = state / "counter"
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    while True:
        try:
            with hold("a"):
                counter.write_text(str(int(counter.read_text()) + 1))
            break
        except ChangedElsewhere:
            pass
print("done", flush=True)
"""


@pytest.mark.parametrize("number", MISSING, ids=errno.errorcode.get)
def test_a_lock_of_the_weaker_kind_says_so(tmp_path: Path, number: int) -> None:
    """Whichever way the file system puts it."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with account_lock(tmp_path, flock=flock) as locked:
        assert locked.warning
        assert f"{tmp_path / 'locks'} has no locks" in locked.warning


def test_an_account_that_dead_ones_held_goes_to_exactly_one(tmp_path: Path) -> None:
    """Of several that find it at the same moment."""
    (tmp_path / "locks").mkdir()
    for number in range(0, 40, 2):
        with account_lock(tmp_path, str(number), flock=no_flock) as locked:
            pass
        with account_lock(tmp_path, str(number), flock=no_flock) as locked:
            rewrite(locked.descriptor, DEAD)
    with (
        running(WINS_SOME, tmp_path, "without") as first,
        running(WINS_SOME, tmp_path, "without") as second,
        running(WINS_SOME, tmp_path, "without") as third,
    ):
        contenders = [first, second, third]
        start(contenders)
        won = [number for process in contenders for number in until_done(process)]
    assert sorted(won, key=int) == [str(number) for number in range(40)]


def test_never_do_two_hold_an_account_at_the_same_time(tmp_path: Path) -> None:
    """Though each gives it back at once, and the next takes it over."""
    (tmp_path / "counter").write_text("0")
    with (
        running(ADDS_UP, tmp_path, "without") as first,
        running(ADDS_UP, tmp_path, "without") as second,
        running(ADDS_UP, tmp_path, "without") as third,
    ):
        start([first, second, third])
        assert [said(p) for p in (first, second, third)] == ["done"] * 3
    assert (tmp_path / "counter").read_text() == "75"


@pytest.mark.parametrize("number", [2, 3])
def test_who_comes_late_gives_way(tmp_path: Path, number: int) -> None:
    """It found the account free, and others took it over before it wrote that down."""
    with account_lock(tmp_path, flock=no_flock) as locked:
        rewrite(locked.descriptor, DEAD)
    theirs = lock_file(tmp_path, "without").with_suffix(f".{number}")

    def overtaken(mark: str) -> bool:
        if mark != DEAD:
            return is_alive(mark)
        theirs.write_text(this_process())
        return False

    with (
        pytest.raises(ChangedElsewhere),
        lock.account_lock(
            tmp_path, API, "a", process="1@me", alive=overtaken, flock=no_flock
        ),
    ):
        pass
    kept = {file.name for file in theirs.parent.iterdir() if file.stat().st_size}
    assert kept == {lock_file(tmp_path, "without").name, theirs.name}


def test_files_of_earlier_holders_do_not_pile_up(tmp_path: Path) -> None:
    """One counts, beside the one that could not be locked."""
    for _ in range(5):
        with account_lock(tmp_path, flock=no_flock):
            pass
    assert len(list((tmp_path / "locks").iterdir())) == 2
