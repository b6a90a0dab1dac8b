"""What comes back: the head of an answer, or the reason why there is none."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from devhook.core.http import Headers


class WireError(OSError):
    """There was no whole answer; the text says why, without the URL."""


@dataclass(slots=True)
class Answer:
    """The head of an answer, and its body as it comes."""

    status: int
    reason: str
    headers: Headers
    _next_chunk: Callable[[], Awaitable[bytes | None]] = field(repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces as they arrive; raises WireError when it breaks off."""
        while (chunk := await self._next_chunk()) is not None:
            yield chunk
