"""`devhook completion`: what a shell needs to complete commands and options."""

import click

from devhook.cli.base import Run, command, pass_run


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_run
def completion(run: Run, shell: str) -> None:
    """Print the completion script of a shell

    \b
      $ devhook completion bash >> ~/.bashrc
      $ devhook completion zsh > "${fpath[1]}/_devhook"
      $ devhook completion fish > ~/.config/fish/completions/devhook.fish
    """
    from click.shell_completion import get_completion_class

    from devhook.cli import root

    kind = get_completion_class(shell)
    if kind is not None:
        run.out(kind(root, {}, "devhook", "_DEVHOOK_COMPLETE").source())
