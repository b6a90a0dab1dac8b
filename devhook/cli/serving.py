"""What the commands that serve share: where to listen, with what TLS, until when."""

import asyncio
import signal
import ssl

from devhook.errors import UsageError


def address(listen: str, example: str) -> tuple[str, int]:
    """HOST:PORT as a pair."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError(
            f"--listen is HOST:PORT, not {listen!r}", hint=f"--listen {example}"
        )
    return host.strip("[]"), int(port)


def tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """None without a certificate: then it is plain HTTP."""
    if certificate is None:
        if key is not None:
            raise UsageError("--tls-key without --tls-cert", hint="give both")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        unfit = isinstance(error, ssl.SSLError)
        reason = "not a certificate with its key" if unfit else error.strerror
        raise UsageError(
            f"--tls-cert {certificate} cannot be used: {reason}",
            hint="both in PEM; the key in the same file or by --tls-key",
        ) from error
    return context


def asked_to_end() -> asyncio.Event:
    """Set by Ctrl-C, SIGTERM and SIGHUP."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked.set)
    return asked
