"""The guardian's process by itself: what it is told, what it does when it is alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from devhook.core.guarding import Order, Word
from devhook.core.model import Setting, Stage
from devhook.core.takeover import Ending, Restored
from devhook.system import moment
from tests.guarded import ACME, MINE, ROOT, guarded, post, record

COLLEAGUE: Final = "https://colleague.example/hook"


# --- what it is ----------------------------------------------------------------------


async def test_it_is_out_of_reach_of_a_terminal(tmp_path: Path) -> None:
    """A session of its own, in no folder of the user's, deaf to a shell's signals."""
    async with post(tmp_path) as p:
        pid = p.guarded.process.pid
        assert os.getsid(pid) == pid
        assert folder_of(pid) == Path("/")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(pid, number)
        p.guarded.tell(Order.BEAT)
        await p.guarded.hear(Word.BEAT)


def folder_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/cwd").readlink()


async def test_nobody_can_read_the_credential_off_it(tmp_path: Path) -> None:
    """It comes by pipe, not by argv or environment, which others may list."""
    async with post(tmp_path) as p:
        await p.hold()
        proc = Path(f"/proc/{p.guarded.process.pid}")
        shown = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
        assert p.sandbox.access_key.encode() not in shown


async def test_without_a_plan_it_ends_with_the_run() -> None:
    """A run that was killed while it was opening has changed nothing."""
    async with guarded() as g:
        g.leave()
        assert await g.over() == 0


async def test_a_run_that_does_not_begin_with_a_plan_is_none(tmp_path: Path) -> None:
    """Without it nothing can be restored: the run starts another guardian."""
    async with guarded() as g:
        g.tell(Order.BEAT)
        assert await g.over() == 0


async def test_without_a_record_it_asks_the_api_nothing(tmp_path: Path) -> None:
    """There is nothing to undo; it ends."""
    async with post(tmp_path) as p:
        p.guarded.tell(Order.RESTORE, number=1)
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.sandbox.requests == []


async def test_an_order_that_it_does_not_know_is_passed_over(tmp_path: Path) -> None:
    """A later version's; the ones after it are heard."""
    async with post(tmp_path) as p:
        p.guarded.say(b'{"what": "sing"}\n')
        p.guarded.tell(Order.BEAT)
        await p.guarded.hear(Word.BEAT)


# --- restoring -----------------------------------------------------------------------


async def test_it_restores_when_it_is_told_to(tmp_path: Path) -> None:
    """All seven fields, and the record on disk says so."""
    async with post(tmp_path) as p:
        await p.hold()
        restored, ended = await p.guarded.restored()
        assert restored == Restored(Ending.RESTORED, ROOT)
        assert p.fields == ACME.fields()
        assert p.takeovers.history() == [ended]
        assert ended.stage is Stage.RESTORED
        stages = [step.stage for step in p.takeovers.steps(ended.id)]
        assert stages == [Stage.ACTIVE, Stage.RESTORING, Stage.RESTORED]


async def test_asked_twice_it_answers_twice_and_puts_once(tmp_path: Path) -> None:
    """A run that did not hear the first answer gets another."""
    async with post(tmp_path) as p:
        await p.hold()
        assert await p.guarded.restored() == await p.guarded.restored()
        assert p.asked("PUT") == 1


async def test_it_restores_when_the_run_is_gone(tmp_path: Path) -> None:
    """The end of the pipe is the end of the run, whatever ended it."""
    async with post(tmp_path) as p:
        await p.hold()
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.fields == ACME.fields()
        assert p.takeovers.open_records() == []


async def test_a_put_that_never_left_needs_no_look(tmp_path: Path) -> None:
    """The record is closed without a word to the API."""
    async with post(tmp_path) as p:
        await p.hold(Stage.PREPARED)
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.sandbox.requests == []
        assert p.takeovers.history()[0].error == "nothing was sent"


async def test_a_record_that_has_ended_is_left_as_it_is(tmp_path: Path) -> None:
    """Nothing was sent, since a colleague was quicker: what they set is not read."""
    async with post(tmp_path) as p:
        await p.hold(Stage.RESTORED)
        p.sandbox.change(webhook_uri=COLLEAGUE)
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.sandbox.requests == []
        assert p.takeovers.history()[0].stage is Stage.RESTORED


async def test_what_somebody_else_set_stays(tmp_path: Path) -> None:
    """It is not ours to undo."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.change(webhook_uri=COLLEAGUE)
        restored, ended = await p.guarded.restored()
        assert restored == Restored(
            Ending.FOREIGN, Setting(uri=COLLEAGUE, method="POST")
        )
        assert ended.stage is Stage.SUPERSEDED
        assert p.asked("PUT") == 0


async def test_its_put_follows_the_runs_after_a_second(tmp_path: Path) -> None:
    """The sender's copy of the setting might else keep the older one."""
    async with post(tmp_path) as p:
        kept = await p.hold()
        await p.guarded.keep(replace(kept, put=moment()))
        began = moment().ticks
        assert (await p.guarded.restored())[0].ending is Ending.RESTORED
        assert moment().ticks - began > 0.9


