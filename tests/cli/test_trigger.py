"""Made-up events from the command line, on each of their ways."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devhook import shipped
from devhook.core.http import CONTROL, first
from devhook.core.model import Json, Reading, Signature, Source
from devhook.core.signature import badge
from devhook.sandbox import Sandbox
from devhook.store.store import Store
from tests.endpoint import (
    Endpoint,
    answer,
    endpoint,
    read_head,
    read_request,
    speaking,
)
from tests.running import Line
from tests.terminal import Terminal
from tests.upbench import open_bench
from tests.values import capture

STORY = "inbound-call"


@pytest.fixture
async def app() -> AsyncIterator[Endpoint]:
    async with endpoint() as opened:
        yield opened


def data(body: bytes) -> dict[str, Json]:
    event = json.loads(body)
    assert isinstance(event["data"], dict)
    return event["data"]


def record(terminal: Terminal, body: bytes, reading: Reading) -> int:
    """As a session would have; the id of the event."""
    db = terminal.home / "devhook" / "data" / "default.db"
    with Store(db) as store, store.transaction():
        return store.add_event(1, capture(body, reading=reading), [])


# --- which event ---------------------------------------------------------------------


async def test_the_list_has_every_type_and_every_story(bare: Terminal) -> None:
    """Each with what it is; nothing needs an account."""
    listed = await bare("trigger", "--list")
    assert (listed.code, listed.err) == (0, "")
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert set(shipped.event_types()) <= set(names)
    assert f"--scenario {STORY:<23} 14 events in 8 s" in listed.out.splitlines()


async def test_the_list_is_objects_with_json(bare: Terminal) -> None:
    """One a line, so that a program can choose."""
    found = (await bare("trigger", "--list", "--json")).objects()
    stories = [one["name"] for one in found if one["type"] == "scenario"]
    types = [one["name"] for one in found if one["type"] == "event_type"]
    assert (stories, types) == (shipped.scenarios(), shipped.event_types())


@pytest.mark.parametrize(
    ("wish", "message", "hint"),
    [
        (("call_hangp",), "no event type 'call_hangp'", "call_hangup"),
        (("queue_created",), "never sends 'queue_created'", "--list"),
        (("--scenario", "inbound-cal"), "no scenario 'inbound-cal'", STORY),
        (("--from", "7"), "no event 7", "devhook up"),
        ((), "one of TYPE, --scenario NAME and --from ID", "--list"),
        (("call_hangup", "--scenario", STORY), "one of TYPE", "--list"),
        (("call_hangup", "--set", "data.statsu=1"), "'data.statsu'", "data.status"),
        (("call_hangup", "--unset", "data.statsu"), "'data.statsu'", "data.status"),
        (("call_hangup", "--set", "data.status"), "no PATH=VALUE", "--set"),
        (("call_hangup", "--to", "no target"), "is no target", "3000"),
        (("call_hangup", "--to", "169.254.169.254:80"), "refused", "application"),
    ],
    ids=lambda wish: " ".join(wish) if isinstance(wish, tuple) else "",
)
async def test_a_wish_that_cannot_be_met_is_named(
    bare: Terminal, app: Endpoint, wish: tuple[str, ...], message: str, hint: str
) -> None:
    """Exit 2, with what may have been meant; nothing is sent."""
    tried = await bare("trigger", "--to", str(app.port), *wish)
    code, said, hinted = tried.error()
    assert code == 2
    assert message in said
    assert hint in hinted
    assert app.requests == []


async def test_an_unknown_event_names_the_newest(bare: Terminal, app: Endpoint) -> None:
    """Of the profile's own database."""
    newest = record(bare, b"{}", Reading())
    tried = await bare("trigger", "--from", "99", "--to", str(app.port))
    code, said, hint = tried.error()
    assert (code, said) == (2, "there is no event 99")
    assert f"newest is {newest}" in hint


# --- to a URL ------------------------------------------------------------------------


async def test_a_url_needs_no_account(bare: Terminal, app: Endpoint) -> None:
    """The event is signed with the secret its fixture names."""
    done = await bare("trigger", "call_hangup", "--to", f"{app.port}/hook")
    assert (done.code, done.err) == (0, "")
    assert "==> call_hangup " in done.out
    assert f"{app.url}/hook: answered 200" in done.out
    assert app.requests[0].startswith(b"POST /hook HTTP/1.1\r\n")
    secret = shipped.event("call_hangup").meta.secret
    assert badge(app.headers(), app.bodies[0], secret) is Signature.OK
    assert first(app.headers(), CONTROL) is None


