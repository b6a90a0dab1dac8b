"""Carries out what `core/taking` and `core/restoring` decide, over the account client.

The record is on disk, and with the guardian, before the step that follows it. A restore
is the guardian's, the clean one too; where there is none, in the recovery of a record
that a dead run left and when it was lost, the same machine is driven from here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from devhook import system
from devhook.core.clock import Clock
from devhook.core.http import CHALLENGE
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.path_secret import path_secret
from devhook.core.restoring import begin_restoring
from devhook.core.signature import challenge_answer
from devhook.core.takeover import (
    Accepted,
    Action,
    Answer,
    Ending,
    Get,
    Keep,
    Kept,
    NotTaken,
    Pause,
    Put,
    Rested,
    Restored,
    Shown,
    Stale,
    Took,
    changed_back,
    failure,
    in_time,
    is_fresh,
    is_ours,
    setting_of,
    to_repeat,
)
from devhook.core.taking import Taking, Who
from devhook.errors import ProviderError, Refused, StoreError
from devhook.provider.client import AccountClient
from devhook.send import Sender, Sending
from devhook.store.takeovers import Takeovers
from devhook.watchdog import GuardianLost, Watchdog

_PROBES = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a held account showed.

    `foreign` is the setting that took the place of ours; `was_written` when somebody
    wrote the account since the last look and all is as it was, our setting included.
    """

    foreign: Setting | None = None
    was_written: bool = False


