"""`devhook up` as a user runs it, between a sandbox, an application and an original.

What a test waits for is a fact: a line of `--json`, a text on the screen, a request
that arrived. Nothing sleeps.
"""

import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AsyncExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from devhook import shipped
from devhook.core.gojson import decode
from devhook.core.model import Json
from devhook.errors import StoreError
from devhook.sandbox import Customer, Sandbox, Timing
from devhook.sandbox.call import ApiRequest
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, is_alive, new_id
from tests.endpoint import OK, Endpoint, Script, endpoint
from tests.running import DEVHOOK, Running, running
from tests.terminal import Terminal

ACME: Final = Customer(
    name="Acme",
    detail="staging",
    email="ops@acme.example",
    phone_number="+12025550100",
    address="1 Example Way",
)


@dataclass(frozen=True)
class Bench:
    """`port` is where `up` listens; `terminal` knows the sandbox by environment."""

    sandbox: Sandbox
    original: Endpoint
    app: Endpoint
    terminal: Terminal
    port: int

    @property
    def tunnel(self) -> tuple[str, ...]:
        return straight_to(self.port)

    @property
    def db(self) -> Path:
        return self.terminal.home / "devhook" / "data" / "default.db"

    @asynccontextmanager
    async def up(
        self,
        *flags: str,
        target: str | None = "",
        tunnel: Sequence[str] | None = None,
        terminal: Terminal | None = None,
        attended: bool = False,
        yes: bool = True,
        ready: bool = True,
        program: Sequence[str] = DEVHOOK,
        **environ: str,
    ) -> AsyncIterator[Running]:
        """Awaited until ready. "" as target is the application, None no target."""
        command = ["up", "--json", *(self.tunnel if tunnel is None else tunnel), *flags]
        command += ["--yes"] if yes else []
        if target is not None:
            command.append(target or str(self.app.port))
        async with running(
            *command,
            terminal=terminal or self.terminal,
            attended=attended,
            program=program,
            **environ,
        ) as process:
            if ready:
                await process.line("ready")
            yield process

    @property
    def takeovers(self) -> Takeovers:
        return Takeovers(self.terminal.home / "devhook" / "state")

    def guardian(self) -> int:
        """The process that looks after the newest takeover."""
        mark = self.takeovers.history()[0].guardian
        assert mark is not None
        return int(mark.partition("@")[0])

    async def abandon(self, up: Running) -> None:
        """Kill a run and its guardian: nobody is left who restores."""
        up.send(signal.SIGSTOP)  # or it would start another guardian
        os.kill(self.guardian(), signal.SIGKILL)
        await up.end(signal.SIGKILL)

    def puts(self) -> list[ApiRequest]:
        return [r for r in self.sandbox.requests if r.method == "PUT"]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What another program sees in the database at this moment."""
        with closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()

    def fields(self) -> dict[str, str]:
        """The seven that a PUT replaces."""
        return self.sandbox.account.fields()


@asynccontextmanager
async def open_bench(
    folder: Path,
    *,
    original: bool = True,
    app: Script = OK,
    secret: str = ACME.webhook_secret,
    **options: Any,
) -> AsyncIterator[Bench]:
    """All that `up` meets; without an original the account's webhook is empty."""
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(endpoint())
        near = await stack.enter_async_context(endpoint(app))
        customer = replace(
            ACME,
            webhook_uri=f"{far.url}/voip?key=k" if original else "",
            webhook_method="PUT" if original else "",
            webhook_secret=secret,
        )
        sandbox = await stack.enter_async_context(
            Sandbox.open(
                clock=SystemClock(),
                new_id=new_id,
                catalogue=catalogue(),
                customer=customer,
                timing=Timing(cache_delay=0.0, pause=0.05),
                **options,
            )
        )
        terminal = Terminal(
            folder,
            DEVHOOK_API_URL=sandbox.api_url,
            DEVHOOK_ACCESS_KEY=sandbox.access_key,
            DEVHOOK_LINGER="10ms",
        )
        port = stack.enter_context(free_port())
        stack.callback(end_guardians, folder)
        yield Bench(sandbox, far, near, terminal, port)


@asynccontextmanager
async def taken_over(
    folder: Path, *flags: str, attended: bool = False, linger: str = "10ms"
) -> AsyncIterator[tuple[Bench, Running]]:
    """A session that is ready; when it has ended, all seven fields are as before."""
    async with open_bench(folder) as b:
        before = b.fields()
        async with b.up(*flags, attended=attended, DEVHOOK_LINGER=linger) as up:
            assert b.fields()["webhook_uri"].startswith(up.ready["webhook_uri"])
            yield b, up
        assert b.fields() == before


def end_guardians(folder: Path) -> None:
    """Those that still look after a takeover: their sandbox is about to go."""
    for path in folder.rglob("takeovers.db"):
        with suppress(StoreError):
            for record in Takeovers(path.parent).history():
                if record.guardian is not None and is_alive(record.guardian):
                    with suppress(ProcessLookupError):
                        pid = int(record.guardian.partition("@")[0])
                        os.kill(pid, signal.SIGKILL)


def straight_to(port: int) -> tuple[str, ...]:
    """The flags of a public URL that leads straight to a port where `up` listens."""
    return "--public-url", f"http://127.0.0.1:{port}", "--listen", f"127.0.0.1:{port}"


@contextmanager
def free_port() -> Iterator[int]:
    """One that the system gives to nobody else meanwhile: bound, not listened on."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@cache
def catalogue() -> dict[str, Json]:
    """One body of each type that comes with devhook."""
    return {
        name: decode(shipped.event(name).events[0].body)
        for name in shipped.event_types()
    }
