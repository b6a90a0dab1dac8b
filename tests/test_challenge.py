"""Whether another devhook holds an account: asked at the URI that the account names."""

from typing import Final

import pytest
from typing_extensions import override

from devhook.core.http import CHALLENGE
from devhook.core.network import Network
from devhook.core.signature import challenge_answer
from devhook.send import Sender
from devhook.system import SystemClock
from devhook.takeover import is_live
from devhook.wire import Wire
from tests.endpoint import HANG_UP, OK, Endpoint, Script, answer, endpoint

SECRET: Final = "s3cret"
NONCES: Final = ["one", "two", "three", "four"]


class Impatient(SystemClock):
    """For whom every pause is over at once."""

    @override
    async def sleep(self, seconds: float) -> None:
        await super().sleep(0)


async def found_alive(script: Script) -> tuple[bool, Endpoint]:
    """Whether who answers by this script is taken for a devhook."""
    async with endpoint(script) as far, Wire(Network()) as wire:
        uri = f"{far.url}/t/lease/{SECRET}#devhook=1.x"
        sender = Sender(wire, SystemClock())
        return await is_live(sender, uri, NONCES, Impatient()), far


def proof(request: bytes) -> bytes:
    """What only the holder of the path secret can answer."""
    head = request.decode().splitlines()
    pairs = dict(line.split(": ", 1) for line in head if ": " in line)
    return answer(200, challenge_answer(SECRET, pairs[CHALLENGE]).encode())


async def test_whoever_knows_the_path_secret_is_alive() -> None:
    """Asked once, by a path without the marker, which never leaves this machine."""
    is_alive, far = await found_alive(proof)
    assert is_alive
    assert len(far.requests) == 1
    assert far.requests[0].startswith(b"GET /t/lease/s3cret HTTP/1.1\r\n")


async def test_one_that_is_slow_to_come_back_is_alive() -> None:
    """A tunnel may be between two connections."""
    first = [HANG_UP, answer(404)]
    is_alive, far = await found_alive(
        lambda request: first.pop(0) if first else proof(request)
    )
    assert is_alive
    assert len(far.requests) == 3


@pytest.mark.parametrize("script", [OK, answer(404), answer(200, b"0" * 64), HANG_UP])
async def test_a_bare_answer_is_no_life(script: bytes) -> None:
    """The name of a tunnel may belong to somebody else by now: asked thrice."""
    is_alive, far = await found_alive(script)
    assert not is_alive
    assert len(far.requests) == 3
