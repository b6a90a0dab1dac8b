"""What every command stands on: the global options, and the `Run` it is given.

Imports click alone, since `devhook --help` pays for it.
"""

import functools
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TextIO, TypeVar

import click
from click.core import ParameterSource

from devhook.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import override as override

    from devhook.config import Flags, Settings
else:

    def override(method):  # importing the real one costs `devhook --help` more
        return method


P = ParamSpec("P")
T = TypeVar("T")

_RUN = "devhook.run"
_LEVELS = ("debug", "info", "warning", "error")


class Run:
    """One run of one command: its settings, its two streams, its loop.

    Data goes to stdout, what is for a human to stderr; with --json stdout carries
    objects alone, one a line.
    """

    project = True
    """Whether the project's file has a say; a restore must not depend on it."""

    settles = True
    """Whether reading the settings first settles what killed sessions left open."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.echo: Callable[..., None] = click.echo
        """Writes a line, `err` to stderr: a session puts its own way in place of it."""

    @property
    def json(self) -> bool:
        return bool(self._given.get("json"))

    @property
    def quiet(self) -> bool:
        return bool(self._given.get("quiet"))

    @property
    def verbose(self) -> int:
        return int(self._given.get("verbose") or 0)

    @property
    def color(self) -> bool | None:
        """None leaves it to the terminal."""
        choice = self._given.get("color") or "auto"
        if choice == "auto":
            return False if os.environ.get("NO_COLOR") else None
        return bool(choice == "always")

    @property
    def log_level(self) -> str:
        if level := self._given.get("log_level"):
            return str(level)
        return ("warning", "info", "debug")[min(self.verbose, 2)]

    @property
    def attended(self) -> bool:
        """Whether somebody sits there who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def columns(self, stream: TextIO) -> int | None:
        """How wide a terminal is; None for what is none: that takes whole lines."""
        if not stream.isatty():
            return None
        import shutil

        return shutil.get_terminal_size().columns

    @cached_property
    def flags(self) -> "Flags":
        from devhook.config import Flags

        names = ("profile", "api_url", "access_key", "token", "ca_file", "insecure")
        return Flags(**{name: self._given.get(name) for name in names})

    @cached_property
    def settings(self) -> "Settings":
        """Flags, environment and files; warns once of what is dangerous in them."""
        from devhook.config import load

        settings = load(self.flags, os.environ, cwd=Path.cwd(), project=self.project)
        for text in settings.warnings:
            self.warn(text)
        if self.settles:
            self.settles = False  # its restores run `main`, which must not begin anew
            self._settle(settings)
        return settings

    def _settle(self, settings: "Settings") -> None:
        """Cheap when nothing is open: the file of the records is looked at, no more."""
        from devhook.errors import StoreError
        from devhook.store.takeovers import Takeovers

        try:
            records = Takeovers(settings.paths.state).open_records()
        except StoreError as exc:
            self.warn(f"{exc.message}; {exc.hint}")
            return
        if records:
            from devhook.cli.settle import settle

            settle(self, settings, records)

    def emit(self, type: str, **fields: object) -> None:
        """One JSON object on a line of stdout, `type` first; nothing without --json."""
        if self.json:
            self.echo(json_line(type, fields))

    def out(self, text: str) -> None:
        """Data on stdout. Not for use with --json."""
        self.echo(text, color=self.color)

    def show(self, text: str) -> None:
        """A line of the result: on stdout, or with --json, which has that, by `say`."""
        if self.json:
            self.say(text)
        else:
            self.out(text)

    def say(self, text: str = "") -> None:
        """For a human, on stderr, unless -q."""
        if not self.quiet:
            self.echo(text, err=True, color=self.color)

    def warn(self, text: str) -> None:
        """For a human, on stderr, even with -q."""
        self.echo(f"warning: {text}", err=True, color=self.color)

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask, default no. Without a terminal there is no one to ask but --yes."""
        if yes:
            return True
        if not self.attended:
            raise UsageError(
                "this changes the account, and there is no terminal to ask on",
                hint="add --yes to go ahead without a question",
            )
        return click.confirm(question, default=False, err=True)

    def main(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end, on uvloop where there is one."""
        import asyncio

        if self.settles:
            try:
                _ = self.settings  # settling has a loop of its own, before this one
            except BaseException:
                coroutine.close()
                raise
        _log(self.log_level)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(coroutine)


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options()

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Global options (devhook --help) may stand here too.")


