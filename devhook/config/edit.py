"""Changes to the user's config.toml that leave its comments and order alone.

The file holds credentials: it is made 0600 in a folder 0700, and replaced in one step,
so that a reader finds the old one or the new one.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from devhook.config.files import read_user_file
from devhook.config.values import near
from devhook.errors import ConfigError


def save_profile(
    path: Path, name: str, changes: Mapping[str, str | bool | None]
) -> bool:
    """Set these keys of a profile, None taking one away; True if it is in use now.

    The first profile of a file is the one in use.
    """
    document = _document(path)
    if "profile" not in document and not document.get("profiles"):
        document["profile"] = name
    profiles = document.setdefault("profiles", tomlkit.table(is_super_table=True))
    if name not in profiles:
        inline = isinstance(profiles, InlineTable)
        profiles[name] = tomlkit.inline_table() if inline else tomlkit.table()
    table = profiles[name]
    for key, value in changes.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    _write(path, document)
    return bool(document.get("profile", "default") == name)


def use_profile(path: Path, name: str) -> None:
    _existing(path, name)
    document = _document(path)
    document["profile"] = name
    _write(path, document)


def remove_profile(path: Path, name: str) -> bool:
    """Forget a profile and its credential; True if it was the one in use."""
    _existing(path, name)
    document = _document(path)
    del document["profiles"][name]
    was_used = bool(document.get("profile") == name)
    if was_used:
        del document["profile"]
    _write(path, document)
    return was_used


def _existing(path: Path, name: str) -> None:
    profiles = read_user_file(path).profiles
    if name not in profiles:
        raise ConfigError(f"{path} has no profile {name}", hint=near(name, profiles))


def _document(path: Path) -> Any:
    read_user_file(path)  # says what is wrong with it, in our words
    return tomlkit.parse(path.read_text("utf-8") if path.exists() else "")


def _write(path: Path, document: Any) -> None:
    text = tomlkit.dumps(document)
    final = path.resolve()  # a link to somebody's dotfiles stays a link
    try:
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=final.parent, prefix=".config-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(final)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}",
            hint="make its folder writable, or set DEVHOOK_HOME to one that is",
        ) from exc
