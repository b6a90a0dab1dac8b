"""C, the PUT: refused, lost, late, ignored, rewritten."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devhook.core.marker import is_marked, with_marker
from devhook.core.model import Stage
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.errors import Refused, TakeoverError
from devhook.provider.client import AccountClient
from devhook.system import SystemClock
from tests.matrix.machines import ROOT, machines, puts

Seen = Callable[[str], None]


async def goes_on(folder: Path, **fault: Any) -> None:
    """However wrong the PUT goes, the account is taken, and restored at the end."""
    async with machines(folder) as (a,):
        before = a.sandbox.account.fields()
        a.sandbox.fault(method="PUT", **fault)
        hold = await a.take()
        assert a.stage is Stage.ACTIVE
        assert a.sandbox.account.webhook_uri == a.record.mine
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
        assert puts(a.sandbox) == 2


async def gives_up(folder: Path, **fault: Any) -> None:
    """It is an error, and looked at until no PUT can be under way any more."""
    async with machines(folder) as (a,):
        before, hold = a.sandbox.account.fields(), a.hold()
        a.sandbox.fault(method="PUT", **fault)
        began = a.clock.monotonic()
        with pytest.raises(TakeoverError, match="does not show our webhook"):
            await a.take(hold)
        assert a.stage is Stage.PUT_SENT
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.clock.monotonic() - began >= 60
        assert a.sandbox.account.fields() == before
        assert puts(a.sandbox) == 1


@pytest.mark.case(49, "PUT refused (403)", "original; row closed; admin named")
async def test_49_a_refused_put_leaves_nothing_open(tmp_path: Path, seen: Seen) -> None:
    """A manager may read the account and not change it."""
    async with machines(tmp_path) as (a,):
        before = a.sandbox.account.fields()
        token = Credential(kind="token", value=a.sandbox.manager_token, source="test")
        async with AccountClient(a.sandbox.api_url, token, Network()) as client:
            with pytest.raises(Refused, match="needs an admin"):
                await replace(a, client=client).take()
        assert a.stage is Stage.RESTORED
        assert a.sandbox.account.fields() == before
    seen("original, row closed, 'needs an admin'")


@pytest.mark.case(50, "PUT answered 400 though applied", "GET decides; original")
async def test_50_a_400_is_no_proof(tmp_path: Path, seen: Seen) -> None:
    """The public source answers so when it wrote, and then failed to read back."""
    await goes_on(tmp_path, status=400, applies=True)
    seen("active by the GET, original at the end")


@pytest.mark.case(51, "PUT answered 500, 502, 504, applied", "goes on by the GET")
async def test_51_an_error_is_no_proof(tmp_path: Path, seen: Seen) -> None:
    """Whether a gateway or the API itself says so."""
    for status in (500, 502, 504):
        await goes_on(tmp_path / str(status), status=status, applies=True)
    seen("active by the GET, original at the end")


@pytest.mark.case(52, "PUT answered 500, not applied", "original; error")
async def test_52_an_error_that_changed_nothing_is_one(
    tmp_path: Path, seen: Seen
) -> None:
    """After ten seconds of looking."""
    await gives_up(tmp_path, status=500)
    seen("error, original, one PUT")


@pytest.mark.case(53, "PUT reply lost; applied or not", "as the GETs show")
async def test_53_a_lost_reply_is_judged_by_what_shows(
    tmp_path: Path, seen: Seen
) -> None:
    """Nobody knows from the silence alone."""
    await goes_on(tmp_path / "applied", drop=True)
    await gives_up(tmp_path / "not", drop=True, applies=False)
    seen("applied: active; not applied: error; original")


@pytest.mark.slow
@pytest.mark.case(53, "PUT reply lost; applied 1 s later", "active; original")
async def test_53_a_lost_reply_of_a_late_put(tmp_path: Path, seen: Seen) -> None:
    """By a real clock; and given up meanwhile it is undone when it arrives."""
    clock = SystemClock()
    async with machines(tmp_path / "waited", clock=clock) as (a,):
        before = a.sandbox.account.fields()
        a.sandbox.fault(method="PUT", drop=True, apply_after=1.0)
        assert (await (await a.take()).end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
    async with machines(tmp_path / "gone", clock=clock) as (a,):
        before, hold = a.sandbox.account.fields(), a.hold()
        a.sandbox.fault(method="PUT", hang=True, apply_after=2.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await a.take(hold)
        assert a.stage is Stage.PUT_SENT
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
    seen("waited for: active; given up: undone when it arrived")


@pytest.mark.case(54, "GET shows the old value for a while", "waits, then active")
async def test_54_a_stale_read_is_waited_out(tmp_path: Path, seen: Seen) -> None:
    """A replica that lags: five seconds, by a clock that skips them."""
    async with machines(tmp_path) as (a,):
        account, began = await a.client.get(), a.clock.monotonic()
        a.sandbox.fault(method="GET", stale=True, skip=2, times=7)
        hold = await a.take(as_read=account)
        assert a.clock.monotonic() - began >= 5
        assert a.stage is Stage.ACTIVE
        assert (await hold.end()).ending is Ending.RESTORED
    seen("active once it showed")


@pytest.mark.case(55, "PUT answered 200, never shown", "error; watched for the bound")
async def test_55_a_put_that_never_shows(tmp_path: Path, seen: Seen) -> None:
    """Accepted is not applied."""
    await gives_up(tmp_path, applies=False)
    seen("error after 10 s, watched for 60 s, original")


@pytest.mark.case(59, "API resets other fields", "all seven put back at once; stops")
async def test_59_lost_fields_are_put_back(tmp_path: Path, seen: Seen) -> None:
    """An API that keeps our URI and blanks an e-mail must not go unnoticed."""
    async with machines(tmp_path) as (a,):
        before, hold = a.sandbox.account.fields(), a.hold()
        a.sandbox.fault(method="PUT", stored={"email": "", "address": ""})
        with pytest.raises(TakeoverError, match="other fields"):
            await a.take(hold)
        assert a.sandbox.account.fields() == before
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
        assert puts(a.sandbox) == 2
    seen("all seven as before, by one more PUT; error")


@pytest.mark.case(59, "API always blanks a field", "original; error")
async def test_59_what_cannot_be_put_back_is_said(tmp_path: Path, seen: Seen) -> None:
    """At least the webhook is as before; the rest is named."""
    async with machines(tmp_path) as (a,):
        before, hold = a.sandbox.account.fields(), a.hold()
        a.sandbox.fault(method="PUT", stored={"email": ""}, times=None)
        with pytest.raises(TakeoverError, match="other fields") as caught:
            await a.take(hold)
        assert "compare them in the console" in str(caught.value.hint)
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before | {"email": ""}
        assert puts(a.sandbox) == 2
    seen("webhook as before, the loss told, no loop")


@pytest.mark.case(59, "API ignores the method", "goes on; original")
async def test_59_another_method_harms_nobody(tmp_path: Path, seen: Seen) -> None:
    """Events are recorded by whatever method they come."""
    await goes_on(tmp_path, stored={"webhook_method": ROOT.method})
    seen("goes on, original at the end")


# --- the form of the URI -------------------------------------------------------------


@pytest.mark.case(57, "server strips the fragment", "runs without marker")
async def test_57_a_stripped_fragment_is_recorded_as_it_shows(
    tmp_path: Path, seen: Seen
) -> None:
    """What the account keeps is what is compared with."""
    async with machines(tmp_path) as (a,):
        before = a.sandbox.account.fields()
        a.sandbox.fault(method="PUT", strip_fragment=True)
        hold = await a.take()
        assert a.record.mine == a.sandbox.account.webhook_uri == a.uri
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
    seen("runs without marker, original at the end")


@pytest.mark.case(57, "fragment stripped unseen, run killed", "original")
async def test_57_a_fragment_cut_off_unseen_is_still_ours(
    tmp_path: Path, seen: Seen
) -> None:
    """No read-back came through; the path secret alone shows whose it is."""
    async with machines(tmp_path) as (a,):
        before, account = a.sandbox.account.fields(), await a.client.get()
        a.sandbox.fault(method="PUT", strip_fragment=True)
        a.sandbox.fault(method="GET", status=503, skip=2, times=None)
        with pytest.raises(TakeoverError):
            await a.take(as_read=account)
        a.sandbox.clear_faults()
        assert a.sandbox.account.webhook_uri == a.uri
        assert is_marked(a.record.mine)
        assert (await a.recover()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
    seen("known by its path secret, original")


@pytest.mark.case(58, "URI and marker over 1023 characters", "without marker")
async def test_58_a_marker_that_does_not_fit_is_left_off(
    tmp_path: Path, seen: Seen
) -> None:
    """The record alone knows the root then."""
    root = replace(ROOT, uri=f"https://acme.example/{'x' * 900}")
    async with machines(tmp_path, root=root) as (a,):
        assert with_marker(a.uri, root) == a.uri
        hold = await a.take()
        assert a.sandbox.account.webhook_uri == a.uri
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.webhook_uri == root.uri
    seen("runs without marker, original at the end")
