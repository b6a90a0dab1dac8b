"""The signals that end a session, Ctrl-C, SIGTERM and SIGHUP; and Ctrl-Z.

They are noted from the first moment on. While modules are loaded the exception of a
Ctrl-C can be lost, and SIGTERM would end the process without a word.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devhook.cli.screen import Screen
    from devhook.session.session import Session
    from devhook.session.stop import Stop

_REPEATED_WITHIN = 1.0
"""Seconds in which a further Ctrl-C is the same impatience, not a new wish."""


class Signals:
    """`early` is whether one came before there was anybody to tell."""

    def __init__(self) -> None:
        self.early = False
        self._numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` sets it
            self._numbers.append(signal.SIGHUP)
        for number in self._numbers:
            signal.signal(number, self._note)

    @contextmanager
    def end(self, stop: "Stop", screen: "Screen") -> Iterator[None]:
        """The first asks for the end; one that comes later is in a hurry."""
        import asyncio

        loop = asyncio.get_running_loop()
        first: float | None = None

        def asked() -> None:
            nonlocal first
            if first is None:
                first = loop.time()
                stop.ask()
            elif loop.time() - first > _REPEATED_WITHIN:
                stop.hurry()
            else:
                screen.repeated()

        for number in self._numbers:
            loop.add_signal_handler(number, asked)
        if self.early:
            asked()
        try:
            yield
        finally:
            for number in self._numbers:
                loop.remove_signal_handler(number)

    @contextmanager
    def stop(self, session: "Session", screen: "Screen") -> Iterator[None]:
        """Ctrl-Z: the account is put back before the process stands still."""
        import asyncio

        if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
            yield  # whoever started us wants no job control
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(
            signal.SIGTSTP, lambda: session.start(session.stand_still(screen.stopping))
        )
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTSTP)

    def _note(self, *_: object) -> None:
        self.early = True
