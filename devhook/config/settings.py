"""All layers brought together: what one run of a command goes by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from devhook.config import credentials
from devhook.config.files import (
    Paths,
    Profile,
    ProjectFile,
    UserFile,
    is_open_to_others,
    locate,
    read_project_file,
    read_user_file,
)
from devhook.config.values import api_base, near, profile_name, seconds, secret, truth
from devhook.core.network import PROXY_VARIABLES, Credential, Network, is_loopback
from devhook.errors import ConfigError

DEFAULT_API_URL: Final = "https://api.voipbin.net/v1.0"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The global flags as they were typed; None where one was not."""

    profile: str | None = None
    api_url: str | None = None
    access_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    insecure: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run goes by. `api_url` ends in /v1.0; durations are seconds."""

    profile: str
    api_url: str
    credential: Credential | None
    network: Network
    paths: Paths
    relay: str | None = None
    relay_token: str | None = field(default=None, repr=False)
    target: str | None = None
    routes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    tunnel: str | None = None
    linger: float = 5.0
    in_flight_bound: float = 60.0
    warnings: tuple[str, ...] = ()

    @property
    def db(self) -> Path:
        return self.paths.data / f"{self.profile}.db"

    def account_credential(self) -> Credential:
        if self.credential is None:
            raise ConfigError(
                f"profile {self.profile} has no credential for {self.api_url}",
                hint=f"devhook profile add {self.profile}, or set DEVHOOK_ACCESS_KEY",
            )
        return self.credential


def load(
    flags: Flags, environ: Mapping[str, str], *, cwd: Path, project: bool = True
) -> Settings:
    """Raises ConfigError, naming the file, variable or flag that is wrong.

    Without `project` a project's file is not looked for.
    """
    paths = locate(environ)
    user = read_user_file(paths.config)
    its_project = read_project_file(cwd) if project else ProjectFile()
    name = profile_in_use(flags, environ, its_project, user)
    profile, suggested = _profile(user, name, paths.config), its_project.values
    api_url, credential = _access(flags, environ, profile, name)
    return Settings(
        profile=name,
        api_url=api_url,
        credential=credential,
        network=network(flags, environ, profile, paths.config.parent),
        paths=paths,
        relay=profile.relay,
        relay_token=_relay_token(environ, profile),
        target=_first(suggested.target, profile.target),
        routes=_first(suggested.routes, profile.routes) or (),
        events=_first(suggested.events, profile.events) or (),
        tunnel=_first(suggested.tunnel, profile.tunnel),
        linger=_duration("DEVHOOK_LINGER", environ, profile.linger, 5.0),
        in_flight_bound=_duration(
            "DEVHOOK_IN_FLIGHT_BOUND", environ, profile.in_flight_bound, 60.0
        ),
        warnings=(
            *credentials.typed_out(flags.access_key, flags.token),
            *_dangers(api_url, credential, user, paths.config),
        ),
    )


def profile_in_use(
    flags: Flags, environ: Mapping[str, str], project: ProjectFile, user: UserFile
) -> str:
    return profile_name(
        flags.profile
        or environ.get("DEVHOOK_PROFILE")
        or project.profile
        or user.profile
    )


def api_url_given(
    flags: Flags, environ: Mapping[str, str], profile: Profile, name: str
) -> str | None:
    """The API's address as flag, environment or profile give it, in this order."""
    for text, what in (
        (flags.api_url, "--api-url"),
        (environ.get("DEVHOOK_API_URL"), "DEVHOOK_API_URL"),
        (profile.api_url, f"api_url of profile {name}"),
    ):
        if text:
            return api_base(text, what)
    return None


def network(
    flags: Flags, environ: Mapping[str, str], profile: Profile, folder: Path
) -> Network:
    """How to dial; a relative `ca_file` of the profile starts at `folder`."""
    insecure = flags.insecure
    if insecure is None and (text := environ.get("DEVHOOK_INSECURE")):
        insecure = truth(text, "DEVHOOK_INSECURE")
    ca_file = flags.ca_file or environ.get("DEVHOOK_CA_FILE")
    path = Path(ca_file) if ca_file else None
    if path is None and profile.ca_file:
        path = folder / Path(profile.ca_file).expanduser()
    return Network(
        ca_pem=None if path is None else _ca_pem(path),
        insecure=bool(_first(insecure, profile.insecure)),
        environ={k: v for k, v in environ.items() if k.lower() in PROXY_VARIABLES},
    )


def _profile(user: UserFile, name: str, path: Path) -> Profile:
    """The profile of that name; `default` needs no entry, any other does."""
    if name in user.profiles:
        return user.profiles[name]
    if name == "default":
        return Profile()
    hint = f"devhook profile add {name}"
    if user.profiles:
        hint = f"{near(name, user.profiles)}; or {hint}"
    raise ConfigError(f"{path} has no profile {name}", hint=hint)


def _access(
    flags: Flags, environ: Mapping[str, str], profile: Profile, name: str
) -> tuple[str, Credential | None]:
    """The API and the credential for it, found together so that neither strays."""
    api_url = api_url_given(flags, environ, profile, name)
    credential = (
        credentials.from_flags(flags.access_key, flags.token)
        or credentials.from_environment(environ)
        or credentials.from_profile(profile, name)
    )
    if credential is None:
        return _official_access(api_url, environ)
    return api_url or DEFAULT_API_URL, credentials.in_query(credential, profile.auth)


def _official_access(
    api_url: str | None, environ: Mapping[str, str]
) -> tuple[str, Credential | None]:
    found = credentials.from_official_cli(Path(environ.get("HOME") or Path.home()))
    if found is None:
        return api_url or DEFAULT_API_URL, None
    credential, its_url = found[0], found[1] or DEFAULT_API_URL
    if api_url not in (None, its_url):
        return api_url, None
    return its_url, credential


def _ca_pem(path: Path) -> str:
    try:
        pem = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(
            f"the CA file {path} cannot be read: {reason}",
            hint="--ca-file FILE takes certificates in PEM form",
        ) from None
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise ConfigError(
            f"the CA file {path} holds no certificate",
            hint="--ca-file FILE takes certificates in PEM form",
        )
    return pem


def _relay_token(environ: Mapping[str, str], profile: Profile) -> str | None:
    if text := environ.get("DEVHOOK_RELAY_TOKEN"):
        return secret(text, "DEVHOOK_RELAY_TOKEN")
    return profile.relay_token and secret(profile.relay_token, "relay_token")


def _duration(
    variable: str, environ: Mapping[str, str], configured: float | None, default: float
) -> float:
    if text := environ.get(variable):
        return seconds(text, variable)
    return default if configured is None else configured


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _dangers(
    api_url: str, credential: Credential | None, user: UserFile, path: Path
) -> tuple[str, ...]:
    """What works and should not be left so."""
    found = []
    parts = urlsplit(api_url)
    if credential and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        found.append(f"{api_url} is plain http: the credential travels readable")
    if any(p.has_secret() for p in user.profiles.values()) and is_open_to_others(path):
        found.append(f"{path} holds credentials and others can read it: chmod 600 it")
    return tuple(found)