async def test_a_disk_that_keeps_nothing_does_not_keep_it_from_restoring(
    tmp_path: Path,
) -> None:
    """The plan and the record are in its memory."""
    (tmp_path / "file").touch()
    async with post(tmp_path, state=str(tmp_path / "file")) as p:
        p.sandbox.change(webhook_uri=MINE, webhook_method="POST")
        await p.guarded.keep(record(p.sandbox, Stage.ACTIVE))
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.fields == ACME.fields()


async def test_a_credential_that_is_refused_leaves_the_record_open(
    tmp_path: Path,
) -> None:
    """Another credential may settle it: the next command says what is wrong."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.fault(status=401, times=None)
        restored, ended = await p.guarded.restored()
        assert restored.ending is Ending.UNCONFIRMED
        assert restored.error is not None
        assert "does not accept the credential" in restored.error
        assert p.takeovers.open_records() == [ended]
        assert ended.stage is Stage.UNRESOLVED
        asked = len(p.sandbox.requests)
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert len(p.sandbox.requests) == asked


async def test_an_api_that_stays_away_is_given_up(tmp_path: Path) -> None:
    """After a day; here at once."""
    async with post(tmp_path, within=0.0) as p:
        await p.hold()
        p.sandbox.fault(status=503, times=None)
        restored, ended = await p.guarded.restored()
        assert restored.ending is Ending.UNCONFIRMED
        assert ended.stage is Stage.UNRESOLVED


# --- once more -----------------------------------------------------------------------


@pytest.mark.parametrize(("uri", "puts"), [(ROOT.uri, 2), (COLLEAGUE, 1)])
async def test_the_root_is_put_once_more_if_it_still_shows(
    tmp_path: Path, uri: str, puts: int
) -> None:
    """For a sender that did not hear of it; what somebody set since then stays."""
    async with post(tmp_path) as p:
        await p.hold()
        await p.guarded.restored()
        p.sandbox.change(webhook_uri=uri)
        p.guarded.tell(Order.REPEAT)
        await p.guarded.hear(Word.REPEATED)
        assert p.asked("PUT") == puts
        assert p.fields["webhook_uri"] == uri


async def test_there_is_nothing_to_repeat_without_a_record(tmp_path: Path) -> None:
    """It says that it is done."""
    async with post(tmp_path) as p:
        p.guarded.tell(Order.REPEAT)
        await p.guarded.hear(Word.REPEATED)
        assert p.sandbox.requests == []


# --- at the end ----------------------------------------------------------------------


async def test_an_api_that_is_away_is_not_told_once_more(tmp_path: Path) -> None:
    """The root is back: the second PUT is a courtesy, and not worth a wait."""
    async with post(tmp_path) as p:
        await p.hold()
        await p.guarded.restored()
        puts = p.asked("PUT")
        p.sandbox.fault(status=503)
        p.guarded.tell(Order.REPEAT)
        await p.guarded.hear(Word.REPEATED)
        assert p.asked("PUT") == puts


async def test_the_tunnels_agents_end_after_the_restore(tmp_path: Path) -> None:
    """Until then a delivery that is under way still finds its way."""
    with child() as agent, child() as gone:
        gone.kill()
        gone.wait()
        async with post(tmp_path, agents=(agent.pid, gone.pid)) as p:
            await p.hold()
            await p.guarded.restored()
            assert agent.poll() is None
            p.guarded.leave()
            assert await p.guarded.over() == 0
        assert agent.wait(5) == -signal.SIGTERM


async def test_a_process_that_was_given_an_agents_pid_is_spared(
    tmp_path: Path,
) -> None:
    """Pids come round; when a process started does not."""
    with child() as agent:
        async with post(tmp_path, agents=(agent.pid,)) as p:
            await p.hold()
            agent.kill()
            agent.wait()
            with child_with(agent.pid) as other:
                p.guarded.leave()
                assert await p.guarded.over() == 0
                assert other.poll() is None


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="there is no ps")
def test_without_proc_ps_tells_when_a_process_started() -> None:
    """Where there is neither, no agent is ended: it might be another's process."""
    # In a process of its own, as a guardian has it: this one is none.
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _TELL, str(Path(__file__).parent.parent)],
        capture_output=True,
        check=True,
        text=True,
    )
    first, second, gone = told.stdout.splitlines()
    assert first == second != ""
    assert gone == ""


_TELL: Final = """
import os, sys
sys.path.insert(0, sys.argv[1])
from devhook.guardian import _started_by_ps as started
print(started(os.getpid()), started(os.getpid()), started(2**22 + 1), sep="\\n")
"""


@contextmanager
def child_with(pid: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A child with that pid, as far as this kernel lets one choose."""
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last_pid, os.W_OK):
        pytest.skip("only root may choose the next pid")
    for _ in range(50):  # another process of this machine may be quicker
        last_pid.write_text(str(pid - 1))
        with child() as process:
            if process.pid == pid:
                yield process
                return
    pytest.skip("the pid was never free")


@contextmanager
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing; ended with the block."""
    code = "import signal; signal.pause()"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as process:
        try:
            yield process
        finally:
            process.kill()
