"""How long the platform waits, in seconds: settable, so that tests are quick."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Defaults as in voipbin/monorepo `bin-webhook-manager/pkg/webhookhandler`.

    `cache_delay` alone is ours: when the sender hears of a changed account, which the
    platform does by a message of its own, in no stated time.
    """

    connect: float = 10.0
    tls: float = 10.0
    headers: float = 15.0  # from the request to the answer's headers
    total: float = 30.0  # one attempt with all its redirects
    pause: float = 1.0  # between two attempts
    cache_delay: float = 0.02  # 0: at once
