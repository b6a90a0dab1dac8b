"""`devhook show`: one recorded event, whole."""

import sys
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.filters import need_reader, unknown
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.cli.detail import Detail
    from devhook.core.model import Event
    from devhook.store.reader import Reader

_ANY_APP = "http://127.0.0.1:3000/"


@command("show")
@click.argument("event_id", metavar="ID")
@click.option("--body", is_flag=True, help="Print the body alone, byte for byte.")
@click.option(
    "--raw",
    is_flag=True,
    help="Print the request, byte for byte but for the secret in its path.",
)
@click.option(
    "--as",
    "snippet",
    type=click.Choice(["curl", "httpie", "python"]),
    help="Print what sends it to your application again.",
)
@pass_run
def show(run: Run, event_id: str, body: bool, raw: bool, snippet: str | None) -> None:
    """Show one event: its request, signature, deliveries and attempts

    With -v, the bodies of your application's answers are not shortened.

    \b
      $ devhook show 412
      $ devhook show 412 --body | jq .data.status
      $ devhook show 412 --as curl
    """
    if body + raw + (snippet is not None) + run.json > 1:
        raise UsageError(
            "--body, --raw, --as and --json exclude each other",
            hint=f"devhook show {event_id} --body",
        )
    number = _number(event_id)
    with need_reader(run, f"event {number}") as reader:
        detail = _detail(reader, number)
        target = reader.latest_live_target(number)
    if body:
        _write(detail.event.request.body)
    elif raw:
        from devhook.cli.detail import raw_request

        _write(raw_request(detail.event.request))
    elif snippet is not None:
        _print_snippet(run, detail.event, snippet, target)
    elif run.json:
        from devhook.cli.detail import detail_object

        run.emit("event", **detail_object(detail))
    else:
        from devhook.cli.detail import page
        from devhook.system import SystemClock

        whole = run.verbose > 0
        run.out("\n".join(page(detail, SystemClock().now(), whole=whole)))


def _number(text: str) -> int:
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise UsageError(
            f"{text!r} is no event id", hint="devhook events shows them: #412 is 412"
        )
    return int(digits)


def _detail(reader: "Reader", event_id: int) -> "Detail":
    from devhook.cli.detail import Detail
    from devhook.store.query import status_of

    with reader.snapshot():
        event = reader.event(event_id)
        if event is None:
            raise unknown(reader, event_id)
        return Detail(
            event=event,
            status=status_of(reader, event_id),
            deliveries=reader.deliveries_of(event_id),
            attempts=reader.attempts_of(event_id),
        )


def _print_snippet(run: Run, event: "Event", form: str, target: str | None) -> None:
    from devhook.cli.snippets import FORMS
    from devhook.core.path_secret import IN_A_URL, masked
    from devhook.core.target import parse_target

    known = target or run.settings.target
    if known is None:
        run.say(f"The event was never forwarded; this sends it to {_ANY_APP}")
    request = masked(event.request, IN_A_URL)
    run.out(FORMS[form](request, parse_target(known or _ANY_APP)))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
