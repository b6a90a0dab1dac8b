"""Record, point webhook_uri at the tunnel, and put the root back.

All decisions are made in `core/takeover`; here they are carried out, in this order: the
record is on disk before the account is changed, two equal GETs come right before the
PUT, and what a PUT came to is what GETs show. `Hold.end` is the one way back, for a
clean exit and for the recovery of a record that a dead process left alike; the watchdog
process will call the same decisions from its own, synchronous, loop.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from devhook.core import takeover as core
from devhook.core.clock import Clock
from devhook.core.http import CHALLENGE
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.signature import challenge_answer
from devhook.errors import (
    ChangedElsewhere,
    ProviderError,
    Refused,
    StoreError,
    TakeoverError,
    Throttled,
    Unreachable,
)
from devhook.provider.client import AccountClient
from devhook.send import Sender, Sending
from devhook.store.takeovers import Takeovers

SPACING = 1.0
"""Seconds between two PUTs: the sender's cache may otherwise keep the older one."""

SEEN_WITHIN = 10.0
LONGEST_PAUSE = 10.0
"""Seconds between two tries to restore, whatever the API asks for."""

_PROBES = 3


class Ending(StrEnum):
    RESTORED = "restored"
    FOREIGN = "foreign"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Restored:
    """How a takeover ended and what the account says now (None: it could not tell)."""

    ending: Ending
    setting: Setting | None
    error: str | None = None


class Hold:
    """One takeover of one account, from its record to its end."""

    def __init__(
        self,
        client: AccountClient,
        takeovers: Takeovers,
        clock: Clock,
        *,
        bound: float,
        record: Takeover | None = None,
    ) -> None:
        self.record = record
        self._client = client
        self._takeovers = takeovers
        self._clock = clock
        self._bound = bound
        self._put_at: float | None = None
        self._unknown_until: datetime | None = None

    @property
    def error(self) -> str | None:
        """What kept the last try from coming to an end."""
        return None if self.record is None else self.record.error

    async def prepare(
        self,
        account: Account,
        uri: str,
        *,
        api_url: str,
        profile: str,
        session_id: int,
        process: str,
    ) -> Account:
        """Record what is to be changed; the account as the PUT is to find it.

        `account` is how it was classified. Nothing is sent. Raises ChangedElsewhere
        when somebody changes it meanwhile, StoreError when the record cannot be kept.
        """
        before = await self._settled(account)
        root = core.root_of(before)
        self.record = self._takeovers.add(
            api_url=api_url,
            account_id=before.id,
            account_name=before.name,
            profile=profile,
            session_id=session_id,
            process=process,
            mine=core.with_marker(uri, root),
            root=root,
            at=self._clock.now(),
        )
        try:
            return await self._unchanged(before)
        except BaseException:
            self._note(Stage.RESTORED, error="nothing was sent")
            raise

    async def point(self, before: Account) -> Takeover:
        """Send the PUT and wait until it shows; the record, now active.

        Raises Refused when we may not, ChangedElsewhere when somebody was quicker,
        TakeoverError when our setting never shows: call `end` then.
        """
        mine = Setting(uri=self._held().mine, method=core.OURS)
        self.record = self._takeovers.advance(
            self._held(), Stage.PUT_SENT, self._clock.now()
        )
        self._put_at = self._clock.monotonic()
        unknown: str | None = None
        try:
            await self._client.put(core.fields_with(before, mine))
        except Refused as exc:
            self._note(Stage.RESTORED, error=exc.message)
            raise
        except ProviderError as exc:
            unknown = exc.message
        await self._seen(before, mine, unknown)
        return self._held()

    async def look(self) -> Setting | None:
        """What the account says when it is no longer ours; None while it is."""
        account = await self._account()
        if core.is_ours(self._held(), account.webhook_uri):
            return None
        return Setting(uri=account.webhook_uri, method=account.webhook_method)

    async def end(self) -> Restored:
        """Put the root back, trying for as long as it takes: bound it by a timeout.

        Returns `unconfirmed` only when the API refuses us; the record stays open then.
        """
        if self._held().stage is Stage.PREPARED:
            self._note(Stage.RESTORED, error="nothing was sent")
            return Restored(Ending.RESTORED, self._held().root)
        pause = 0.5
        while True:
            try:
                settled = await self._step()
            except Refused as exc:
                self._refused(exc)
                return Restored(Ending.UNCONFIRMED, None, exc.message)
            except ProviderError as exc:
                self._note(self._held().stage, error=exc.message)
                wanted = exc.retry_after if isinstance(exc, Throttled) else 0.0
                await self._clock.sleep(max(pause, min(wanted, LONGEST_PAUSE)))
                pause = min(LONGEST_PAUSE, pause * 2)
            else:
                if settled is not None:
                    return settled

    async def repeat(self) -> None:
        """PUT the root once more, if it is still what the account says.

        For a sender that still goes by our setting: its copy follows PUTs in no order.
        """
        root = self._held().root
        with suppress(ProviderError):  # the account is as it should be all the same
            account = await self._client.get()
            if Setting(uri=account.webhook_uri, method=account.webhook_method) == root:
                await self._client.put(core.fields_with(account, root))

    # --- inside ----------------------------------------------------------------------

    async def _step(self) -> Restored | None:
        """One GET and what follows from it; None when another look is needed."""
        account = await self._account()
        record = self._held()
        decision = core.to_restore(
            record,
            account,
            now=self._clock.now(),
            bound=self._bound,
            unknown_until=self._unknown_until,
        )
        match decision:
            case core.Put():
                await self._spaced()
                self._note(Stage.RESTORING)
                await self._restore(decision.fields)
                return None
            case core.Wait():
                await self._clock.sleep(min(1.0, self._bound / 10))
                return None
            case core.Done():
                self._note(Stage.RESTORED)
                return Restored(Ending.RESTORED, record.root)
            case core.Leave():
                self._note(Stage.SUPERSEDED)
                return Restored(Ending.FOREIGN, decision.found)

    async def _restore(self, fields: dict[str, str]) -> None:
        self._put_at = self._clock.monotonic()
        try:
            await self._client.put(fields)
        except Unreachable as exc:
            if not exc.answered:
                bound = timedelta(seconds=self._bound)
                self._unknown_until = self._clock.now() + bound
            raise

    async def _account(self) -> Account:
        """The account of the record; Refused when the credential is of another."""
        account = await self._client.get()
        if account.id != self._held().account_id:
            raise Refused(
                "the credential is of another account than the one to restore",
                hint="devhook restore -p PROFILE, with the profile that was taken over",
            )
        return account

    def _refused(self, exc: Refused) -> None:
        """Not settled; but a PUT that may be under way is not forgotten for it."""
        stage = self._held().stage
        if stage is not Stage.PUT_SENT:
            stage = Stage.UNRESOLVED
        self._note(stage, error=exc.message)

    async def _settled(self, account: Account) -> Account:
        """The account must still be what was classified when the record is made."""
        now = await self._client.get()
        if now.id != account.id or not _same_setting(now, account):
            raise ChangedElsewhere(
                "the account's webhook was changed while devhook was starting",
                hint="look with `devhook webhook show`, then start again",
            )
        return now

    async def _unchanged(self, before: Account) -> Account:
        """The second of two equal GETs, right before the PUT."""
        for _ in range(3):
            again = await self._client.get()
            if core.same_before_put(before, again):
                return again
            if not _same_setting(again, before):
                break
            before = again
        raise ChangedElsewhere(
            "somebody is changing the account right now",
            hint="look with `devhook webhook show`, then start again",
        )

    async def _seen(self, before: Account, mine: Setting, unknown: str | None) -> None:
        """Wait until a GET shows our setting, and the other fields as they were."""
        deadline = self._clock.monotonic() + SEEN_WITHIN
        pause = 0.1
        while self._clock.monotonic() < deadline:
            try:
                after = await self._client.get()
            except Refused:
                raise
            except ProviderError as exc:
                unknown = exc.message
            else:
                if self._judge(before, mine, after):
                    return
            await self._clock.sleep(pause)
            pause = min(2.0, pause * 2)
        why = f": {unknown}" if unknown else ""
        raise TakeoverError(
            f"the account does not show our webhook after the PUT{why}",
            hint="devhook status tells whether it is settled",
        )

    def _judge(self, before: Account, mine: Setting, after: Account) -> bool:
        match core.sight(before, mine, after):
            case core.Sight.MINE:
                self._note(Stage.ACTIVE)
                return True
            case core.Sight.STRIPPED:
                self._note(Stage.ACTIVE, mine=after.webhook_uri)
                return True
            case core.Sight.NOT_YET:
                return False
            case core.Sight.FOREIGN:
                raise ChangedElsewhere(
                    "somebody else changed the account's webhook at the same moment",
                    hint="look with `devhook webhook show`, then start again",
                )
            case core.Sight.DAMAGED:
                raise TakeoverError(
                    "the account did not keep its other fields after our PUT",
                    hint="compare them in the console: name, detail, email, address",
                )

    async def _spaced(self) -> None:
        if self._put_at is not None:
            left = self._put_at + SPACING - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(left)

    def _note(
        self, stage: Stage, *, mine: str | None = None, error: str | None = None
    ) -> None:
        """Keep how far it came; a full disk must not keep a restore from its end."""
        record, now = self._held(), self._clock.now()
        try:
            self.record = self._takeovers.advance(
                record, stage, now, mine=mine, error=error
            )
        except StoreError:
            self.record = replace(
                record, stage=stage, mine=mine or record.mine, error=error
            )

    def _held(self) -> Takeover:
        if self.record is None:
            raise RuntimeError("no takeover was begun")
        return self.record


