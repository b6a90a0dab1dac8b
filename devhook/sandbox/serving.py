"""Listening: a loopback socket, and one application on it until the block ends."""

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address

from aiohttp import web

from devhook.errors import DevhookError, UsageError

_SHUTDOWN = 0.1  # seconds for answers under way; some never come, by script
_BACKLOG = 1024


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Raises UsageError on a host not loopback, DevhookError on a port in use."""
    if not is_loopback(host):
        raise UsageError(
            f"the sandbox listens on loopback alone, not on {host}",
            hint="its credentials are known to everybody: use 127.0.0.1",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = f"--listen {host}:0 takes a free port"
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} on {host} is in use, perhaps by another sandbox"
            raise DevhookError(text, hint=hint) from error
        text = f"cannot listen on {host}:{port}: {error.strerror}"
        raise DevhookError(text, hint=hint) from error
    with bound:
        yield bound


def netloc(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def served(
    app: web.Application, bound: socket.socket, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    try:
        await web.SockSite(runner, bound, ssl_context=tls, backlog=_BACKLOG).start()
        yield
    finally:
        await runner.cleanup()
