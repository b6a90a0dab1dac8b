"""What `up` was asked to do: flags, then project and profile, as one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devhook.cli.base import Run
from devhook.core.match import parse_duration
from devhook.core.target import Routes, parse_route, parse_target
from devhook.errors import UsageError
from devhook.session.options import Options
from devhook.tunnel import Choice

UNATTENDED_PATIENCE = 30.0
"""Seconds until a restore that nobody watches counts as unconfirmed."""


def options_of(run: Run, flags: Mapping[str, Any]) -> Options:
    """Flags, then what the project and the profile say, as one value."""
    settings = run.settings
    target = flags["target"] or settings.target
    lifetime = flags["lifetime"]
    return Options(
        routes=Routes(
            target=parse_target(target) if target else None,
            routes=tuple(parse_route(r) for r in flags["routes"] or settings.routes),
            only=tuple(flags["events"] or settings.events),
        ),
        tunnel=_choice(run, flags),
        overrides=tuple(_header(text) for text in flags["headers"]),
        keep_host=flags["keep_host"],
        ack_app=flags["ack"] == "app",
        mirror=flags["mirror"],
        require_signature=flags["require_signature"],
        concurrency=flags["concurrency"],
        timeout=parse_duration(flags["timeout"]),
        retries=flags["retries"],
        lifetime=parse_duration(lifetime) if lifetime else None,
        supersede=flags["supersede"],
        listen=_listen(flags["listen"]),
        patience=None if run.attended else UNATTENDED_PATIENCE,
    )


def _choice(run: Run, flags: Mapping[str, Any]) -> Choice:
    token_file = flags["relay_token_file"]
    token = run.settings.relay_token
    if token_file:
        try:
            token = Path(token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(
                f"the relay token file {token_file} cannot be read",
                hint="one line with the token the relay's owner gave you",
            ) from exc
    return Choice(
        kind=flags["tunnel"] or run.settings.tunnel or "auto",
        relay=flags["relay"] or run.settings.relay,
        relay_token=token,
        public_url=flags["public_url"],
        takeover=flags["supersede"],
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise UsageError(f"{text!r} is no header", hint="-H 'X-Env: laptop'")
    return name.strip(), value.strip().encode().decode("latin-1")


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text!r} is no HOST:PORT", hint="--listen 127.0.0.1:8765")
    return host.strip("[]") or "127.0.0.1", int(port)
