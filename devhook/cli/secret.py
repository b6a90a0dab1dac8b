"""`devhook secret`: the account's signing secret, for whoever verifies signatures."""

import sys

from devhook.cli.base import Run, group, pass_run
from devhook.errors import DevhookError


@group("secret")
def secret() -> None:
    """Show the secret that the account's deliveries are signed with

    \b
      $ devhook secret show
    """


@secret.command("show")
@pass_run
def show(run: Run) -> None:
    """Print the account's webhook secret, and nothing else

    \b
      $ devhook secret show
      $ export WEBHOOK_SECRET="$(devhook secret show -q)"
    """
    settings = run.settings
    credential = settings.account_credential()

    async def found() -> str | None:
        from devhook.provider.client import AccountClient

        async with AccountClient(
            settings.api_url, credential, settings.network
        ) as client:
            return (await client.get()).webhook_secret

    value = run.main(found())
    if value is None:
        raise DevhookError(
            f"{settings.api_url} gives no webhook secret for this account",
            hint="older deployments sign nothing; there is no secret to check against",
        )
    run.emit("secret", webhook_secret=value)
    if not run.json:
        run.out(value)
        if sys.stdout.isatty():
            run.say("Keep it out of repositories, logs and chats.")
