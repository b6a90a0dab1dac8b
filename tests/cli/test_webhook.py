"""`devhook webhook` against the sandbox: the two-field PUT, made safe."""

import pytest

from devhook.core.marker import with_marker
from devhook.core.model import Setting
from devhook.sandbox import Sandbox
from devhook.store.lock import account_lock
from devhook.system import is_alive, this_process
from tests.cli.conftest import MASKED, ORIGINAL
from tests.terminal import Terminal

NEW = "https://new.example/events"


def methods(sandbox: Sandbox) -> list[str]:
    return [request.method for request in sandbox.requests]


async def test_show_prints_method_and_masked_uri(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """User info and query values are secrets."""
    shown = await terminal("webhook", "show")
    assert (shown.code, shown.out, shown.err) == (0, f"PUT {MASKED}\n", "")
    assert methods(sandbox) == ["GET"]


async def test_show_masks_in_json_too(sandbox: Sandbox, terminal: Terminal) -> None:
    """One object on stdout; the option may stand last."""
    shown = await terminal("webhook", "show", "--json")
    assert shown.objects() == [
        {
            "type": "webhook",
            "account": sandbox.customer_id,
            "webhook_uri": MASKED,
            "webhook_method": "PUT",
            "is_devhook": False,
        }
    ]


async def test_an_empty_webhook_prints_no_data(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """A script can tell by the empty line-up; a human is told."""
    sandbox.change(webhook_uri="", webhook_method="")
    shown = await terminal("webhook", "show")
    assert (shown.code, shown.out) == (0, "")
    assert "no webhook" in shown.err


async def test_control_characters_of_an_account_stay_off_the_terminal(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Anybody with an admin token may have put them there."""
    sandbox.change(
        webhook_uri="https://x.example/\x1b]0;owned\x07", webhook_method="P\r"
    )
    shown = await terminal("webhook", "show")
    assert shown.out == "P\\x0d https://x.example/\\x1b]0;owned\\x07\n"


async def test_set_changes_two_fields_and_nothing_else(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """The quickstart's own PUT blanks the other five."""
    before = sandbox.account.fields()
    done = await terminal("webhook", "set", NEW, "--yes")
    assert done.code == 0
    assert sandbox.account.fields() == before | {
        "webhook_uri": NEW,
        "webhook_method": "POST",
    }


async def test_set_takes_a_method(sandbox: Sandbox, terminal: Terminal) -> None:
    """One of the four that the API knows."""
    await terminal("webhook", "set", NEW, "--method", "DELETE", "--yes")
    assert sandbox.account.webhook_method == "DELETE"


async def test_clear_empties_the_uri_alone(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """The quickstart's way to stop events."""
    before = sandbox.account.fields()
    done = await terminal("webhook", "clear", "--yes", "--json")
    assert sandbox.account.fields() == before | {"webhook_uri": ""}
    assert done.objects()[0]["webhook_uri"] == ""


async def test_setting_what_is_set_sends_no_put(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """There is nothing to change."""
    done = await terminal("webhook", "set", ORIGINAL, "--method", "PUT", "--yes")
    assert done.code == 0
    assert "PUT" not in methods(sandbox)


async def test_without_a_terminal_yes_is_needed(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 2, and not one request."""
    code, message, hint = (await terminal("webhook", "set", NEW)).error()
    assert (code, hint) == (2, "add --yes")
    assert "without a terminal" in message
    assert sandbox.requests == []


async def test_at_a_terminal_the_change_is_shown_and_no_is_the_default(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Old and new, masked; the account stays as it is."""
    before = sandbox.account.fields()
    done = await terminal.attended(
        "webhook", "set", NEW, answers=[("Change the account's webhook?", "")]
    )
    assert done.code == 2
    assert f"PUT {MASKED} -> POST {NEW}" in done.out
    assert sandbox.account.fields() == before


async def test_at_a_terminal_yes_changes_it(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """A typed y is enough."""
    done = await terminal.attended(
        "webhook", "set", NEW, answers=[("Change the account's webhook?", "y")]
    )
    assert done.code == 0
    assert sandbox.account.webhook_uri == NEW


async def test_an_empty_original_is_not_asked_about(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """There is nothing to lose."""
    sandbox.change(webhook_uri="")
    done = await terminal.attended("webhook", "set", NEW, answers=[])
    assert done.code == 0
    assert sandbox.account.webhook_uri == NEW


async def test_a_change_during_the_question_is_respected(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 3, and a colleague's value stays."""
    sandbox.fault(method="GET", stale=True)
    sandbox.change(webhook_uri="https://colleague.example")
    code, message, _ = (await terminal("webhook", "set", NEW, "--yes")).error()
    assert code == 3
    assert "nothing was sent" in message
    assert sandbox.account.webhook_uri == "https://colleague.example"


async def test_a_stale_reading_after_the_put_is_waited_for(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """GETs alone decide, and they may lag."""
    sandbox.fault(method="GET", skip=2, times=2, stale=True)
    done = await terminal("webhook", "set", NEW, "--yes")
    assert done.code == 0
    assert sandbox.account.webhook_uri == NEW


async def test_a_put_without_an_answer_is_judged_by_reading(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """It was carried out, so all is well."""
    sandbox.fault(method="PUT", drop=True, applies=True)
    done = await terminal("webhook", "set", NEW, "--yes")
    assert done.code == 0
    assert methods(sandbox).count("PUT") == 1


async def test_a_put_that_was_not_carried_out_is_said(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 7, and it is not sent again."""
    sandbox.fault(method="PUT", status=503)
    code, message, _ = (await terminal("webhook", "set", NEW, "--yes")).error()
    assert code == 7
    assert "503" in message
    assert methods(sandbox).count("PUT") == 1


async def test_a_field_that_came_back_different_is_named(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """All seven are compared."""
    sandbox.fault(method="PUT", stored={"email": ""})
    code, message, _ = (await terminal("webhook", "set", NEW, "--yes")).error()
    assert (code, "another email" in message) == (3, True)


async def test_an_account_held_by_another_devhook_is_left_alone(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Its lock is by account, whatever the profile."""
    state = terminal.home / "devhook" / "state"
    with account_lock(
        state,
        sandbox.api_url,
        sandbox.customer_id,
        process=this_process(),
        alive=is_alive,
    ):
        code, message, _ = (await terminal("webhook", "set", NEW, "--yes")).error()
    assert code == 3
    assert "another devhook holds this account (process" in message
    assert "PUT" not in methods(sandbox)


@pytest.mark.parametrize("args", [("set", NEW), ("clear",)])
async def test_the_setting_of_a_session_is_for_restore(
    sandbox: Sandbox, terminal: Terminal, args: tuple[str, ...]
) -> None:
    """Else the original it carries would be lost."""
    marked = with_marker("https://t.example/x", Setting(uri=ORIGINAL, method="POST"))
    sandbox.change(webhook_uri=marked)
    code, message, hint = (await terminal("webhook", *args, "--yes")).error()
    assert code == 3
    assert "devhook session" in message
    assert "devhook restore" in hint
    assert sandbox.account.webhook_uri == marked


async def test_show_tells_of_a_session(sandbox: Sandbox, terminal: Terminal) -> None:
    """And masks the marker, which carries the original."""
    marked = with_marker("https://t.example/x", Setting(uri=ORIGINAL, method="POST"))
    sandbox.change(webhook_uri=marked, webhook_method="POST")
    shown = await terminal("webhook", "show")
    assert shown.out == "POST https://t.example/x#***\n"
    assert "devhook restore" in shown.err


@pytest.mark.parametrize(
    "uri",
    [
        "new.example",
        "ftp://new.example",
        "https://",
        "https://new.example/a b",
        "https://new.example:0",
        "https://new.example/\u202e",
        "https://new.example/" + "x" * 1024,
        "https://new.example/#devhook=1.e30",
    ],
)
async def test_what_is_no_endpoint_is_refused_before_any_request(
    sandbox: Sandbox, terminal: Terminal, uri: str
) -> None:
    """The API itself would store anything."""
    code, message, _ = (await terminal("webhook", "set", uri, "--yes")).error()
    assert code == 2
    assert "the URI is" in message
    assert sandbox.requests == []


async def test_a_manager_cannot_set_and_is_told_so(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 6, the account as before."""
    before = sandbox.account.fields()
    done = await terminal(
        "webhook",
        "set",
        NEW,
        "--yes",
        DEVHOOK_ACCESS_KEY="",
        DEVHOOK_TOKEN=sandbox.manager_token,
    )
    code, message, _ = done.error()
    assert (code, "needs an admin" in message) == (6, True)
    assert sandbox.account.fields() == before
