"""Every command says what it does, and shows how."""

import click
import pytest

from devhook.cli import COMMANDS, root


def commands(
    command: click.Command, parent: click.Context | None = None
) -> list[tuple[str, click.Command]]:
    """The whole tree, each by what is typed to reach it."""
    context = click.Context(command, parent, info_name=command.name)
    found = [(context.command_path, command)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            found += commands(child, context)
    return found


ALL = commands(root)
every_command = pytest.mark.parametrize(
    ("path", "command"), ALL, ids=[path for path, _ in ALL]
)


def first_line(command: click.Command) -> str:
    return (command.help or "").strip().splitlines()[0]


@every_command
def test_help_starts_with_an_imperative_line(path: str, command: click.Command) -> None:
    """A capital letter, a verb that is told, no full stop, one line of a terminal."""
    line = first_line(command)
    verb = line.split()[0]
    assert verb[0].isupper()
    assert verb.endswith("ss") or not verb.endswith("s"), verb
    assert not line.endswith(".")
    assert len(line) <= 80


@every_command
def test_help_shows_a_line_to_type(path: str, command: click.Command) -> None:
    """An example that starts with devhook and, but for the root, this very command."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    examples = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    wanted = "devhook " if command is root else path
    assert any(wanted in example for example in examples), examples


@every_command
def test_every_option_has_help(path: str, command: click.Command) -> None:
    """Also the hidden ones."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


@every_command
def test_the_global_options_belong_to_every_command(
    path: str, command: click.Command
) -> None:
    """They may stand before or after its name, so no option of its own may hide one."""
    names = [name for parameter in command.params for name in parameter.opts]
    globals_ = {
        "-p", "--profile", "--api-url", "--access-key", "--token", "--ca-file",
        "--insecure", "--json", "--color", "--log-level", "-q", "-v",
    }  # fmt: skip
    assert globals_ <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    """The table lets `devhook --help` do without importing the command."""
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.name == name
    assert COMMANDS[name][1] == first_line(command)
