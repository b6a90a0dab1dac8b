"""C, the URI: an API that keeps it in another form, or likes no fragment."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devhook.core.model import Stage
from devhook.core.takeover import Ending
from devhook.errors import TakeoverError
from tests.clock import SkippingClock
from tests.matrix.altering import (
    Alter,
    all_lowered,
    altering,
    lowered,
    without_fragments,
)
from tests.matrix.bench import open_short
from tests.matrix.machines import Machine, machine, open_account, puts
from tests.upbench import Bench, straight_to

Seen = Callable[[str], None]


@asynccontextmanager
async def at_an_api(folder: Path, alter: Alter) -> AsyncIterator[Machine]:
    """That does so with each PUT; at the end all seven fields are as before."""
    async with open_account() as sandbox, altering(sandbox.api_url, alter) as url:
        before = sandbox.account.fields()
        async with machine(folder / "A", sandbox, url, SkippingClock()) as a:
            yield a
        assert sandbox.account.fields() == before
        assert a.takeovers.open_records() == []


@pytest.mark.case(56, "server normalises the URI", "its form recorded; original")
async def test_56_the_servers_form_is_recorded(tmp_path: Path, seen: Seen) -> None:
    """It holds our path secret, so it is ours; and byte for byte from then on."""
    async with at_an_api(tmp_path, lowered) as a:
        hold = await a.take()
        assert a.record.mine == a.sandbox.account.webhook_uri
        assert a.record.mine.startswith("https://relay.example/")
        assert (await hold.look()).foreign is None
        assert (await hold.end()).ending is Ending.RESTORED
    seen("recorded in its form, original at the end")


@pytest.mark.case(56, "URI normalised, run killed before it saw that", "original")
async def test_56_a_form_that_nobody_saw_is_undone(tmp_path: Path, seen: Seen) -> None:
    """The record has our form, the account another one."""
    async with at_an_api(tmp_path, all_lowered) as a:
        account = await a.client.get()
        a.sandbox.fault(method="GET", status=503, skip=2, times=None)
        with pytest.raises(TakeoverError):
            await a.take(as_read=account)
        a.sandbox.clear_faults()
        assert a.stage is Stage.PUT_SENT
        assert a.sandbox.account.webhook_uri == a.record.mine.lower() != a.record.mine
        assert (await a.recover()).ending is Ending.RESTORED
    seen("known by its path secret, original")


@pytest.mark.slow
@pytest.mark.case(56, "URI normalised; a run of `up`", "goes on where it is reached")
async def test_56_the_tunnel_is_reached_by_the_servers_form(
    tmp_path: Path, seen: Seen
) -> None:
    """A host in lower case leads here, a path secret in lower case does not."""
    async with open_short(tmp_path) as b:
        port = f"http://LOCALHOST:{b.port}"
        loud = ("--public-url", port, *straight_to(b.port)[2:])
        async with (
            altering(b.sandbox.api_url, lowered) as url,
            b.up(tunnel=loud, DEVHOOK_API_URL=url) as up,
        ):
            assert b.fields()["webhook_uri"].startswith("http://localhost:")
            delivery = await b.sandbox.emit("call_hangup")
            assert delivery.attempts[-1].status == 200
            assert await up.end() == 0
        async with (
            altering(b.sandbox.api_url, all_lowered) as url,
            b.up(ready=False, DEVHOOK_API_URL=url) as up,
        ):
            assert await up.over() == 7
            assert "which does not lead here" in up.screen
    seen("host: goes on; whole URI: error (7), original")


@pytest.mark.case(57, "server refuses the fragment", "runs without marker")
async def test_57_a_refused_fragment_is_left_off(tmp_path: Path, seen: Seen) -> None:
    """One more PUT, a second later, without it."""
    async with at_an_api(tmp_path, without_fragments) as a:
        hold = await a.take()
        assert a.record.mine == a.sandbox.account.webhook_uri == a.uri
        assert puts(a.sandbox) == 1
        assert (await hold.end()).ending is Ending.RESTORED
    seen("runs without marker, original at the end")


@pytest.mark.slow
@pytest.mark.case(57, "fragment refused or too long; a run of `up`", "warns")
async def test_57_a_run_without_a_marker_warns(tmp_path: Path, seen: Seen) -> None:
    """Killed with its guardian, it is restored by this machine's record alone."""

    async def warned(b: Bench, api_url: str) -> None:
        before = b.fields()
        async with b.up("--no-mirror", DEVHOOK_API_URL=api_url) as up:
            await up.shown("carries no marker")
            assert "#" not in b.fields()["webhook_uri"]
            await b.abandon(up)
        done = await b.terminal("restore", DEVHOOK_API_URL=api_url)
        assert done.code == 0, done.err
        assert b.fields() == before

    async with open_short(tmp_path) as b:
        before = b.fields()["webhook_uri"]
        async with altering(b.sandbox.api_url, without_fragments) as url:
            await warned(b, url)
        b.sandbox.change(webhook_uri=f"https://acme.example/{'x' * 900}")
        await warned(b, b.sandbox.api_url)
        b.sandbox.change(webhook_uri=before)
    seen("warns; restored by the record")