class Hold:
    """One session's hold on one account: taken, looked at, given back, taken again."""

    def __init__(
        self,
        client: AccountClient,
        takeovers: Takeovers,
        clock: Clock,
        *,
        bound: float,
        watchdog: Watchdog | None = None,
        record: Takeover | None = None,
    ) -> None:
        self._client = client
        self._takeovers = takeovers
        self._clock = clock
        self._bound = bound
        self._watchdog = watchdog
        self._record = record
        self._taking: Taking | None = None
        self._read: Account | None = None
        self._who = "recovery" if record else "up"
        self._alone = watchdog is None
        self._is_given_back = False

    @property
    def record(self) -> Takeover | None:
        """The newest, also where the guardian moved it on; None before the first."""
        if self._alone or self._watchdog is None:
            return self._record
        return self._watchdog.record or self._record

    @property
    def error(self) -> str | None:
        """What keeps a restore from coming to an end."""
        if self._watchdog is not None and self._watchdog.trouble:
            return self._watchdog.trouble
        return None if self._record is None else self._record.error

    async def prepare(
        self, account: Account, uri: str, who: Who, root: Setting | None = None
    ) -> None:
        """Record what is to be changed; nothing is sent.

        `account` is how it was classified, `root` what is to be restored: None is what
        the account itself says. Raises ChangedElsewhere when somebody
        changes it meanwhile, StoreError when the record cannot be kept, GuardianLost
        when nobody would look after it.
        """
        self._record = None
        self._is_given_back = False
        taking = Taking(who=who, uri=uri, before=account, root=root)
        self._taking = await self._driven(taking, until=_is_to_be_sent)
        self._raise_if_not_taken(self._taking)

    async def point(self) -> Takeover:
        """Send the PUT and wait until it shows; the record, now active.

        Raises Refused when we may not, ChangedElsewhere when somebody was quicker,
        TakeoverError when our setting never shows: call `end` then.
        """
        if self._taking is None:
            raise RuntimeError("no takeover was prepared")
        self._taking = await self._driven(self._taking, until=lambda _: False)
        self._raise_if_not_taken(self._taking)
        return self._held()

    async def look(self) -> Look:
        """Whether the account is still ours."""
        if self._held().stage is not Stage.ACTIVE:
            return Look()  # parked, or on its way back: there is nothing to hold
        before, account = self._read, await self._client.get()
        if self._is_given_back:
            return Look()
        if account.id != self._held().account_id:
            raise Refused("the credential is of another account than the one held")
        self._read = account
        if not is_ours(self._held(), account.webhook_uri):
            return Look(foreign=setting_of(account))
        return Look(was_written=before is not None and changed_back(before, account))

    async def end(self) -> Restored:
        """Put the root back, trying for as long as it takes: bound it by a timeout.

        `unconfirmed` is given only when the API refuses us.
        """
        self._is_given_back = True
        if self._watchdog is not None and not self._alone:
            try:
                return await self._watchdog.restore()
            except GuardianLost:
                self._record = self.record
                self._alone = True
        return await self._restored()

    async def park(self) -> Restored:
        """Put the root back and keep the record open: the session will go on."""
        if self._watchdog is None:
            raise RuntimeError("nobody would look after a parked session")
        self._is_given_back = True
        return await self._watchdog.restore(parks=True)

    async def repeat(self) -> None:
        """PUT the root once more, if it is still what the account says.

        For a sender that still goes by our setting: its copy follows PUTs in no order.
        """
        if self._watchdog is not None and not self._alone:
            return await self._watchdog.repeat()
        shown = await self._get()
        if isinstance(shown, Shown):
            put = to_repeat(self._held(), shown.account, self._clock.moment())
            if put is not None:
                await self._put(put)
        return None

    # --- inside ----------------------------------------------------------------------

    async def _driven(self, taking: Taking, until: Callable[[Action], bool]) -> Taking:
        """Carry out what it says, as far as `until` or its end."""
        while not isinstance(taking.action, Took | NotTaken):
            if until(taking.action):
                break
            answer = await self._carry_out(taking.action)
            taking = taking.then(answer, self._clock.moment())
        return taking

    async def _restored(self) -> Restored:
        record, now = self._held(), self._clock.moment()
        machine = begin_restoring(record, now, bound=self._bound)
        while not isinstance(machine.action, Restored):
            answer = await self._carry_out(machine.action)
            machine = machine.then(answer, self._clock.moment())
        return machine.action

    async def _carry_out(self, action: Action) -> Answer:
        match action:
            case Get():
                self._fault("get")
                answer = await self._get()
                self._fault("got")
            case Put() as put:
                self._fault("put")
                answer = await self._put(put)
                self._fault("answered")
            case Keep(record, then):
                self._fault("keep")
                is_due = isinstance(then, Put) or record.stage is Stage.PREPARED
                answer = Kept(await self._keep(record, is_due=is_due))
            case Pause(seconds):
                await self._clock.sleep(seconds)
                answer = Rested()
            case _:
                raise ValueError(f"{action} is not to be carried out")
        return answer

    async def _get(self) -> Answer:
        asked = self._clock.moment()
        try:
            self._read = await self._client.get()
        except ProviderError as exc:
            return failure(exc)
        return in_time(Shown(self._read), asked, self._clock.moment())

    async def _put(self, put: Put) -> Answer:
        if not is_fresh(put, self._clock.moment()):
            return Stale()
        try:
            await self._client.put(put.account.fields())
        except ProviderError as exc:
            return failure(exc)
        return Accepted()

    async def _keep(self, record: Takeover, *, is_due: bool) -> Takeover:
        """On disk and with the guardian; both are `due` before a PUT may be sent.

        After it neither may keep us from what has to follow.
        """
        mark, now = system.this_process(), self._clock.now()
        try:
            record = self._takeovers.keep(record, now, mark)
        except StoreError:
            if is_due:
                raise
        self._record = record
        self._fault("kept")
        if self._watchdog is not None and not self._alone:
            try:
                await self._watchdog.keep(record)
            except GuardianLost:
                if is_due:
                    raise
            self._fault("told")
            if is_due and self._takeovers.find(record.id) != record:
                # A guardian that was at work, for a run that stood still, kept its own.
                record = self._takeovers.keep(record, now, mark)
        return record

    def _fault(self, verb: str) -> None:
        stage = "idle" if self._record is None else self._record.stage
        system.fault(f"{self._who}.{stage}.{verb}")

    def _raise_if_not_taken(self, taking: Taking) -> None:
        match taking.action:
            case NotTaken(error, message, hint):
                raise error(message, hint=hint)
            case _:
                pass

    def _held(self) -> Takeover:
        if self.record is None:
            raise RuntimeError("no takeover was begun")
        return self.record


def _is_to_be_sent(action: Action) -> bool:
    """Whether the next thing is the record of a PUT, and then the PUT."""
    return isinstance(action, Keep) and isinstance(action.then, Put)


async def challenge(sender: Sender, uri: str, nonce: str, within: float) -> bool:
    """Whether who answers at this webhook URI holds its path secret.

    A bare 2xx is not life: recycled tunnel names answer too.
    """
    base, secret = uri.partition("#")[0], path_secret(uri)
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
