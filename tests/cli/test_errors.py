"""What a user meets when something is wrong: one line, one hint, one exit code."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from devhook.sandbox import Sandbox
from devhook.system import SystemClock, new_id
from tests.proxy import open_proxy
from tests.terminal import ROOT, Terminal

HOST = "api.devhook.test"

# Of the standard library, what help can do without.
HEAVY = {
    "asyncio",
    "http.client",
    "importlib.metadata",
    "json",
    "logging",
    "socket",
    "sqlite3",
    "ssl",
    "tomllib",
}


def test_help_imports_click_alone() -> None:
    """It is what everybody types first."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from devhook.cli import main; main(['--help'])\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stderr.split())
    packages = {name.partition(".")[0] for name in imported}
    assert packages - sys.stdlib_module_names == {"click", "devhook"}
    assert not HEAVY & imported


async def test_without_a_command_there_is_help(bare: Terminal) -> None:
    """On stdout, exit 0."""
    done = await bare()
    assert (done.code, done.err) == (0, "")
    assert "Commands:" in done.out


async def test_the_version_is_one_line(bare: Terminal) -> None:
    """Name and number."""
    assert (await bare("--version")).out.startswith("devhook ")


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (["webhok"], "devhook has no command 'webhok'", "devhook webhook"),
        (
            ["secret", "shw"],
            "devhook secret has no command 'shw'",
            "devhook secret show",
        ),
        (["zzz"], "devhook has no command 'zzz'", "devhook --help"),
        (["webhook", "show", "--jsn"], "No such option '--jsn'", "did you mean --json"),
        (["webhook", "set"], "Missing argument 'URI'", "devhook webhook set --help"),
        (
            ["webhook", "show", "x"],
            "Got unexpected extra argument (x)",
            "devhook webhook show --help",
        ),
        (
            ["completion", "sh"],
            "Invalid value for '{bash|zsh|fish}': "
            "'sh' is not one of 'bash', 'zsh', 'fish'",
            "devhook completion --help",
        ),
        (["--json"], "Missing command", "devhook --help"),
    ],
)
async def test_a_slip_of_the_keyboard_is_one_line_and_one_hint(
    bare: Terminal, args: list[str], message: str, hint: str
) -> None:
    """Exit 2, on stderr."""
    done = await bare(*args)
    assert done.error() == (2, message, hint)
    assert len(done.err.splitlines()) == 2


async def test_with_json_an_error_is_an_object_too(bare: Terminal) -> None:
    """Beside the text; -q leaves the object alone."""
    done = await bare("webhook", "show", "--json")
    (error,) = done.objects()
    assert list(error) == ["type", "code", "message", "hint"]
    assert (error["type"], error["code"]) == ("error", 2)
    assert done.error() == (2, error["message"], error["hint"])
    quiet = await bare("webhook", "show", "--json", "-q")
    assert (quiet.out, quiet.err) == (done.out, "")


@pytest.mark.parametrize(
    "args",
    [
        ["--json", "webhook", "show"],
        ["webhook", "--json", "show"],
        ["webhook", "show", "--json"],
    ],
)
async def test_global_options_stand_anywhere(
    sandbox: Sandbox, terminal: Terminal, args: list[str]
) -> None:
    """Before the command, between, and after it."""
    assert (await terminal(*args)).objects()[0]["account"] == sandbox.customer_id


async def test_global_options_come_from_the_environment(terminal: Terminal) -> None:
    """`DEVHOOK_<FLAG>`; those of a command as `DEVHOOK_<COMMAND>_<FLAG>`."""
    shown = await terminal("webhook", "show", DEVHOOK_JSON="1")
    assert shown.objects()[0]["type"] == "webhook"
    changed = await terminal(
        "webhook", "set", "https://new.example",
        DEVHOOK_WEBHOOK_SET_YES="1", DEVHOOK_WEBHOOK_SET_METHOD="DELETE",
    )  # fmt: skip
    assert "DELETE https://new.example" in changed.err


