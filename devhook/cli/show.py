"""`devhook show` and `devhook url`: one event whole, and where events come in."""

import sys
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.filters import need_reader, unknown
from devhook.errors import DevhookError

if TYPE_CHECKING:
    from devhook.core.model import Attempt, Delivery, Event

_SHORT = 300


@command("show")
@click.argument("event_id", metavar="ID", type=click.IntRange(1))
@click.option("--body", is_flag=True, help="Print the body alone, byte for byte.")
@click.option("--raw", is_flag=True, help="Print the request as it came.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["curl", "httpie", "python"]),
    help="Print it as a command or program that sends it again.",
)
@pass_run
def show(run: Run, event_id: int, body: bool, raw: bool, form: str | None) -> None:
    """Show one event: its request, signature, deliveries and attempts

    \b
      $ devhook show 412
      $ devhook show 412 --body | jq .data.status
      $ devhook show 412 --as curl
    """
    with need_reader(run, f"event {event_id}") as reader:
        event = reader.event(event_id)
        if event is None:
            raise unknown(reader, event_id)
        deliveries = reader.deliveries_of(event_id)
        attempts = reader.attempts_of(event_id)
        target = reader.latest_live_target(event_id)
    if body:
        sys.stdout.buffer.write(event.request.body)
    elif raw:
        _raw(event)
    elif form is not None:
        from devhook.cli import snippets

        run.out(snippets.FORMS[form](event, target or "http://127.0.0.1:3000/"))
    elif run.json:
        _as_object(run, event, deliveries, attempts)
    else:
        _for_people(run, event, deliveries, attempts)


def masked_target(target: str) -> str:
    """The raw target without the path secret: its last segment, up to the query."""
    path, question, query = target.partition("?")
    return f"{path.rpartition('/')[0]}/…{question}{query}"


def _raw(event: "Event") -> None:
    request = event.request
    head = [
        f"{request.method} {masked_target(request.target)} HTTP/1.1".encode(),
        *(f"{name}: {value}".encode("latin-1") for name, value in request.headers),
    ]
    sys.stdout.buffer.write(b"\r\n".join([*head, b"", request.body]))


def _as_object(
    run: Run, event: "Event", deliveries: "list[Delivery]", attempts: "list[Attempt]"
) -> None:
    import base64

    from devhook.cli import lines
    from devhook.core.account_api import mask_url

    request = event.request
    run.emit(
        "event",
        **lines.event_object(event),
        method=request.method,
        target=masked_target(request.target),
        headers=[list(pair) for pair in request.headers],
        body_base64=base64.b64encode(request.body).decode(),
        deliveries=[
            {
                "id": delivery.id,
                "kind": delivery.kind,
                "target": mask_url(delivery.target),
                "state": delivery.state,
                "reason": delivery.reason,
                "edits": delivery.edits,
            }
            for delivery in deliveries
        ],
        attempts=[lines.attempt_object(attempt) for attempt in attempts],
    )


def _for_people(
    run: Run, event: "Event", deliveries: "list[Delivery]", attempts: "list[Attempt]"
) -> None:
    from devhook.cli import lines
    from devhook.core.http import printable

    request = event.request
    run.out(lines.event_line(event))
    run.out(f"  session {event.session_id}, {event.source}, {event.uid}\n")
    run.out(f"{request.method} {printable(masked_target(request.target))}")
    for name, value in request.headers:
        run.out(f"{printable(name)}: {printable(value)}")
    run.out("")
    run.out(_shown_body(request.body))
    for delivery in deliveries:
        _delivery(run, delivery, [a for a in attempts if a.delivery_id == delivery.id])


def _delivery(run: Run, delivery: "Delivery", attempts: "list[Attempt]") -> None:
    from devhook.cli import lines
    from devhook.core.account_api import mask_url
    from devhook.core.http import printable
    from devhook.core.verdict import EXPLANATION

    why = f" ({delivery.reason})" if delivery.reason else ""
    where = printable(mask_url(delivery.target))
    run.out(f"\n{delivery.kind} to {where}: {delivery.state}{why}")
    for attempt in attempts:
        outcome = attempt.outcome
        answer = outcome.status or printable(outcome.error or "no answer")
        text = f"  {lines.clock_time(outcome.started_at)}  {answer}"
        text += f"  {lines.millis(outcome.seconds)}  {EXPLANATION[attempt.verdict]}"
        run.out(text.rstrip())
        if outcome.body:
            body = printable(outcome.body.decode("utf-8", "replace"))
            cut = body if run.verbose or len(body) <= _SHORT else f"{body[:_SHORT]}…"
            run.out(f"      {cut}")


def _shown_body(body: bytes) -> str:
    """JSON indented, else text with its control characters visible, else its size."""
    import json

    from devhook.core.http import printable

    try:
        indented = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return f"({len(body)} bytes, no text: devhook show ID --body gives them)"
        return "\n".join(printable(line) for line in text.splitlines())
    return "\n".join(printable(line) for line in indented.splitlines())


@command("url")
@pass_run
def url(run: Run) -> None:
    """Print the webhook URI of the running session, for scripts

    \b
      $ curl -d '{}' "$(devhook url)"
    """
    from devhook.store.live import running
    from devhook.system import is_alive

    settings = run.settings
    live = [
        session
        for session in running(settings.paths.state, is_alive)
        if session.profile == settings.profile and session.ready
    ]
    if not live:
        raise DevhookError(
            f"no session of profile {settings.profile} is running",
            hint="devhook up 3000",
        )
    run.emit("url", webhook_uri=live[-1].webhook_uri, capture_url=live[-1].capture_url)
    if not run.json:
        run.out(live[-1].webhook_uri or live[-1].capture_url)
