"""A whole run with secrets that can be told: they stay where the user put them."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.relay.rig import TOKEN, a_relay
from tests.running import Running
from tests.upbench import Bench, open_bench

SIGNING = "canary-signing-secret"
WRONG = "canary-wrong-key"

Command = tuple[int, str, dict[str, str]]
COMMANDS: tuple[Command, ...] = (
    (0, "events -v", {}),
    (0, "show 1 -vv", {}),
    (0, "show 1 --as curl", {}),
    (0, "show 1 --json", {}),
    (0, "replay 1 --set data.status=x --resign -vv", {}),
    (0, "trigger call_hangup", {}),
    (0, "status --json -vv", {}),
    (0, "webhook show --json", {}),
    (0, "profile list", {}),
    (0, "url", {}),
)
"""What a user does beside a running session: exit code, what is typed, where."""


async def test_secrets_stay_where_the_user_put_them(tmp_path: Path) -> None:
    """In no file but the user's, no line of output, no argv, no child, no row."""
    async with open_bench(tmp_path, secret=SIGNING) as b, a_relay() as relay:
        config = configured(b, relay.url)
        agent, admin = b.sandbox.agent_token, b.sandbox.admin_token
        secrets = (b.sandbox.access_key, agent, admin, TOKEN, SIGNING, WRONG)
        texts: list[str] = []
        async with b.up("-vv", tunnel=()) as up:
            await b.sandbox.emit("call_hangup")
            await up.line("attempt", kind="live", status=200)
            texts += await said(b, *COMMANDS)
            texts += of_processes(up)
            assert await up.end() == 0
            texts += [up.screen, repr(up.seen)]
        texts += await said(b, *refusals(agent=agent, admin=admin))
        assert found(secrets, texts) == []
        files = files_below(tmp_path)
        assert b.db in files
        assert [path for path in files if found(secrets, [text_of(path)])] == [config]


def configured(b: Bench, relay: str) -> Path:
    """All credentials in the user's own file, and nowhere else."""
    config = b.terminal.home / "devhook" / "config.toml"
    config.parent.mkdir()
    config.touch(mode=0o600)
    config.write_text(
        "[profiles.default]\n"
        f'api_url = "{b.sandbox.api_url}"\n'
        f'access_key = "{b.sandbox.access_key}"\n'
        f'relay = "{relay}"\n'
        f'relay_token = "{TOKEN}"\n'
    )
    for name in ("DEVHOOK_API_URL", "DEVHOOK_ACCESS_KEY"):
        del b.terminal.environ[name]
    return config


def refusals(*, agent: str, admin: str) -> Iterator[Command]:
    """What goes wrong, and is told."""
    yield 6, "up --yes -vv", {"DEVHOOK_ACCESS_KEY": WRONG}
    yield 6, "up --yes -vv", {"DEVHOOK_TOKEN": agent}
    yield 6, "up --yes -vv", {"DEVHOOK_RELAY_TOKEN": WRONG}
    yield 6, "webhook show", {"DEVHOOK_ACCESS_KEY": admin}
    yield 7, "webhook show -vv", {"DEVHOOK_API_URL": "http://127.0.0.1:9/v1.0"}
    yield 2, "up --yes --no-such-flag", {}
    yield 0, "status -vv", {"DEVHOOK_TOKEN": admin}
    yield 0, "restore -vv", {}


async def said(b: Bench, *commands: Command) -> list[str]:
    """All that they print, run side by side."""
    done = await asyncio.gather(
        *(b.terminal(*typed.split(), **environ) for _, typed, environ in commands)
    )
    for (code, typed, _), finished in zip(commands, done, strict=True):
        assert finished.code == code, f"{typed}: {finished.err}"
    return [text for finished in done for text in (finished.out, finished.err)]


def of_processes(up: Running) -> Iterator[str]:
    """How the session was started; how its children were, and what they inherited."""
    proc = Path("/proc")
    if not proc.exists():
        return
    yield text_of(proc / str(up.pid) / "cmdline")
    for child in children(up.pid):
        yield text_of(proc / str(child) / "cmdline")
        yield text_of(proc / str(child) / "environ")


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from children(int(child))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def found(secrets: Iterable[str], texts: Iterable[str]) -> list[str]:
    return [secret for text in texts for secret in secrets if secret in text]


def text_of(path: Path) -> str:
    return path.read_bytes().decode("latin-1")
