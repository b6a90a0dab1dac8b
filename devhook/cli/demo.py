"""`devhook demo`: the whole way on one machine, by the commands a user would type.

A sandbox of the platform, a relay, a sample application with a bug, `up`, a scenario;
the failing event is found, the application mended, the event replayed; then the end,
and the proof that the account is as it was. Everything runs in a folder of its own and
in processes of its own, which are gone afterwards.
"""

from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run

if TYPE_CHECKING:
    from devhook.cli.stage import Stage

FIELDS = (
    "name",
    "detail",
    "email",
    "phone_number",
    "address",
    "webhook_method",
    "webhook_uri",
)


@command("demo")
@click.option("--keep", is_flag=True, help="Keep the folder with the recorded events.")
@pass_run
def demo(run: Run, keep: bool) -> int:
    """Show the whole way on this machine, with no account and no network

    \b
      $ devhook demo
    """
    from devhook.cli.stage import open_stage

    with open_stage(run, keep=keep) as stage:
        return _play(run, stage)


def _play(run: Run, stage: "Stage") -> int:
    run.say(f"Everything happens in {stage.folder}, in processes that end with this.\n")
    run.say("1. A platform to play with, a relay, and your application")
    production = stage.app("production.py", mended=True)
    sandbox = stage.sandbox(webhook_uri=f"http://127.0.0.1:{production}/voip")
    relay = stage.relay()
    port = stage.app("app.py", mended=False)
    before = stage.account(sandbox)
    run.say(
        f"   sandbox {sandbox['url']}, relay {relay['url']}, your app on port {port}"
    )
    run.say(f"   the account's webhook is {before['webhook_uri']}\n")

    run.say("2. Point the account at this machine")
    session = stage.up(port, sandbox, relay)

    run.say("\n3. Somebody is called and does not answer")
    stage.devhook("trigger", "--scenario", "outbound-no-answer", "--speed", "20")
    failed = stage.first_failure()
    event = failed["id"]
    run.say(f"\n4. Your application failed on event #{event}; this is what it was sent")
    stage.devhook("show", str(event))

    run.say("\n5. A call that was never answered has no tm_progressing: mend that")
    stage.mend(port)
    run.say("\n6. Send the same event again")
    replayed = stage.devhook("replay", str(event), check=False)

    run.say("\n7. The end: Ctrl-C, as you would")
    ended = stage.end(session)
    after = stage.account(sandbox)
    run.say("\n8. The account before and after, as its API shows it")
    same = _compared(run, before, after)
    run.emit(
        "summary",
        sent=stage.count_events(),
        ok=stage.count_events() - 1,
        failed=1,
        failed_event=event,
        replayed_ok=replayed == 0,
        up_exit_code=ended,
        account_unchanged=same,
    )
    if same and replayed == 0 and ended == 0:
        run.say("\nAll seven fields are what they were. That was devhook.")
        return 0
    run.warn("the demo did not end as it should: please report what stands above")
    return 1


def _compared(run: Run, before: dict[str, str], after: dict[str, str]) -> bool:
    for name in FIELDS:
        old, new = before.get(name, ""), after.get(name, "")
        mark = "same" if old == new else f"NOW {new!r}"
        run.say(f"   {name:<15} {old or '(empty)':<40} {mark}")
    return all(before.get(name, "") == after.get(name, "") for name in FIELDS)
