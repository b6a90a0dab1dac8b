"""Every error a user can meet.

    DevhookError                 1
    ├── UsageError               2  a flag, a filter, an id, a type that is not there
    ├── ConfigError              2  a file, an environment variable, a missing profile
    ├── FixtureError             2  a fixture that cannot be found or read
    ├── ProviderError            7  the account API
    │   ├── Unreachable          7  no answer, or not one of its answers
    │   │   ├── Rejected         7  it does not like what stands in the request
    │   │   └── Throttled        7  it asks for a pause of `retry_after` seconds
    │   └── Refused              6  it does not accept the credential or the permission
    ├── TakeoverError            3
    │   ├── ChangedElsewhere     3  the setting is somebody else's
    │   └── NotRestored          4  the original may not be back
    ├── TunnelError              7  no public URL, or one that does not lead here
    │   └── RelayRefused         6  the relay does not know the token
    ├── LeaseError               3  the relay has given the URL to somebody else
    ├── StoreError               1  the database, its folder, its disk
    │   └── StoreLocked          1  another program holds it: it may work later
    └── ReplayMismatch           5  the handler answered differently, or failed

A message says what failed and on what, in one line without a full stop; the hint says
what to type next. No secret ever enters either.
"""

from typing import ClassVar


class DevhookError(Exception):
    """What was wished cannot be done; `hint` is the next thing to type."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DevhookError):
    exit_code = 2


class ConfigError(DevhookError):
    exit_code = 2


class FixtureError(DevhookError):
    exit_code = 2


class ProviderError(DevhookError):
    exit_code = 7


class Unreachable(ProviderError):
    """`answered`: the API itself said no; else what became of a PUT is not known."""

    def __init__(
        self, message: str, *, hint: str | None = None, answered: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.answered = answered


class Rejected(Unreachable):
    """Even so a PUT may have been applied: only a GET tells."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint, answered=True)


class Throttled(Unreachable):
    def __init__(self, message: str, *, hint: str, retry_after: float) -> None:
        super().__init__(message, hint=hint, answered=True)
        self.retry_after = retry_after


class Refused(ProviderError):
    exit_code = 6


class TakeoverError(DevhookError):
    exit_code = 3


class ChangedElsewhere(TakeoverError):
    pass


class NotRestored(TakeoverError):
    exit_code = 4


class TunnelError(DevhookError):
    exit_code = 7


class RelayRefused(TunnelError):
    exit_code = 6


class LeaseError(DevhookError):
    exit_code = 3


class StoreError(DevhookError):
    pass


class StoreLocked(StoreError):
    pass


class ReplayMismatch(DevhookError):
    exit_code = 5
