"""`devhook sandbox`: the platform on this machine, until Ctrl-C."""

from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from devhook.core.model import Json
    from devhook.sandbox import Moment, Sandbox

    Opening = AbstractAsyncContextManager[Sandbox]


@command("sandbox")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:4010",
    show_default=True,
    help="Where to listen, on loopback; port 0 takes a free one.",
)
@click.option("--webhook-uri", metavar="URI", default="", help="Set on the account.")
@click.option(
    "--webhook-method",
    type=click.Choice(["POST", "GET", "PUT", "DELETE"]),
    help="Set on the account; POST where there is a URI.",
)
@click.option(
    "--strict-targets",
    is_flag=True,
    help="Refuse loopback and private targets, as the platform does.",
)
@click.option(
    "--rate-limit",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    help="Answer 429 above so many requests a second; the platform: 17.",
)
@click.option("--seed", metavar="N", type=int, help="Shuffle bursts, repeatably.")
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate.")
@click.option("--tls-key", metavar="FILE", help="Its key, if in a file of its own.")
@pass_run
def sandbox(
    run: Run,
    listen: str,
    webhook_uri: str,
    webhook_method: str | None,
    strict_targets: bool,
    rate_limit: float | None,
    seed: int | None,
    tls_cert: str | None,
    tls_key: str | None,
) -> None:
    """Play the platform on this machine: account, events, deliveries, faults

    It behaves as VoIPBIN does, with credentials that everybody knows: for tests,
    for demonstrations, and for a first look without an account.

    \b
      $ devhook sandbox
      $ devhook sandbox --listen 127.0.0.1:0 --webhook-uri http://127.0.0.1:3000/hook
    """
    from devhook.cli.serving import address, tls
    from devhook.sandbox import Customer, Sandbox
    from devhook.system import SystemClock, new_id

    run.settles = False
    host, port = address(listen, "127.0.0.1:4010")
    method = webhook_method or ("POST" if webhook_uri else "")
    opening = Sandbox.open(
        clock=SystemClock(),
        new_id=new_id,
        catalogue=_catalogue(),
        scenarios=_scenarios(),
        customer=Customer(webhook_uri=webhook_uri, webhook_method=method),
        host=host,
        port=port,
        ssl_context=tls(tls_cert, tls_key),
        strict_targets=strict_targets,
        rate_limit=rate_limit,
        seed=seed,
    )
    run.main(_serve(run, opening))


async def _serve(run: Run, opening: "Opening") -> None:
    from devhook.cli.serving import asked_to_end

    asked = asked_to_end()  # before anybody can know that we are ready
    async with opening as opened:
        _announce(run, opened)
        await asked.wait()


def _announce(run: Run, opened: "Sandbox") -> None:
    account = opened.account
    run.emit(
        "ready",
        url=opened.url,
        api_url=opened.api_url,
        control_url=opened.control_url,
        customer_id=account.id,
        access_key=opened.access_key,
        webhook_secret=account.webhook_secret,
        webhook_uri=account.webhook_uri,
        webhook_method=account.webhook_method,
    )
    run.say(f"Sandbox of the platform at {opened.url}. Ctrl-C ends it.\n")
    run.say("For devhook, in another terminal:")
    run.say(f"  export DEVHOOK_API_URL={opened.api_url}")
    run.say(f"  export DEVHOOK_ACCESS_KEY={opened.access_key}\n")
    run.say("To make an event happen, and to see what else there is:")
    run.say(f"""  curl {opened.control_url}/emit -d '{{"type": "call_hangup"}}'""")
    run.say(f"  curl {opened.control_url}/\n")
    run.say("Logins admin@localhost, manager@localhost and agent@localhost have their")
    run.say("name as password.")


def _catalogue() -> "dict[str, Json]":
    """The first event of each shipped type."""
    import json

    from devhook import shipped

    return {
        event_type: json.loads(shipped.event(event_type).events[0].body)
        for event_type in shipped.event_types()
    }


def _scenarios() -> "dict[str, list[Moment]]":
    from devhook import shipped
    from devhook.sandbox import Moment

    return {
        name: [
            Moment(offset_ms=event.offset_ms, body=event.body)
            for event in shipped.scenario(name).events
        ]
        for name in shipped.scenarios()
    }