async def test_an_event_is_of_now_and_of_the_account(
    terminal: Terminal, sandbox: Sandbox, app: Endpoint
) -> None:
    """Fresh ids, its own, and its signature, though its sandbox is passed by."""
    for _ in range(2):
        done = await terminal("trigger", "call_hangup", "--to", str(app.port))
        assert done.code == 0
    one, other = map(data, app.bodies)
    assert one["customer_id"] == other["customer_id"] == sandbox.customer_id
    assert one["id"] != other["id"]
    assert badge(app.headers(0), app.bodies[0], sandbox.secret) is Signature.OK
    assert sandbox.deliveries == []


async def test_an_account_that_cannot_be_asked_stops_no_event_to_a_url(
    terminal: Terminal, app: Endpoint
) -> None:
    """On a train, say; but a warning says whose signature it is not."""
    done = await terminal(
        "trigger",
        "call_hangup",
        "--to",
        str(app.port),
        DEVHOOK_API_URL="http://127.0.0.1:9/v1.0",
    )
    assert done.code == 0
    assert done.err.startswith("warning: ")
    assert "the signature is not the account's" in done.err
    assert len(app.requests) == 1


async def test_values_are_changed_left_out_and_added(
    bare: Terminal, app: Endpoint
) -> None:
    """JSON if it parses, else a text; the signature follows the body."""
    flags = ["--set", "data.hangup_reason=busy", "--set", "data.status=[true]"]
    flags += ["--unset", "data.tm_update", "--add", "data.note.of=[1]"]
    done = await bare("trigger", "call_hangup", "--to", str(app.port), *flags)
    assert done.code == 0, done.err
    found = data(app.bodies[0])
    assert found["hangup_reason"] == "busy"
    assert "tm_update" not in found
    assert (found["status"], found["note"]) == ([True], {"of": [1]})
    secret = shipped.event("call_hangup").meta.secret
    assert badge(app.headers(), app.bodies[0], secret) is Signature.OK


async def test_a_story_is_told_in_its_order(bare: Terminal, app: Endpoint) -> None:
    """A line for each event; ids mean the same thing in all of them."""
    done = await bare(
        "trigger",
        "--scenario",
        STORY,
        "--speed",
        "1000",
        "--to",
        str(app.port),
        "--json",
    )
    assert done.code == 0
    told = [json.loads(e.body)["type"] for e in shipped.scenario(STORY).events]
    assert [json.loads(body)["type"] for body in app.bodies] == told
    assert [
        (one["type"], one["event_type"], one["to"], one["status"], one["error"])
        for one in done.objects()
    ] == [("triggered", event_type, f"{app.url}/", 200, None) for event_type in told]
    calls = {data(b)["id"] for b in app.bodies if b.startswith(b'{"type":"call_')}
    assert len(calls) == 1


async def test_a_recorded_event_is_a_template(bare: Terminal, app: Endpoint) -> None:
    """Its own values stay, its id is a fresh one."""
    old = "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"
    body = json.dumps({"type": "call_hangup", "data": {"id": old, "note": "mine"}})
    event_id = record(bare, body.encode(), Reading(event_type="call_hangup"))
    done = await bare("trigger", "--from", str(event_id), "--to", str(app.port))
    assert done.code == 0
    found = data(app.bodies[0])
    assert found["note"] == "mine"
    assert found["id"] != old


async def test_an_event_of_no_known_kind_is_a_template_too(
    bare: Terminal, app: Endpoint
) -> None:
    """Byte for byte, since there is nothing to change in it."""
    event_id = record(bare, b"\xff\x00", Reading())
    done = await bare("trigger", "--from", str(event_id), "--to", str(app.port))
    assert done.code == 0
    assert app.bodies == [b"\xff\x00"]


async def test_a_failing_handler_is_exit_5(bare: Terminal) -> None:
    """The rest of a story is sent all the same."""
    async with endpoint(answer(500)) as app:
        done = await bare(
            *("trigger", "--scenario", "sms-in", "--speed", "1000"),
            *("--to", str(app.port)),
        )
        assert len(app.requests) == 3
    assert done.code == 5
    assert done.out.count("answered 500") == 3


async def test_a_handler_that_is_down_is_exit_5(bare: Terminal) -> None:
    """With why, and no traceback."""
    done = await bare("trigger", "call_hangup", "--to", "9")
    assert "http://127.0.0.1:9/: connection refused" in done.out
    code, message, hint = done.error()
    assert (code, message) == (5, "1 of 1 events failed: connection refused")
    assert hint


