"""`devhook url`: where the running session takes events in."""

from devhook.cli.base import Run, command, pass_run
from devhook.errors import DevhookError


@command("url")
@pass_run
def url(run: Run) -> None:
    """Print the webhook URI of the running session, for scripts

    Whoever knows it can send events to this machine; it ends with the session.

    \b
      $ curl -d '{}' "$(devhook url)"
    """
    from devhook.store.live import running
    from devhook.system import is_alive

    settings = run.settings
    sessions = [
        session
        for session in running(settings.paths.state, is_alive)
        if session.profile == settings.profile and session.ready
    ]
    if not sessions:
        raise DevhookError(
            f"no session of profile {settings.profile} is running",
            hint="devhook up 3000",
        )
    newest = sessions[-1]
    run.emit(
        "url",
        webhook_uri=newest.webhook_uri,
        capture_url=newest.capture_url,
        public_url=newest.public_url,
        profile=newest.profile,
        session=newest.session,
        pid=newest.pid,
    )
    if not run.json:
        run.out(newest.webhook_uri or newest.capture_url)
