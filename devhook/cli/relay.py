"""`devhook relay`: the public side of the home-grown tunnel."""

import os
import re
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, group, pass_run
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.core.relay_lease import PublicBase, Token
    from devhook.relay.config import RelayConfig
    from devhook.relay.server import Relay

_TOKENS_BY = (
    "--token-file FILE with a token a line (TOKEN, or NAME TOKEN), "
    "or one token in DEVHOOK_RELAY_TOKEN"
)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@group("relay")
def relay() -> None:
    """Give laptops a public URL from a server of your own

    \b
      $ devhook relay serve --listen 0.0.0.0:8080 \\
          --public-url https://relay.example.com --token-file tokens.txt
    """


@relay.command("serve")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:4020",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="How the world reaches it, e.g. https://relay.example.com; with "
    "https://*.relay.example.com every client has a host of its own.  "
    "[default: http://LISTEN]",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Tokens that let clients in, one a line, alone or after a name.",
)
@click.option(
    "--max-body",
    metavar="SIZE",
    default="16M",
    show_default=True,
    help="Largest body of a request it carries: bytes, or 512K, 16M, 1G.",
)
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate.")
@click.option("--tls-key", metavar="FILE", help="Its key, if in a file of its own.")
@pass_run
def serve(
    run: Run,
    listen: str,
    public_url: str | None,
    token_file: str | None,
    max_body: str,
    tls_cert: str | None,
    tls_key: str | None,
) -> None:
    """Serve as a relay for the clients that hold a token

    Whoever holds a token has a public URL here for as long as `devhook up` runs there;
    requests to it are passed on unchanged, and so are the answers. Ctrl-C ends it when
    what is under way is done, after 10 s at most.

    \b
      $ DEVHOOK_RELAY_TOKEN=a-long-secret devhook relay serve
      $ devhook relay serve --listen 0.0.0.0:443 --token-file tokens.txt \\
          --public-url https://relay.example.com --tls-cert cert.pem --tls-key key.pem
    """
    from devhook.cli.serving import address, tls
    from devhook.relay.config import Limits, RelayConfig

    run.settles = False
    host, port = address(listen, "127.0.0.1:4020")
    config = RelayConfig(
        host=host,
        port=port,
        tokens=_tokens(token_file),
        public=_public(public_url),
        tls=tls(tls_cert, tls_key),
        limits=Limits(body=_size(max_body)),
    )
    run.main(_serve(run, config))


async def _serve(run: Run, config: "RelayConfig") -> None:
    from devhook.cli.serving import asked_to_end
    from devhook.relay.server import serve_relay
    from devhook.system import SystemClock

    asked = asked_to_end()  # before anybody can know that we are ready
    async with serve_relay(config, clock=SystemClock()) as opened:
        _announce(run, config, opened)
        await asked.wait()
        run.say("Ending, once what is under way is done")


def _announce(run: Run, config: "RelayConfig", opened: "Relay") -> None:
    if config.public is None and config.host in ("0.0.0.0", "::"):  # noqa: S104  told of
        run.warn(
            f"clients will be given URLs at {opened.url}, which leads nowhere: "
            "say with --public-url how the world reaches this relay"
        )
    public = opened.public
    run.emit("ready", url=opened.url, public_url=public.text)
    run.say(f"Relay at {opened.url}. Ctrl-C ends it.\n")
    run.say(f"  Public URLs  {public.url('<name>')}")
    run.say(f"  Tokens       {len(config.tokens)}\n")
    run.say("For a client, with one of the tokens in DEVHOOK_RELAY_TOKEN:")
    run.say(f"  devhook up 3000 --relay {public.scheme}://{public.netloc}")


def _tokens(path: str | None) -> "tuple[Token, ...]":
    from pathlib import Path

    from devhook.core.relay_lease import parse_tokens, token

    if path is None:
        secret = os.environ.get("DEVHOOK_RELAY_TOKEN", "").strip()
        if not secret:
            raise UsageError("there is no token to let clients in", hint=_TOKENS_BY)
        return (token(secret),)
    try:
        tokens = parse_tokens(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not text"
        raise UsageError(
            f"the token file {path} cannot be read: {reason}", hint=_TOKENS_BY
        ) from exc
    except ValueError as exc:
        raise UsageError(f"the token file {path}: {exc}", hint=_TOKENS_BY) from exc
    if not tokens:
        raise UsageError(f"the token file {path} holds no token", hint=_TOKENS_BY)
    return tokens


def _public(url: str | None) -> "PublicBase | None":
    from devhook.core.relay_lease import PublicBase

    if url is None:
        return None
    try:
        return PublicBase.parse(url)
    except ValueError as exc:
        raise UsageError(
            f"--public-url cannot be used: {exc}",
            hint="--public-url https://relay.example.com",
        ) from exc


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,12})([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise UsageError(f"--max-body is no size: {text!r}", hint="--max-body 16M")
    return int(match[1]) * _UNITS[match[2].upper()]