async def test_secrets_of_a_url_are_masked(bare: Terminal, app: Endpoint) -> None:
    """On the line and in the object."""
    url = f"http://u:canary@127.0.0.1:{app.port}/hook?key=canary"
    for flags in ((), ("--json",)):
        done = await bare("trigger", "call_hangup", "--to", url, *flags)
        assert done.code == 0
        assert "canary" not in done.out + done.err
    assert app.requests[0].startswith(b"POST /hook?key=canary ")


# --- to the sandbox ------------------------------------------------------------------


async def test_an_event_walks_the_whole_way_of_a_sandbox(
    terminal: Terminal, sandbox: Sandbox, app: Endpoint
) -> None:
    """Delivered by the account's own setting, and signed by the sender."""
    sandbox.change(webhook_uri=f"{app.url}/voip", webhook_method="PUT")
    done = await terminal("trigger", "call_hangup", "--set", "data.status=busy")
    assert (done.code, done.err) == (0, "")
    (delivery,) = sandbox.deliveries
    assert data(delivery.body)["status"] == "busy"
    assert app.requests[0].startswith(b"PUT /voip HTTP/1.1\r\n")
    assert app.bodies == [delivery.body]
    assert badge(app.headers(), app.bodies[0], sandbox.secret) is Signature.OK
    assert "the sandbox: answered 200" in done.out


async def test_an_endpoint_that_fails_the_sandbox_is_exit_5(
    terminal: Terminal, sandbox: Sandbox
) -> None:
    """After the platform's three tries."""
    async with endpoint(answer(500)) as app:
        sandbox.change(webhook_uri=app.url)
        done = await terminal("trigger", "call_hangup")
        assert len(app.requests) == 3
    assert done.code == 5
    assert "the sandbox: answered 500" in done.out


# --- to a session --------------------------------------------------------------------


@asynccontextmanager
async def unmarked(sandbox: Sandbox) -> AsyncIterator[str]:
    """The sandbox's API as if it were the platform's: it does not say what it is."""
    port = int(sandbox.url.rpartition(":")[2])

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while request := await read_request(reader):
                far_writer.write(request)
                head = await read_head(far_reader)
                lines = head.split(b"\r\n")
                kept = [n for n in lines if not n.startswith(b"X-Devhook-Sandbox")]
                assert len(kept) < len(lines)
                length = next(n for n in lines if n.startswith(b"Content-Length: "))
                body = await far_reader.readexactly(int(length.split()[1]))
                writer.write(b"\r\n".join(kept) + body)
        finally:
            far_writer.close()

    async with speaking(pass_on) as gate:
        yield f"{gate.url}/v1.0"


async def test_an_event_goes_to_the_running_session_and_never_to_the_original(
    tmp_path: Path,
) -> None:
    """It is of source `trigger`, forwarded live, and has no other delivery."""
    async with open_bench(tmp_path) as b, unmarked(b.sandbox) as api_url:
        async with b.up(DEVHOOK_API_URL=api_url) as up:
            done = await b.terminal("trigger", "call_hangup", DEVHOOK_API_URL=api_url)
            session = up.ready["session"]
            shown: Line = await up.line("event", source=Source.TRIGGER)
            await up.line("attempt", kind="live", status=200)
            assert await up.end() == 0
        assert done.code == 0, done.err
        assert f"session {session}: answered 200" in done.out
        assert (shown["event_type"], shown["signature"]) == ("call_hangup", "ok")
        assert b.rows("select kind from deliveries") == [("live",)]
        assert len(b.app.requests) == 1
        assert first(b.app.headers(), CONTROL) is None
        assert b.original.requests == []
        assert b.sandbox.deliveries == []


async def test_with_nothing_running_there_is_nowhere_to_send_it(
    terminal: Terminal, sandbox: Sandbox
) -> None:
    """Exit 2, with both ways out of it."""
    async with unmarked(sandbox) as api_url:
        tried = await terminal("trigger", "call_hangup", DEVHOOK_API_URL=api_url)
    code, message, hint = tried.error()
    assert code == 2
    assert "no session of profile default is running" in message
    assert "devhook up 3000" in hint
    assert "--to 3000" in hint


async def test_without_an_account_and_a_url_the_credential_is_missing(
    bare: Terminal,
) -> None:
    """Exit 2: nobody knows where the event would go."""
    code, message, hint = (await bare("trigger", "call_hangup")).error()
    assert code == 2
    assert "no credential" in message
    assert "devhook profile add" in hint