def _same_setting(one: Account, two: Account) -> bool:
    return (one.webhook_uri, one.webhook_method) == (
        two.webhook_uri,
        two.webhook_method,
    )


async def challenge(sender: Sender, uri: str, nonce: str, within: float) -> bool:
    """Whether who answers at this webhook URI holds its path secret.

    A bare 2xx is not life: recycled tunnel names answer too.
    """
    base = uri.partition("#")[0]
    secret = base.partition("?")[0].rpartition("/")[2]
    outcome = await sender.send(
        Sending(
            method="GET",
            url=base,
            headers=((CHALLENGE, nonce), ("User-Agent", "devhook")),
            body=b"",
            timeout=within,
        )
    )
    expected = challenge_answer(secret, nonce).encode()
    return outcome.status == 200 and outcome.body == expected


async def is_live(sender: Sender, uri: str, nonces: list[str], clock: Clock) -> bool:
    """Whether another devhook holds the account: asked thrice over some seconds."""
    for attempt, nonce in enumerate(nonces[:_PROBES]):
        if attempt:
            await clock.sleep(2.0)
        if await challenge(sender, uri, nonce, within=3.0):
            return True
    return False


async def recover(
    client: AccountClient,
    takeovers: Takeovers,
    record: Takeover,
    clock: Clock,
    *,
    bound: float,
    within: float,
) -> Restored:
    """Settle a record whose process is gone; `unconfirmed` when it took too long."""
    hold = Hold(client, takeovers, clock, bound=bound, record=record)
    try:
        async with asyncio.timeout(within):
            return await hold.end()
    except TimeoutError:
        error = hold.error or "the API did not answer"
        return Restored(Ending.UNCONFIRMED, None, error)
