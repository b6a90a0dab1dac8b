"""A session in this process: what would take a user's whole patience to see."""

from pathlib import Path

from devhook.config import Flags, Settings, load
from devhook.core.target import Routes
from devhook.session import Options, Stop, open_session
from devhook.system import SystemClock
from devhook.takeover import Ending
from devhook.tunnel import Choice
from tests.upbench import Bench, open_bench


def settings(b: Bench) -> Settings:
    return load(Flags(), b.terminal.environ, cwd=b.terminal.folder)


async def test_an_unattended_restore_is_given_up_in_time(tmp_path: Path) -> None:
    """Nobody is there to press Ctrl-C: unconfirmed, and the record stays open."""
    async with open_bench(tmp_path) as b:
        options = Options(
            routes=Routes(target=None),
            tunnel=Choice(public_url=f"http://127.0.0.1:{b.port}"),
            listen=("127.0.0.1", b.port),
            patience=0.3,
        )
        opening = open_session(settings(b), options, Stop(), SystemClock())
        async with opening as session:
            await session.take_over()
            b.sandbox.fault(status=503, times=None)
            restored = await session.restore()
        assert restored is not None
        assert restored.ending is Ending.UNCONFIRMED
        assert session.holds
