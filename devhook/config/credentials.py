"""Which credential is shown to the account API, and where it was found.

A key is only shown to the API it belongs to: that of the official CLI's file goes
nowhere but to the address which that file names beside it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from devhook.config.files import Profile
from devhook.config.values import api_base, is_typed_out, secret
from devhook.core.network import Credential
from devhook.errors import ConfigError, UsageError

Kind = Literal["token", "access_key"]

_VARIABLES: Final[tuple[tuple[str, Kind], ...]] = (
    ("DEVHOOK_ACCESS_KEY", "access_key"),
    ("DEVHOOK_TOKEN", "token"),
    ("VN_ACCESS_KEY", "access_key"),
    ("VOIPBIN_API_KEY", "access_key"),
    ("VOIPBIN_TOKEN", "token"),
)


def made(kind: Kind, text: str, source: str) -> Credential:
    """What a text (itself, `-` or `@FILE`) found at `source` gives."""
    return Credential(kind=kind, value=secret(text, source), source=source)


def from_flags(access_key: str | None, token: str | None) -> Credential | None:
    if access_key is not None and token is not None:
        raise UsageError(
            "--access-key and --token were both given", hint="leave one of them out"
        )
    if access_key is not None:
        return made("access_key", access_key, "--access-key")
    if token is not None:
        return made("token", token, "--token")
    return None


def from_environment(environ: Mapping[str, str]) -> Credential | None:
    for name, kind in _VARIABLES:
        if text := environ.get(name):
            return made(kind, text, name)
    return None


def from_profile(profile: Profile, name: str) -> Credential | None:
    if profile.access_key is not None and profile.token is not None:
        raise ConfigError(
            f"profile {name} has both an access_key and a token",
            hint="leave one of them out",
        )
    if profile.access_key is not None:
        return made("access_key", profile.access_key, f"profile {name}")
    if profile.token is not None:
        return made("token", profile.token, f"profile {name}")
    return None


def from_official_cli(home: Path) -> tuple[Credential, str | None] | None:
    """The key of `vn`'s current profile and the API it is for (None: the default)."""
    path = home / ".vn" / "config.yaml"
    document = _yaml(path) if path.is_file() else None
    if not isinstance(document, dict):
        return None
    profiles, current = document.get("profiles"), document.get("current_profile")
    entry = profiles.get(current or "default") if isinstance(profiles, dict) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("access_key"), str):
        return None
    if not entry["access_key"]:
        return None
    url = entry.get("api_url") or None
    return (
        made("access_key", entry["access_key"], str(path)),
        api_base(str(url), f"{path}: api_url") if url else None,
    )


def typed_out(access_key: str | None, token: str | None) -> tuple[str, ...]:
    """A warning for each credential that stands in the process list."""
    return tuple(
        f"{flag} shows the credential in the process list; give it as @FILE or -"
        for flag, text in (("--access-key", access_key), ("--token", token))
        if text is not None and is_typed_out(text)
    )


def in_query(credential: Credential, auth: str | None) -> Credential:
    return replace(credential, in_query=True) if auth == "query" else credential


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # another program's file: never a reason to stop
