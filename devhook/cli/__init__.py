"""The way in from the terminal: the table of commands, and errors turned into text.

A command's module is imported when it is called; its line of help in the table lets
`devhook --help` do without it.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import click

from devhook.cli.base import Group, json_line, override, version
from devhook.core.http import printable
from devhook.errors import DevhookError, NotRestored

# name -> (module:attribute, the first line of its help)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": (
        "devhook.cli.up:up",
        "Open a tunnel, point the account at it, record and forward every event",
    ),
    "status": (
        "devhook.cli.status:status",
        "Show who holds the account and whether its session lives",
    ),
    "restore": (
        "devhook.cli.restore:restore",
        "Put back the webhook that a devhook session replaced",
    ),
    "events": (
        "devhook.cli.events:events",
        "List recorded events, the newest last",
    ),
    "show": (
        "devhook.cli.show:show",
        "Show one event: its request, signature, deliveries and attempts",
    ),
    "replay": (
        "devhook.cli.replay:replay",
        "Send recorded events again",
    ),
    "trigger": (
        "devhook.cli.trigger:trigger",
        "Send a realistic, signed event of TYPE, or a scenario",
    ),
    "url": (
        "devhook.cli.url:url",
        "Print the webhook URI of the running session, for scripts",
    ),
    "demo": (
        "devhook.cli.demo:demo",
        "Show the whole way on this machine, with no account and no network",
    ),
    "webhook": (
        "devhook.cli.webhook:webhook",
        "Show or change where the account sends its events",
    ),
    "secret": (
        "devhook.cli.secret:secret",
        "Show the secret that the account's deliveries are signed with",
    ),
    "profile": (
        "devhook.cli.profile:profile",
        "Keep named accounts with their credentials and defaults",
    ),
    "relay": (
        "devhook.cli.relay:relay",
        "Give laptops a public URL from a server of your own",
    ),
    "sandbox": (
        "devhook.cli.sandbox:sandbox",
        "Play the platform on this machine: account, events, deliveries, faults",
    ),
    "completion": (
        "devhook.cli.completion:completion",
        "Print the completion script of a shell",
    ),
}


class Table(Group):
    """The root: knows its commands by the table, loads the one that is called."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    @override
    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        rows = [(name, text) for name, (_, text) in COMMANDS.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"devhook {version()}")
        ctx.exit()


@click.command(
    "devhook", cls=Table, root=True, context_settings={"auto_envvar_prefix": "DEVHOOK"}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    allow_from_autoenv=False,
    callback=_show_version,
    help="Show the version and leave.",
)
def root() -> None:
    """Bring VoIPBIN's events to your own machine, keep them, play them again

    \b
    Try it with no account and no network:
      $ devhook demo

    Options stand before or after the command. In the environment they are
    DEVHOOK_PROFILE, DEVHOOK_JSON and so on, and those of a command
    DEVHOOK_UP_TUNNEL. DEVHOOK_HOME moves every file below one folder.
    """


def main(args: Sequence[str] | None = None) -> int:
    """The exit code of one run; the only place where an error becomes text.

    What is no error of ours is a bug, and keeps its traceback.
    """
    args = sys.argv[1:] if args is None else args
    given: dict[str, Any] = {}
    try:
        code = root.main(args, prog_name="devhook", standalone_mode=False, obj=given)
        sys.stdout.flush()
    except DevhookError as exc:
        code = _report(exc, given, args)
    except ExceptionGroup as group:
        code = _report(_only_error(group), given, args)
    except click.ClickException as exc:
        code = _report(_of_click(exc), given, args)
    except click.Abort as exc:
        code = _ended(exc, given, args)
    except BrokenPipeError:
        _silence_stdout()
        code = 1
    return code if isinstance(code, int) else 0


class _Misuse(DevhookError):
    exit_code = 2


def _of_click(exc: click.ClickException) -> DevhookError:
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    hint = f"{context.command_path if context else 'devhook'} --help"
    if isinstance(exc, click.NoSuchOption):
        if close := _near(exc.option_name, exc.possibilities or ()):
            hint = f"did you mean {' or '.join(close)}"
        return _Misuse(exc.message, hint=hint)
    return _Misuse(exc.format_message(), hint=hint)


def _ended(abort: click.Abort, given: dict[str, Any], args: Sequence[str]) -> int:
    """Ctrl-C before anything was changed, or a question that nobody answered."""
    if not isinstance(abort.__cause__ or abort.__context__, EOFError):
        return 130
    error = _Misuse(
        "standard input ended before the question was answered",
        hint="give the answer as a flag",
    )
    return _report(error, given, args)


def _near(option: str, possibilities: Iterable[str]) -> list[str]:
    """Those that are like it without their dashes too."""
    import difflib

    like = {name.strip("-"): name for name in possibilities}
    return [like[n] for n in difflib.get_close_matches(option.strip("-"), like, n=2)]


def _only_error(group: ExceptionGroup[Exception]) -> DevhookError:
    """The gravest of our errors in a group of nothing else; any other is a bug."""
    _, bugs = group.split(DevhookError)
    if bugs is not None:
        raise group
    return max(_flat(group), key=lambda error: isinstance(error, NotRestored))


def _flat(group: ExceptionGroup[Exception]) -> Iterator[DevhookError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _flat(error)
        else:
            yield cast("DevhookError", error)


def _report(error: DevhookError, given: dict[str, Any], args: Sequence[str]) -> int:
    """One line that names what failed, one with what to type next."""
    message = _one_line(error.message)
    hint = _one_line(error.hint or "devhook --help")
    as_json = given.get("json") or "--json" in args
    try:
        if as_json:
            fields = {"code": error.exit_code, "message": message, "hint": hint}
            click.echo(json_line("error", fields))
        if not (as_json and given.get("quiet")):
            click.echo(f"error: {message}\nhint: {hint}", err=True)
    except BrokenPipeError:
        _silence_stdout()
    return error.exit_code


def _one_line(text: str) -> str:
    return printable(" ".join(text.split())).removesuffix(".")


def _silence_stdout() -> None:
    """Keep the interpreter from flushing into the closed pipe once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
