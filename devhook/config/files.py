"""The user's config.toml and a project's .devhook.toml: where they are, what they say.

Every key and kind is checked here, so that a typing error is met before it matters.
"""

import re
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from devhook.config.values import near, profile_name, seconds
from devhook.errors import ConfigError

PROJECT_FILE: Final = ".devhook.toml"
PROJECT_KEYS: Final = ("profile", "target", "routes", "events", "tunnel")

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """`config` is the user's file; `data` and `state` are folders."""

    config: Path
    data: Path
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a profile sets; None where it says nothing. Durations are seconds."""

    api_url: str | None = None
    access_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    auth: str | None = None
    ca_file: str | None = None
    insecure: bool | None = None
    relay: str | None = None
    relay_token: str | None = field(default=None, repr=False)
    target: str | None = None
    routes: tuple[str, ...] | None = None
    events: tuple[str, ...] | None = None
    tunnel: str | None = None
    linger: float | None = None
    in_flight_bound: float | None = None

    def has_secret(self) -> bool:
        return bool(self.access_key or self.token or self.relay_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFile:
    """`profile` is the one in use when nothing else names one."""

    profile: str = "default"
    profiles: Mapping[str, Profile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """What a repository may suggest."""

    profile: str | None = None
    values: Profile = Profile()


def locate(environ: Mapping[str, str]) -> Paths:
    """DEVHOOK_HOME holds everything, else the platform's folders do."""
    if home := environ.get("DEVHOOK_HOME"):
        root = Path(home).expanduser().absolute()
        return Paths(
            config=root / "config.toml", data=root / "data", state=root / "state"
        )
    import platformdirs

    return Paths(
        config=platformdirs.user_config_path("devhook") / "config.toml",
        data=platformdirs.user_data_path("devhook"),
        state=platformdirs.user_state_path("devhook"),
    )


def read_user_file(path: Path) -> UserFile:
    """No file is an empty one."""
    document = _read(path)
    _refuse_unknown(document, ("profile", "profiles"), path, "")
    name = document.get("profile", "default")
    tables = document.get("profiles", {})
    if not isinstance(name, str) or not isinstance(tables, dict):
        raise ConfigError(
            f"{path}: profile is a name, and profiles are tables",
            hint='profile = "staging", then [profiles.staging]',
        )
    return UserFile(
        profile=profile_name(name),
        profiles={
            profile_name(key): _profile(table, path, f"profiles.{key}")
            for key, table in tables.items()
        },
    )


def read_project_file(folder: Path) -> ProjectFile:
    """The nearest one in the folder or above it. Raises for keys it must not set."""
    for place in (folder, *folder.parents):
        path = place / PROJECT_FILE
        if path.is_file():
            return _project(_read(path), path)
    return ProjectFile()


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but its owner may read the file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRWXG | stat.S_IRWXO))


def _project(document: dict[str, Any], path: Path) -> ProjectFile:
    for key in document:
        if key not in PROJECT_KEYS:
            raise ConfigError(
                f"{path}: a project file must not set {key}",
                hint=f"it may set {', '.join(PROJECT_KEYS)}; take {key} out of it",
            )
    profile = document.pop("profile", None)
    if profile is not None and not isinstance(profile, str):
        raise _wrong_kind(f"{path}: profile", "a text")
    return ProjectFile(profile=profile, values=_profile(document, path, ""))


def _profile(table: object, path: Path, where: str) -> Profile:
    if not isinstance(table, dict):
        raise _wrong_kind(f"{path}: {where}", "a table")
    _refuse_unknown(table, [f.name for f in fields(Profile)], path, where)
    prefix = f"{path}: {where}." if where else f"{path}: "
    return Profile(
        **{
            key: _READERS.get(key, _text)(value, prefix + key)
            for key, value in table.items()
        }
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _wrong_kind(what, "a text")
    return value


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong_kind(what, "a list of texts")
    return tuple(value)


def _truth(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_kind(what, "true or false")
    return value


def _duration(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_kind(what, 'a duration such as "5s"')
    return seconds(str(value), what)


def _auth(value: object, what: str) -> str:
    if value not in ("header", "query"):
        raise _wrong_kind(what, '"header" or "query"')
    return str(value)


_READERS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "auth": _auth,
    "insecure": _truth,
    "routes": _texts,
    "events": _texts,
    "linger": _duration,
    "in_flight_bound": _duration,
}


def _wrong_kind(what: str, kind: str) -> ConfigError:
    return ConfigError(f"{what} is not {kind}", hint=f"make it {kind}")


def _refuse_unknown(
    table: Mapping[str, object], known: Collection[str], path: Path, where: str
) -> None:
    for key in table:
        if key not in known:
            place = f"{path}: [{where}]" if where else str(path)
            raise ConfigError(f"{place} has no setting {key}", hint=near(key, known))


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be read: {exc.strerror}", hint=f"ls -l {path}"
        ) from exc
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", hint=f"mend {path}") from None
    import tomllib  # many a machine has no file at all

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise _malformed(path, str(exc)) from None


def _malformed(path: Path, reason: str) -> ConfigError:
    """Names the line. Never quotes it: it may hold a key."""
    match = _AT_LINE.search(reason)
    place = f"{path}, line {match[1]}" if match else f"{path}, at its end"
    return ConfigError(
        f"{place}: {reason.partition(' (at ')[0]}",
        hint=f'mend {path}; texts stand in quotes: api_url = "https://..."',
    )
