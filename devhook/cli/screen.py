"""What a running session says: banner, arrows, endings.

Reads the journal and nothing else of the house. With `--json` the same entries go to
standard output as objects.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import click

from devhook.cli import lines
from devhook.cli.base import Run, version
from devhook.cli.color import colored
from devhook.cli.output import Output
from devhook.config import Settings
from devhook.core.account_api import mask_url
from devhook.core.http import printable
from devhook.core.model import Json, Setting
from devhook.core.origin import Known, Origin, tunnel_of
from devhook.core.takeover import Ending, Restored
from devhook.session.options import Options
from devhook.session.session import Ready, Session
from devhook.session.stop import Why
from devhook.store.journal import Journal


class Screen:
    """All that the run says while it is open goes by threads of their own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._out, self._err = Output(sys.stdout), Output(sys.stderr)

    def __enter__(self) -> Self:
        self._run.echo = self._echo
        return self

    def __exit__(self, *_: object) -> None:
        self._run.echo = click.echo
        self._out.close()
        self._err.close()

    async def follow(self, journal: Journal) -> None:
        """Print every entry of the journal as it comes, for ever."""
        async for entry in journal.follow():
            type_, fields = lines.as_object(entry)
            self._run.emit(type_, **fields)
            text = lines.line(entry, width=self._run.columns(sys.stderr))
            if text is not None:
                self._run.say(colored(entry, text))
            await self._out.caught_up()
            await self._err.caught_up()

    async def confirm(self, old: str, new: str) -> bool:
        """Ask on the terminal, without holding up the loop; default no."""
        self._err.put(
            "Until devhook ends, the account's webhook will point at this machine:\n"
            f"  {_shown(old) or '(empty)'}  ->  {_shown(new)}\nContinue? [y/N] "
        )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def read() -> None:
            if not answer.done():
                answer.set_result(sys.stdin.readline())

        loop.add_reader(sys.stdin, read)
        try:
            return (await answer).strip().lower() in ("y", "yes")
        finally:
            loop.remove_reader(sys.stdin)

    def origin(self, origin: Origin, *, abandoned: bool) -> None:
        """What is to be restored, where that is not plainly what the account says."""
        root = _setting(origin.root)
        if abandoned:
            told = _TOLD_BY_MARKER if origin.known is Known.MARKER else _TOLD_BY_RECORD
            self._run.warn(
                "the account points at a devhook session that does not answer any"
                f" more;\nat the end its original, {root}, is restored: {told}"
            )
        if origin.is_left and not origin.is_confirmed:
            self._run.warn(
                "no record of this machine confirms that original: is it yours?"
            )
        if service := tunnel_of(origin.root.uri):
            self._run.warn(
                f"the original, {root}, is a tunnel's ({service}) and may lead nowhere"
                " any more:\nit is restored as it is; if it is none of yours, set the"
                " right one first, with devhook webhook set URI"
            )

    def ready(self, ready: Ready, options: Options, settings: Settings) -> None:
        self._run.emit("ready", **ready_object(ready))
        account, say = ready.account, self._run.say
        say(f"{_version()}   profile {settings.profile}   account {_account(ready)}")
        ms = lines.millis(ready.proven_seconds)
        say(f"  Public URL   {ready.public_url}   ({ready.tunnel}, challenge {ms})")
        before = _shown(ready.original.uri) or "(empty)"
        mirrored = "mirrored; " if options.mirror and ready.original.uri else ""
        say(f"  Webhook      {before} -> here   ({mirrored}restored on exit)")
        say(f"  Forwarding   {_shown(ready.target or '') or 'nothing, recording only'}")
        for glob, url in options.routes.routes:
            say(f"               {glob} -> {_shown(url)}")
        if only := options.routes.only:
            say(f"               only {', '.join(only)}; the rest is recorded alone")
        say(f"  Recording    session {ready.session}, {_home(ready.db)}")
        credential = settings.account_credential()
        kind = credential.kind.replace("_", " ")
        say(f"  Credential   {kind} from {credential.source}")
        if settings.network.insecure:
            say("  Insecure     certificates are not checked (--insecure)")
        if account.webhook_secret is None:
            say("  Signature    the account has no secret: events cannot be checked")
        if not ready.marked:
            self._run.warn(
                "our URL carries no marker of the original, which was cut off or too"
                " long: only this machine can restore it"
            )
        for text in ready.warnings:
            self._run.warn(text)
        say("Ready. Ctrl-C stops and restores.")

    def ending(self, why: Why) -> None:
        said = {
            Why.ASKED: "Restoring the account",
            Why.TIME: "The time is over; restoring the account",
            Why.STORAGE: "Nothing could be stored for 10 s; restoring the account",
            Why.TUNNEL: "The tunnel stayed away for 60 s; restoring the account",
            Why.PARKED: "The account was not taken again",
            Why.GUARDIAN: "The guardian ended again and again; restoring the account",
            Why.CREDENTIAL: "The login token is about to end; restoring the account",
        }
        self._run.say(f"\n{said[why]} ...")

    def undoing(self) -> None:
        self._run.say("The takeover failed; making sure that nothing is left of it ...")

    async def stopping(self, restored: bool) -> None:
        """Said before the process stands still, by Ctrl-Z."""
        self._run.say(
            "\nStopped; the account is restored. fg takes it again."
            if restored
            else "\nStopped; the account STILL POINTS HERE. Its guardian goes on."
        )
        with suppress(TimeoutError):  # a terminal that takes nothing holds nobody up
            async with asyncio.timeout(1.0):
                await self._err.written()

    def repeated(self) -> None:
        """Impatience that came too early to be meant."""
        self._run.say("\nEnding; Ctrl-C again, in a second, leaves without waiting.")

    async def still_restoring(self, session: Session) -> None:
        """Say what keeps a restore from its end, each reason once."""
        told = None
        while session.holds:
            await asyncio.sleep(0.5)
            if session.trouble not in (None, told):
                told = session.trouble
                self._run.say(f"Not yet: {told}. Ctrl-C again leaves without waiting.")

    def restored(
        self, restored: Restored | None, session: Session, settings: Settings
    ) -> None:
        if restored is None:
            return
        setting = restored.setting
        self._run.emit(
            "restored",
            webhook_uri=None if setting is None else mask_url(setting.uri),
            webhook_method=None if setting is None else setting.method,
            outcome=restored.ending,
        )
        match restored.ending:
            case Ending.RESTORED:
                self._run.say(f"Restored: {_setting(setting)}.")
                self._run.say(
                    f"Waiting {settings.linger:g} s for late events; Ctrl-C skips it."
                )
            case Ending.FOREIGN:
                shown = f" to {_setting(setting)}" if setting is not None else ""
                self._run.warn(f"Left alone: the account was set{shown} meanwhile.")
            case Ending.UNCONFIRMED:
                guarded = session.is_guarded
                self._run.warn(_unconfirmed(restored.error, settings.profile, guarded))

    def _echo(self, text: str, *, err: bool = False, color: bool | None = None) -> None:
        stream = sys.stderr if err else sys.stdout
        if color is None:
            color = stream is not None and stream.isatty()
        if not color:
            text = click.unstyle(text)
        (self._err if err else self._out).put(f"{text}\n")

    def exit_code(self, why: Why, restored: Restored | None) -> int:
        if restored is not None and restored.ending is Ending.UNCONFIRMED:
            return 4
        if restored is not None and restored.ending is Ending.FOREIGN:
            return 3
        codes = {
            Why.STORAGE: 1,
            Why.GUARDIAN: 1,
            Why.PARKED: 1,
            Why.CREDENTIAL: 6,
            Why.TUNNEL: 7,
        }
        return codes.get(why, 0)


