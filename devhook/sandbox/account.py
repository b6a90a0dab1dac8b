"""The account as it changes: the customer now and before, and when the sender hears.

The sender's copy follows by a message of its own after each change. Every message
carries the setting of its change, and nothing holds them in order: a late one puts an
old setting back (voipbin/monorepo `bin-webhook-manager/pkg/subscribehandler`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devhook.core.clock import Clock
from devhook.sandbox.background import Background
from devhook.sandbox.customer import Customer
from devhook.sandbox.sender import Sender, Setting
from devhook.sandbox.timing import Timing


class Account:
    """What the API writes and reads, and a colleague too."""

    def __init__(
        self,
        customer: Customer,
        *,
        sender: Sender,
        work: Background,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._history = [(clock.monotonic(), customer)]
        self._sender = sender
        self._work = work
        self._clock = clock
        sender.setting = setting_of(customer)
        self._cache_delay = timing.cache_delay

    def reset(self) -> None:
        """Back to the customer it began with, for the sender at once too."""
        first = self._history[0][1]
        self._history = [(self._clock.monotonic(), first)]
        self._sender.setting = setting_of(first)

    @property
    def now(self) -> Customer:
        return self._history[-1][1]

    def ago(self, seconds: float) -> Customer:
        """What a replica shows that lags so far behind."""
        until = self._clock.monotonic() - seconds
        known = [customer for at, customer in self._history if at <= until]
        return known[-1] if known else self._history[0][1]

    def changed(self, fields: Mapping[str, str]) -> Customer:
        """What a change to these fields would make of the customer."""
        changes: dict[str, Any] = {**fields, "updated_at": self._clock.now()}
        customer = replace(self.now, **changes)
        if fields.get("status") == "frozen":
            return replace(customer, deletion_scheduled_at=customer.updated_at)
        return customer

    def change(
        self, fields: Mapping[str, str], *, cache_after: float | None = None
    ) -> Customer:
        customer = self.changed(fields)
        self._history.append((self._clock.monotonic(), customer))
        after = self._cache_delay if cache_after is None else cache_after
        if after > 0:
            self._work.start(self._tell_sender(setting_of(customer), after))
        else:
            self._sender.setting = setting_of(customer)
        return customer

    def change_later(
        self, fields: Mapping[str, str], seconds: float, *, cache_after: float | None
    ) -> None:
        self._work.start(self._change_later(fields, seconds, cache_after))

    async def _change_later(
        self, fields: Mapping[str, str], seconds: float, cache_after: float | None
    ) -> None:
        await self._clock.sleep(seconds)
        self.change(fields, cache_after=cache_after)

    async def _tell_sender(self, setting: Setting, after: float) -> None:
        await self._clock.sleep(after)
        self._sender.setting = setting


def setting_of(customer: Customer) -> Setting:
    return Setting(
        uri=customer.webhook_uri,
        method=customer.webhook_method,
        secret=customer.webhook_secret,
    )
