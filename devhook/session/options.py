"""What `up` is asked to do, as one frozen value."""

from dataclasses import dataclass

from devhook.core.http import Headers
from devhook.core.target import Routes
from devhook.tunnel import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `up` was asked to do. Durations are seconds.

    `patience` is how long a restore is waited for, None for as long as it takes.
    """

    routes: Routes
    tunnel: Choice
    overrides: Headers = ()
    keep_host: bool = False
    ack_app: bool = False
    mirror: bool = True
    require_signature: bool = False
    concurrency: int = 16
    timeout: float = 30.0
    retries: int = 0
    lifetime: float | None = None
    supersede: bool = False
    listen: tuple[str, int] = ("127.0.0.1", 0)
    patience: float | None = None
