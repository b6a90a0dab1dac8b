"""All that a sandbox holds: its Python face and its control address act on it."""

from collections import deque
from dataclasses import dataclass, field

from devhook.sandbox.account import Account
from devhook.sandbox.background import Background
from devhook.sandbox.call import ApiRequest
from devhook.sandbox.emitter import Emitter
from devhook.sandbox.faults import Faults
from devhook.sandbox.sender import Sender

_KEPT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`seed` shuffles what is sent in a burst; None keeps the order."""

    account: Account
    sender: Sender
    emitter: Emitter
    work: Background
    seed: int | None
    faults: Faults = field(default_factory=Faults)
    requests: deque[ApiRequest] = field(
        default_factory=lambda: deque(maxlen=_KEPT_REQUESTS)
    )

    def reset(self) -> None:
        """As it was when it opened; what is still under way is given up."""
        self.work.cancel()
        self.account.reset()
        self.sender.deliveries.clear()
        self.faults.clear()
        self.requests.clear()
