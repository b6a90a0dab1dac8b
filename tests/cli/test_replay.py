"""`devhook replay` as it is typed: selection, targets, output, exit codes."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from devhook.core.model import Kind, Signature
from devhook.core.signature import badge
from devhook.sandbox import Sandbox
from tests.endpoint import (
    Endpoint,
    answer,
    endpoint,
    read_request,
    speaking,
)
from tests.replayed import Past, hangup
from tests.terminal import Terminal


@pytest.fixture
def past(bare: Terminal) -> Past:
    return Past(bare.home / "devhook" / "data" / "default.db")


@pytest.fixture
async def app() -> AsyncIterator[Endpoint]:
    async with endpoint() as opened:
        yield opened


# --- which events --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "numbers"),
    [
        ("3", [3]),
        ("4 2", [4, 2]),
        ("2..4", [2, 3, 4]),
        ("5 1..2 5", [5, 1, 2, 5]),
        ("--last 2", [4, 5]),
        ("2..5 --last 2 --type call_*", [4, 5]),
        ("--where data.id~3$", [3]),
        ("--type message_*", []),
    ],
)
async def test_events_are_chosen_by_id_range_and_filter(
    bare: Terminal, past: Past, app: Endpoint, wishes: str, numbers: list[int]
) -> None:
    """As they were named, or in the order of their ids where a filter chose them."""
    for number in range(1, 6):
        assert past.event(hangup(number)) == number
    done = await bare("replay", *wishes.split(), "--to", str(app.port), "--json", "-q")
    assert done.code == 0
    assert app.bodies == [hangup(number) for number in numbers]
    *attempts, summary = done.objects()
    assert [one["event"] for one in attempts] == numbers
    sent = len(numbers)
    assert summary == {"type": "summary", "sent": sent, "ok": sent, "failed": 0}


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        ("", "nothing was chosen", "devhook replay 412"),
        ("--to 9", "nothing was chosen", "--last"),
        ("7", "there is no event 7", "newest is 1"),
        ("5..7", "there is no event", "newest is 1"),
        ("1 7", "there is no event 7", "newest is 1"),
        ("x", "'x' is no event id or range", "412"),
        ("3..1", "empty range", "1..3"),
        ("1", "never forwarded", "--to 3000"),
        ("1 --to http://169.254.169.254/", "refused as a target", "address"),
        ("1 --to http://[fe80::1]/", "refused as a target", "address"),
        (
            "1 --to 9 --set data.hangup_reasn=1",
            "event 1",
            "hangup_reason",
        ),
        ("1 --to 9 --unset data.x", "there is no 'data.x'", "--add"),
        ("1 --to 9 --set data.x", "no PATH=VALUE", "--set"),
        ("1 --to 9 --secret x", "signs nothing", "--resign"),
        ("1 --to 9 --resign", "no credential", "devhook profile add"),
        ("1 --to 9 --rate fast", "'fast' is no rate", "5/s"),
        ("1 --to 9 --timeout soon", "'soon' is no duration", "30s"),
        ("--where a=1 --to 9", "does not parse", "data.status"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_exit_2(
    bare: Terminal, past: Past, args: str, message: str, hint: str
) -> None:
    """One line that says what, one with what to type; nothing was sent or added."""
    event = past.event(hangup())
    code, said, hinted = (await bare("replay", *args.split())).error()
    assert code == 2
    assert message in said
    assert hint in hinted
    assert past.deliveries(event) == []


async def test_a_profile_without_events_says_so(bare: Terminal, past: Past) -> None:
    """And makes no database for it."""
    code, message, hint = (await bare("replay", "1")).error()
    assert (code, "devhook up 3000" in hint) == (2, True)
    assert "nothing is recorded" in message
    assert not past.db.exists()


# --- where to ------------------------------------------------------------------------


async def test_an_event_goes_where_it_went_before(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """The latest target counts, not the mirror's or an earlier replay's."""
    past.event(target=f"{app.url}/first")
    assert (await bare("replay", "1", "--to", f"{app.port}/named")).code == 0
    assert (await bare("replay", "1")).code == 0
    paths = [request.split(b" ")[1] for request in app.requests]
    assert paths == [b"/named", b"/first"]


async def test_an_event_that_went_nowhere_goes_to_the_projects_target(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """Which the project file, or the profile, names."""
    past.event()
    project = bare.folder / ".devhook.toml"
    project.write_text(f'target = "{app.port}/from-the-project"\n')
    assert (await bare("replay", "1")).code == 0
    assert app.requests[0].startswith(b"POST /from-the-project ")


async def test_a_redirect_is_not_followed(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """Naming a target is permission to send there, and nowhere else."""
    past.event()
    moved = answer(307, b"", f"Location: {app.url}/")
    async with endpoint(moved) as target:
        done = await bare("replay", "1", "--to", str(target.port))
    assert done.code == 5
    assert app.connections == 0


# --- what is sent --------------------------------------------------------------------


async def test_a_body_is_edited_and_signed_with_the_accounts_secret(
    terminal: Terminal, sandbox: Sandbox, app: Endpoint
) -> None:
    """Fetched when it is needed; its value is in no output and no file."""
    past = Past(terminal.home / "devhook" / "data" / "default.db")
    past.event(hangup())
    done = await terminal(
        *("replay", "1", "--to", str(app.port), "--resign"),
        *("--set", "data.hangup_reason=busy", "--add", "data.duration=3.5"),
        *("--unset", "data.id", "--json"),
    )
    assert done.code == 0, done.err
    assert json.loads(app.bodies[0]) == {
        "type": "call_hangup",
        "data": {"hangup_reason": "busy", "duration": 3.5},
    }
    assert badge(app.headers(), app.bodies[0], sandbox.secret) is Signature.OK
    assert sandbox.secret not in done.out + done.err
    for path in past.db.parent.iterdir():
        assert sandbox.secret.encode() not in path.read_bytes()


async def test_a_secret_of_ones_own_needs_no_account(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """From a file, so that it is not in the process list."""
    past.event()
    (bare.folder / "secret").write_text("my-own-secret\n")
    flags = ("--resign", "--secret", "@secret")
    done = await bare("replay", "1", "--to", str(app.port), *flags)
    assert (done.code, "warning" in done.err) == (0, False)
    assert badge(app.headers(), app.bodies[0], "my-own-secret") is Signature.OK


async def test_a_dry_run_sends_and_keeps_nothing(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """It shows what would go where, changes included, without asking the account."""
    past.event(hangup(reason="normal"))
    flags = ("--dry-run", "--resign", "--set", "data.hangup_reason=busy")
    done = await bare("replay", "1", "--to", f"{app.port}/x?key=canary", *flags)
    assert done.code == 0
    (line,) = done.out.splitlines()
    assert line.startswith("would send #1 call_hangup ")
    assert "busy" in line
    assert line.endswith(f"->  {app.url}/x?key=***")
    objects = await bare("replay", "1", "--to", str(app.port), *flags, "--json")
    assert objects.objects() == [
        {
            "type": "planned",
            "event": 1,
            "event_type": "call_hangup",
            "method": "POST",
            "target": f"{app.url}/",
            "edits": {"set": {"data.hangup_reason": "busy"}, "resign": True},
        }
    ]
    assert app.connections == 0
    assert past.deliveries(1) == []
    assert [source for source, _, _ in past.sessions()] == ["up"]


# --- what is said of it --------------------------------------------------------------


async def test_each_event_is_two_arrows_and_all_of_them_a_sum(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """Results on stdout, the sum on stderr."""
    past.events(2)
    done = await bare("replay", "1..2", "--to", str(app.port))
    there, back, *_ = done.out.splitlines()
    assert len(done.out.splitlines()) == 4
    assert " --> #1 call_hangup " in there
    assert " <-- #1 replay 200 " in back
    assert done.err == "2 sent, 2 ok, 0 failed.\n"


async def test_with_json_every_attempt_is_an_object(
    bare: Terminal, past: Past, app: Endpoint
) -> None:
    """With the fields that `up` gives it, secrets of the target masked."""
    past.event()
    url = f"http://u:canary@127.0.0.1:{app.port}/?key=canary"
    done = await bare("replay", "1", "--to", url, "--json")
    attempt, summary = done.objects()
    (delivery,) = past.deliveries(1)
    assert attempt.pop("duration_ms") > 0
    assert attempt == {
        "type": "attempt",
        "event": 1,
        "delivery": delivery.id,
        "target": f"http://***@127.0.0.1:{app.port}/?key=***",
        "kind": Kind.REPLAY,
        "status": 200,
        "error": None,
        "verdict": "ok",
    }
    assert summary == {"type": "summary", "sent": 1, "ok": 1, "failed": 0}
    assert "canary" not in done.out + done.err


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_an_application_that_fails_is_exit_5(
    bare: Terminal, past: Past, status: int
) -> None:
    """The rest is sent all the same; the hint names the first that failed."""
    past.events(3)

    def script(request: bytes) -> bytes:
        return answer(status if request.endswith(hangup(1)) else 200)

    async with endpoint(script) as app:
        done = await bare("replay", "1..3", "--to", str(app.port), "--json")
        assert len(app.requests) == 3
    code, message, hint = done.error()
    assert (code, hint) == (5, "devhook show 2")
    assert message == "the application failed on 1 of 3 events"
    *_, summary, error = done.objects()
    assert summary == {"type": "summary", "sent": 3, "ok": 2, "failed": 1}
    assert (error["type"], error["code"]) == ("error", 5)


async def test_an_application_that_is_down_is_exit_5(
    bare: Terminal, past: Past
) -> None:
    """An attempt like any other, and a row."""
    past.event()
    done = await bare("replay", "1", "--to", "9")
    assert done.code == 5
    assert "connection refused" in done.out
    assert past.statuses(1) == [None]


async def test_an_application_that_is_silent_is_given_up(
    bare: Terminal, past: Past
) -> None:
    """After --timeout."""
    past.event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with speaking(speak) as app:
        flags = ("--to", str(app.port), "--timeout", "50ms")
        done = await bare("replay", "1", *flags)
    assert done.code == 5
    assert "no whole answer within 0.05 s" in done.out


async def test_ctrl_c_ends_it_with_130(bare: Terminal, past: Past) -> None:
    """The sum tells how far it came; the session's row says that it was interrupted."""
    ids = past.events(3)
    reached = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(200))
        await read_request(reader)
        reached.set()
        await reader.read()

    async with speaking(speak) as app:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "devhook", "replay", "1..3", "--to", str(app.port), "--json", "-q"),
            stdout=asyncio.subprocess.PIPE,
            env=bare.environ,
            cwd=bare.folder,
        )
        await reached.wait()
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 130
    attempt, summary = map(json.loads, out.splitlines())
    assert attempt["event"] == ids[0]
    assert summary == {"type": "summary", "sent": 1, "ok": 1, "failed": 0}
    assert past.sessions()[1][2] == "interrupted"
    assert past.deliveries(ids[2]) == []


async def test_a_reader_that_leaves_ends_it(bare: Terminal, past: Past) -> None:
    """`| head -1` has seen enough: no traceback, and no more is sent."""
    past.events(50)
    gone = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await gone.wait()
        writer.write(answer(200))
        while await read_request(reader):
            writer.write(answer(200))

    async with speaking(speak) as app:
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -u -m devhook replay 1..50 --to {app.port} | head -1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=bare.environ,
            cwd=bare.folder,
        )
        gone.set()
        out, err = await process.communicate()
    assert len(out.splitlines()) == 1
    assert b"Traceback" not in err