_TOLD_BY_MARKER = "its marker names it"
_TOLD_BY_RECORD = "a record of this machine names it"


def ready_object(ready: Ready) -> dict[str, Json]:
    return {
        "session": ready.session,
        "public_url": ready.public_url,
        "capture_url": ready.capture_url,
        "webhook_uri": ready.webhook_uri,
        "original": {
            "webhook_uri": mask_url(ready.original.uri),
            "webhook_method": ready.original.method,
        },
        "target": ready.target and mask_url(ready.target),
        "db": ready.db,
    }


def _unconfirmed(error: str | None, profile: str, guarded: bool) -> str:
    bar = "!" * 78
    what = "Run this until it says restored:"
    if guarded:
        what = (
            "The guardian goes on trying, for 24 h (see devhook status). To be sure,\n"
            "run this until it says restored:"
        )
    return (
        f"{bar}\nThe account may STILL POINT AT THIS MACHINE: {error}.\n"
        f"{what}\n\n    devhook restore -p {profile}\n\n{bar}"
    )


def _setting(setting: Setting | None) -> str:
    if setting is None or not setting.uri:
        return "no webhook, as before" if setting is not None else "?"
    return f"{setting.method or 'GET'} {_shown(setting.uri)}"


def _shown(uri: str) -> str:
    return printable(mask_url(uri))


def _account(ready: Ready) -> str:
    account = ready.account
    short = f"{account.id[:4]}…{account.id[-4:]}"
    return f"{printable(account.name)} ({short})" if account.name else short


def _home(path: str) -> str:
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path


def _version() -> str:
    return f"devhook {version()}"
