"""`devhook relay serve`: the public side of the home-grown tunnel."""

import os
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, group, pass_run
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.core.relay_lease import PublicBase, Token
    from devhook.relay.config import RelayConfig

_EXAMPLE = "127.0.0.1:4020"
_TOKEN = "DEVHOOK_RELAY_TOKEN"  # noqa: S105  the name of a variable


@group("relay")
def relay() -> None:
    """Give laptops a public URL from a server of your own

    \b
      $ devhook relay serve --listen 0.0.0.0:443 --public-url https://relay.example.com
    """


@command("serve")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=_EXAMPLE,
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="How the world reaches it; https://*.HOST gives every client a subdomain.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Tokens that let clients in: TOKEN or NAME TOKEN a line.",
)
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate.")
@click.option("--tls-key", metavar="FILE", help="Its key, if in a file of its own.")
@click.option(
    "--max-body",
    metavar="MIB",
    type=click.IntRange(1, 4096),
    default=16,
    show_default=True,
    help="Refuse larger request bodies.",
)
@pass_run
def serve(
    run: Run,
    listen: str,
    public_url: str | None,
    token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    max_body: int,
) -> None:
    """Serve public URLs to the clients that know a token

    One token alone may come from DEVHOOK_RELAY_TOKEN.

    \b
      $ devhook relay serve --token-file tokens --public-url https://relay.example.com
    """
    from devhook.cli.serving import address, tls
    from devhook.relay.config import Limits, RelayConfig

    host, port = address(listen, _EXAMPLE)
    config = RelayConfig(
        host=host,
        port=port,
        tokens=_tokens(token_file),
        public=None if public_url is None else _public(public_url),
        tls=tls(tls_cert, tls_key),
        limits=Limits(body=max_body * 2**20),
    )
    run.main(_serve(run, config))


relay.add_command(serve)


async def _serve(run: Run, config: "RelayConfig") -> None:
    from devhook.cli.serving import asked_to_end
    from devhook.relay.server import serve_relay
    from devhook.system import SystemClock

    asked = asked_to_end()  # before anybody can know that we are ready
    async with serve_relay(config, clock=SystemClock()) as served:
        run.emit("ready", url=served.url, public_url=served.public.text)
        run.say(
            f"Relay at {served.url}, public as {served.public.text}. Ctrl-C ends it."
        )
        run.say("For devhook, where the token is in DEVHOOK_RELAY_TOKEN:")
        run.say(f"  devhook up 3000 --relay {served.public.text.replace('*.', '')}")
        await asked.wait()
        run.say("Finishing what is under way ...")


def _tokens(path: str | None) -> "tuple[Token, ...]":
    from devhook.core.relay_lease import parse_tokens, token

    if path is None:
        alone = os.environ.get(_TOKEN, "").strip()
        if alone:
            return (token(alone),)
        raise UsageError(
            "a relay without a token would serve anybody",
            hint=f"--token-file FILE, or one token alone in {_TOKEN}",
        )
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  pathlib costs more
            tokens = parse_tokens(file.read())
    except OSError as exc:
        raise UsageError(
            f"the token file {path} cannot be read: {exc.strerror}",
            hint="a line for each client: NAME TOKEN",
        ) from exc
    except ValueError as exc:
        raise UsageError(
            f"the token file {path} is wrong: {exc}", hint="NAME TOKEN, or TOKEN alone"
        ) from exc
    if not tokens:
        raise UsageError(
            f"the token file {path} holds no token", hint="a line: NAME TOKEN"
        )
    return tokens


def _public(text: str) -> "PublicBase":
    from devhook.core.relay_lease import PublicBase

    try:
        return PublicBase.parse(text)
    except ValueError as exc:
        raise UsageError(
            f"--public-url cannot be used: {exc}",
            hint="--public-url https://relay.example.com, or https://*.example.com",
        ) from exc
