"""A run in miniature: it takes an account over and holds it, with one part replaced.

A program of its own: `python -m tests.matrix.holding PART STATE API_URL ACCESS_KEY`.
Each part but `none` is a mutant, for which a test of `test_mutants.py` must fail.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from typing_extensions import override

from devhook.core.account_api import ApiAnswer, ApiRequest
from devhook.core.clock import Clock
from devhook.core.guarding import Plan
from devhook.core.network import Credential, Network
from devhook.core.taking import Who
from devhook.provider.client import AccountClient
from devhook.spawn import Start, start_guardian
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, this_process
from devhook.takeover import Hold
from devhook.watchdog import open_watchdog
from tests.matrix.deviant import with_two_fields

URI: Final = "https://relay.example/t/lease/s3cret"
ROOT: Final = str(Path(__file__).parent.parent.parent)


class Hurried(SystemClock):
    """Rests a tenth of the time, so that a run beats twice a second."""

    @override
    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 10)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run is made of. Durations are seconds."""

    start: Start = start_guardian
    client: type[AccountClient] = AccountClient
    clock: Callable[[], Clock] = Hurried
    bound: float = 3.0
    silence: float = 2.0


def in_our_group(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """A guardian that shares the fate of the run's process group."""
    return started("devhook.guardian", "main", of_its_own=False)


def with_a_leak(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """The write end of its pipe goes on to another child, as an agent might get it."""
    guardian = start_guardian(inherited)
    assert guardian.stdin is not None
    leak = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"],
        pass_fds=(guardian.stdin.fileno(),),
        stdout=subprocess.DEVNULL,
    )
    print(leak.pid, flush=True)  # noqa: T201  the test ends it
    return guardian


def only_once() -> Start:
    """A guardian that is followed by none."""
    number = count()

    def start(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        if next(number):
            raise BlockingIOError("no second one")
        return start_guardian(inherited)

    return start


def with_two_field_puts(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    return started("tests.matrix.deviant", "two_fields")


def started(
    module: str, main: str, *, of_its_own: bool = True
) -> "subprocess.Popen[bytes]":
    """A guardian by its module, in a session of its own or in ours."""
    code = f"import sys; sys.path.insert(0, {ROOT!r}); import {module} as m; m.{main}()"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=of_its_own,
    )


class TwoFieldClient(AccountClient):
    @override
    async def _exchange(self, request: ApiRequest) -> ApiAnswer:
        return await super()._exchange(with_two_fields(request))


PARTS: Final = {
    "none": Parts(),
    "guardian in our group": Parts(start=in_our_group),
    "leaked pipe": Parts(start=with_a_leak, silence=60),
    "no successor": Parts(start=only_once()),
    "no heartbeat": Parts(clock=SystemClock),
    "no silence rule": Parts(silence=3600),
    "no wait for a PUT in flight": Parts(bound=0),
    "two fields by the run": Parts(client=TwoFieldClient),
    "two fields by the guardian": Parts(start=with_two_field_puts),
}


async def hold(parts: Parts, state: str, api_url: str, key: str) -> None:
    """Take the account over, and keep it until somebody ends this process."""
    credential = Credential(kind="access_key", value=key, source="test")
    network, clock = Network(), parts.clock()
    plan = Plan(
        state=state,
        api_url=api_url,
        credential=credential,
        network=network,
        bound=parts.bound,
        silence=parts.silence,
    )
    async with (
        parts.client(api_url, credential, network) as client,
        open_watchdog(plan, clock, start=parts.start) as watchdog,
    ):
        await watchdog.ready()
        who = Who(
            api_url=api_url,
            profile="default",
            session_id=1,
            process=this_process(),
            guardian=watchdog.mark,
        )
        held = Hold(
            client, Takeovers(Path(state)), clock, bound=plan.bound, watchdog=watchdog
        )
        await held.prepare(await client.get(), URI, who)
        await held.point()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(hold(PARTS[sys.argv[1]], *sys.argv[2:]))