async def test_a_typed_flag_beats_the_environment(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Wherever it stands."""
    done = await terminal(
        "webhook", "show", "--api-url", sandbox.api_url,
        DEVHOOK_API_URL="http://127.0.0.1:1/v1.0",
    )  # fmt: skip
    assert done.code == 0


async def test_a_credential_on_the_command_line_is_warned_of(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """It works; the warning does not show it."""
    done = await terminal("webhook", "show", "--access-key", sandbox.access_key, "-q")
    assert done.code == 0
    assert "process list" in done.err
    assert sandbox.access_key not in done.err


async def test_a_bad_credential_is_refused(terminal: Terminal) -> None:
    """Exit 6; its source is named, it is not."""
    done = await terminal("webhook", "show", DEVHOOK_ACCESS_KEY="vb_canary")
    code, message, _ = done.error()
    assert (code, "DEVHOOK_ACCESS_KEY" in message) == (6, True)
    assert "canary" not in done.out + done.err


async def test_an_agent_that_is_no_admin_is_refused(
    sandbox: Sandbox, bare: Terminal
) -> None:
    """Exit 6, with what is needed."""
    done = await bare(
        "webhook", "show", "--token", "-", "--api-url", sandbox.api_url,
        stdin=sandbox.agent_token,
    )  # fmt: skip
    code, message, hint = done.error()
    assert (code, "needs an admin" in message) == (6, True)
    assert "access key" in hint


async def test_no_credential_is_a_configuration_error(bare: Terminal) -> None:
    """Exit 2, with the command that makes a profile."""
    code, message, hint = (await bare("webhook", "show")).error()
    assert (code, "no credential" in message) == (2, True)
    assert "devhook profile add" in hint


async def test_an_api_that_is_not_there_is_unreachable(terminal: Terminal) -> None:
    """Exit 7, naming the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1.0"
    done = await terminal("webhook", "show", "--api-url", url)
    assert done.error()[:2] == (
        7,
        f"{url}/customer cannot be reached: Connection refused",
    )


async def test_html_in_place_of_json_is_unreachable(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 7: a portal of a hotel, say."""
    sandbox.fault(status=200, body="<html>welcome</html>", times=None)
    done = await terminal("webhook", "set", "https://new.example", "--yes")
    code, message, _ = done.error()
    assert (code, "something else than its JSON" in message) == (7, True)
    assert "PUT" not in [request.method for request in sandbox.requests]


async def test_a_malformed_file_is_named_with_its_line(bare: Terminal) -> None:
    """Exit 2, and not a word of its content."""
    file = bare.home / "devhook" / "config.toml"
    file.parent.mkdir()
    file.write_text('[profiles.x]\naccess_key = "canary\n')
    done = await bare("webhook", "show")
    code, message, _ = done.error()
    assert (code, message.startswith(f"{file}, line 2:")) == (2, True)
    assert "canary" not in done.err


async def test_a_cloned_repository_cannot_redirect_credentials(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 2 before any request, naming file and key."""
    file = terminal.folder / ".devhook.toml"
    file.write_text(f'api_url = "{sandbox.api_url}"\n')
    code, message, hint = (await terminal("webhook", "show")).error()
    assert (code, message) == (2, f"{file}: a project file must not set api_url")
    assert "take api_url out" in hint
    assert sandbox.requests == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Sandbox]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    async with Sandbox.open(
        clock=SystemClock(), new_id=new_id, ssl_context=context
    ) as opened:
        yield opened


@pytest.fixture
def company(tmp_path: Path, secure: Sandbox) -> Terminal:
    """A company laptop whose platform has a certificate of its own making."""
    return Terminal(
        tmp_path, DEVHOOK_API_URL=secure.api_url, DEVHOOK_ACCESS_KEY=secure.access_key
    )


async def test_a_certificate_of_unknown_origin_is_not_trusted(
    secure: Sandbox, company: Terminal
) -> None:
    """Exit 7; the hint says how to trust it."""
    code, message, hint = (await company("webhook", "show")).error()
    assert (code, "certificate is not trusted" in message) == (7, True)
    assert "--ca-file" in hint
    assert secure.requests == []


async def test_a_ca_file_or_insecure_lets_it_through(
    company: Terminal, authority: trustme.CA
) -> None:
    """As flags and, for the system's own variable, SSL_CERT_FILE."""
    file = company.home / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    assert (await company("webhook", "show", "--ca-file", str(file))).code == 0
    assert (await company("webhook", "show", "--insecure")).code == 0
    assert (await company("webhook", "show", SSL_CERT_FILE=str(file))).code == 0


async def test_a_proxy_is_used_and_its_password_kept(
    secure: Sandbox, company: Terminal, authority: trustme.CA
) -> None:
    """`HTTPS_PROXY` with user info: it works, and it is in no output."""
    file = company.home / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    environ = {"DEVHOOK_API_URL": f"https://{HOST}/v1.0", "DEVHOOK_CA_FILE": str(file)}
    port = urlsplit(secure.url).port or 0
    async with open_proxy(port, password="user:canary") as proxy:
        environ["HTTPS_PROXY"] = proxy.url
        done = await company("webhook", "show", "-vv", **environ)
        assert done.code == 0, done.err
        assert proxy.asked == [f"CONNECT {HOST}:443"]
        exempt = await company("webhook", "show", **environ, NO_PROXY=".test")
        assert "no host" in exempt.error()[1]
    gone = await company("webhook", "show", **environ)
    assert gone.error()[0] == 7
    assert "canary" not in done.err + done.out + gone.err


async def test_ctrl_c_before_anything_was_changed_is_130(terminal: Terminal) -> None:
    """No traceback, while the API takes its time."""
    asked = asyncio.Event()

    async def never_answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1.0"
    async with server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "devhook", "webhook", "show", "--api-url", url,
            env=terminal.environ, stderr=subprocess.PIPE,
        )  # fmt: skip
        await asked.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err.strip()) == (130, b"")


async def test_a_closed_pipe_is_no_traceback(terminal: Terminal) -> None:
    """`devhook ... | head`, say."""
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devhook", "completion", "zsh",
        env=terminal.environ, stdout=write, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(write)
    _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_prints_a_script(bare: Terminal, shell: str) -> None:
    """On stdout, for the shell to read."""
    done = await bare("completion", shell)
    assert "_DEVHOOK_COMPLETE" in done.out


async def test_completion_completes_commands(bare: Terminal) -> None:
    """By way of the variable that the script sets."""
    done = await bare(
        _DEVHOOK_COMPLETE="bash_complete", COMP_WORDS="devhook webh", COMP_CWORD="1"
    )
    assert done.out == "plain,webhook\n"