class Group(click.Group):
    """A family of commands: names near a wrong one, help when none is given."""

    command_class = Command

    def __init__(self, *args: Any, root: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options(root=root)

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        import difflib

        close = difflib.get_close_matches(name, self.list_commands(ctx), n=2)
        path = ctx.command_path
        raise UsageError(
            f"{path} has no command {name!r}",
            hint=" or ".join(f"{path} {c}" for c in close) or f"{path} --help",
        )


def command(name: str) -> Callable[[Callable[..., Any]], Command]:
    """A command by its name; what it returns is the exit code, None being 0."""
    return click.command(name, cls=Command)


def group(name: str) -> Callable[[Callable[..., Any]], Group]:
    return click.group(name, cls=Group)


def pass_run(function: Callable[Concatenate[Run, P], T]) -> Callable[P, T]:
    @functools.wraps(function)
    def given(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(_run(click.get_current_context()), *args, **kwargs)

    return given


def given(ctx: click.Context) -> dict[str, Any]:
    """The global options typed so far, wherever on the line they stood."""
    values: dict[str, Any] = ctx.find_root().ensure_object(dict)
    return values


def json_line(type: str, fields: Mapping[str, object]) -> str:
    import json

    return json.dumps({"type": type, **fields}, default=_plain)


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("devhook")
    except PackageNotFoundError:
        return "0"  # run from a checkout that was never installed


def global_options(*, root: bool = False) -> list[click.Parameter]:
    """Fresh ones for each command; shown, and asked of the environment, at the root.

    What `devhook.config` looks up in the environment itself has no variable here.
    """

    def option(*names: str, **attributes: Any) -> click.Option:
        return click.Option(
            names,
            hidden=not root,
            expose_value=False,
            callback=_remember,
            allow_from_autoenv=False,
            **attributes,
        )

    def variable(name: str) -> str | None:
        return f"DEVHOOK_{name}" if root else None

    return [
        option("-p", "--profile", metavar="NAME", help="Account and defaults to use."),
        option("--api-url", metavar="URL", help="The account API, /v1.0 included."),
        option("--access-key", metavar="KEY", help="An access key, - or @FILE."),
        option("--token", metavar="TOKEN", help="A login token, - or @FILE."),
        option("--ca-file", metavar="FILE", help="Trust these certificates too."),
        option("--insecure", is_flag=True, help="Do not verify certificates."),
        option(
            "--json",
            is_flag=True,
            envvar=variable("JSON"),
            help="Print JSON objects, one a line.",
        ),
        option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            envvar=variable("COLOR"),
            help="Colour the output; auto asks the terminal.",
        ),
        option(
            "--log-level",
            type=click.Choice(_LEVELS),
            envvar=variable("LOG_LEVEL"),
            help="Log what is at least so grave, on stderr.",
        ),
        option(
            "-q",
            "--quiet",
            is_flag=True,
            envvar=variable("QUIET"),
            help="Print no text besides data and warnings.",
        ),
        option(
            "-v",
            "--verbose",
            count=True,
            envvar=variable("VERBOSE"),
            help="Log more; -vv logs most.",
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Typed beats the environment, and the later one beats the earlier."""
    name = param.name or ""
    source = ctx.get_parameter_source(name)
    if source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
        given(ctx)[name] = value


def _run(ctx: click.Context) -> Run:
    root = ctx.find_root()
    if _RUN not in root.meta:
        run = root.meta[_RUN] = Run(given(ctx))
        root.color = run.color
    found: Run = root.meta[_RUN]
    return found


def _log(level: str) -> None:
    import logging

    logging.basicConfig(
        level=level.upper(), format="%(levelname)s %(name)s: %(message)s", force=True
    )


def _loop_factory() -> Callable[[], Any] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], Any] = uvloop.new_event_loop
    return factory


def _plain(value: object) -> object:
    """Times as RFC 3339 UTC with microseconds; anything else as its text."""
    from datetime import UTC, datetime

    if isinstance(value, datetime):
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(timespec="microseconds") + "Z"
    return str(value)
