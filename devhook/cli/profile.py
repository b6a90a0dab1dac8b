"""`devhook profile`: named accounts, kept in the user's config.toml."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, group, pass_run
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.config import Profile
    from devhook.core.model import Account
    from devhook.core.network import Credential, Network


@group("profile")
def profile() -> None:
    """Keep named accounts with their credentials and defaults

    \b
      $ devhook profile add staging
      $ devhook profile use staging
    """


@profile.command("add")
@click.argument("name")
@click.option(
    "--auth",
    type=click.Choice(["header", "query"]),
    help="Where the API reads the credential; query only where header fails.",
)
@pass_run
def add(run: Run, name: str, auth: str | None) -> None:
    """Save an account under a name, once its credential has proved good

    Asks for an access key, or for a user name and password to log in with; without a
    terminal give --access-key or --token as - or @FILE. The name of a profile that is
    there already gets the new credential and keeps the rest.

    \b
      $ devhook profile add staging
      $ devhook profile add ci --access-key @key.txt
      $ devhook profile add home --api-url https://api.voipbin.test:8443/v1.0
    """
    from devhook import config
    from devhook.config import credentials, edit

    run.settles = False
    path = config.locate(os.environ).config
    name = config.profile_name(name)
    known = config.read_user_file(path).profiles.get(name, config.Profile())
    given_url = config.api_url_given(run.flags, os.environ, known, name)
    api_url = given_url or config.DEFAULT_API_URL
    network = config.network(run.flags, os.environ, known, path.parent)
    auth = auth or known.auth
    credential = credentials.in_query(_credential(run, api_url, network), auth)
    account = run.main(_proved(api_url, credential, network))
    changes = {
        "api_url": given_url,
        "access_key": _if(credential, "access_key"),
        "token": _if(credential, "token"),
        "auth": auth,
        "ca_file": _ca_file(run) or known.ca_file,
        "insecure": network.insecure or None,
    }
    in_use = edit.save_profile(path, name, changes)
    _added(run, name, api_url, account, path, in_use=in_use)


@profile.command("list")
@pass_run
def list_(run: Run) -> None:
    """List the profiles; a star marks the one in use

    \b
      $ devhook profile list
    """
    from devhook import config

    user = config.read_user_file(config.locate(os.environ).config)
    project = config.read_project_file(Path.cwd())
    current = config.profile_in_use(run.flags, os.environ, project, user)
    if not user.profiles:
        run.say("There are no profiles yet: devhook profile add NAME")
    for name, entry in user.profiles.items():
        api_url = entry.api_url or config.DEFAULT_API_URL
        kind = _kind(entry)
        run.emit(
            "profile",
            name=name,
            api_url=api_url,
            credential=kind,
            in_use=name == current,
        )
        if not run.json:
            star = "*" if name == current else " "
            held = (kind or "no credential").replace("_", " ")
            run.out(f"{star} {name}  {api_url}  {held}")


@profile.command("use")
@click.argument("name")
@pass_run
def use(run: Run, name: str) -> None:
    """Make a profile the one that is used when none is named

    \b
      $ devhook profile use staging
    """
    from devhook import config
    from devhook.config import edit

    path = config.locate(os.environ).config
    edit.use_profile(path, name)
    run.emit("profile", name=name, in_use=True)
    run.say(f"Profile {name} is in use.")


@profile.command("remove")
@click.argument("name")
@pass_run
def remove(run: Run, name: str) -> None:
    """Forget a profile and its credential; its recorded events stay

    \b
      $ devhook profile remove staging
    """
    from devhook import config
    from devhook.config import edit

    paths = config.locate(os.environ)
    was_used = edit.remove_profile(paths.config, name)
    run.emit("profile", name=name, in_use=False)
    run.say(f"Profile {name} is gone.")
    if was_used:
        run.say("No profile is in use now: devhook profile use NAME")
    if (database := paths.data / f"{name}.db").exists():
        run.say(f"Its events are still in {database}.")


def _credential(run: Run, api_url: str, network: "Network") -> "Credential":
    from devhook.config import credentials

    access_key, token = run.flags.access_key, run.flags.token
    for text in credentials.typed_out(access_key, token):
        run.warn(text)
    return credentials.from_flags(access_key, token) or _asked(run, api_url, network)


def _asked(run: Run, api_url: str, network: "Network") -> "Credential":
    """A credential out of the user's head: nothing that is typed is shown."""
    from devhook.config import credentials

    if not run.attended:
        raise UsageError(
            "there is no terminal to ask for a credential on",
            hint="give --access-key @FILE, or --token - and write it to standard input",
        )
    key = click.prompt(
        "Access key (leave it empty to log in)",
        default="",
        hide_input=True,
        show_default=False,
        err=True,
    )
    if key.strip():
        return credentials.made("access_key", key, "the access key")
    username = click.prompt("User name", err=True)
    password = click.prompt("Password", hide_input=True, err=True)
    token = run.main(_logged_in(api_url, username, password, network))
    return credentials.made("token", token, "the login token")


async def _logged_in(
    api_url: str, username: str, password: str, network: "Network"
) -> str:
    from devhook.provider.client import login

    return await login(api_url, username, password, network)


async def _proved(
    api_url: str, credential: "Credential", network: "Network"
) -> "Account":
    from devhook.provider.client import AccountClient

    async with AccountClient(api_url, credential, network) as client:
        return await client.get()


def _if(credential: "Credential", kind: str) -> str | None:
    return credential.value if credential.kind == kind else None


def _ca_file(run: Run) -> str | None:
    given = run.flags.ca_file or os.environ.get("DEVHOOK_CA_FILE")
    return str(Path(given).absolute()) if given else None


def _kind(entry: "Profile") -> str | None:
    if entry.access_key:
        return "access_key"
    return "token" if entry.token else None


def _added(
    run: Run, name: str, api_url: str, account: "Account", path: Path, *, in_use: bool
) -> None:
    from devhook.core.http import printable

    run.emit("profile", name=name, api_url=api_url, account=account.id, in_use=in_use)
    shown = printable(account.name) or account.id
    run.say(f"Profile {name} is account {shown} at {api_url}; saved in {path}.")
    if not in_use:
        run.say(f"To use it: devhook profile use {name}, or -p {name} on any command.")
