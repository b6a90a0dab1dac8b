"""A public request, carried to its client and answered with what comes back.

What travels: method, raw target, header pairs and body, as they came; hop-by-hop
headers stay. Neither body is ever held whole: each side is read only as fast as the
other takes it.
"""

import asyncio

from aiohttp import web
from aiohttp.http import HttpProcessingError

from devhook.core.http import end_to_end, from_raw
from devhook.core.relay import Fault
from devhook.relay.answer import OF_FAULT, Declined, Verbatim, own_answer
from devhook.relay.config import Limits
from devhook.relay.line import Exchange, Line

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BROKEN_BODY = (web.RequestPayloadError, HttpProcessingError, ConnectionError)


def raw_target(request: web.BaseRequest) -> str:
    """The request target, each byte one character."""
    raw = request.raw_path.encode(errors="surrogateescape")
    return raw.decode("latin-1")


async def carry(
    request: web.BaseRequest, line: Line, limits: Limits
) -> web.StreamResponse:
    """The answer of this client; Declined when it cannot be asked."""
    if (request.content_length or 0) > limits.body:
        raise Declined(OF_FAULT[Fault.BODY_TOO_LARGE])
    exchange = line.open(
        request.method,
        raw_target(request),
        end_to_end(from_raw(request.raw_headers)),
        end=not request.body_exists,
    )
    try:
        if not request.body_exists:
            return await _answer(request, exchange, limits)
        async with asyncio.TaskGroup() as group:
            upload = group.create_task(_upload(request, exchange, limits))
            response = await _answer(request, exchange, limits)
            upload.cancel()
            return response
    finally:
        exchange.close()


async def _upload(request: web.BaseRequest, exchange: Exchange, limits: Limits) -> None:
    """Pass the body on. Never raises: what goes wrong ends the exchange."""
    passed = 0
    try:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(_CONTINUE)
        while True:
            async with asyncio.timeout(limits.idle):
                piece = await request.content.readany()
            end = request.content.at_eof()
            passed += len(piece)
            if passed > limits.body:
                return exchange.cancel(Fault.BODY_TOO_LARGE)
            if piece or end:
                await exchange.send(piece, end=end)
            if end:
                return None
    except TimeoutError:
        exchange.cancel(Fault.SENDER_TOO_SLOW)
    except _BROKEN_BODY:
        exchange.cancel(Fault.SENDER_BROKE_OFF)


async def _answer(
    request: web.BaseRequest, exchange: Exchange, limits: Limits
) -> web.StreamResponse:
    """Pass the answer on: the client's, or when there is none our own."""
    try:
        head = await exchange.answer(limits.answer)
        response = Verbatim(request, head.status, head.reason, head.headers)
    except Declined as exc:
        return own_answer(request, exc.own)
    except ValueError:
        exchange.cancel(Fault.CLIENT_BROKE_RULES)
        return own_answer(request, OF_FAULT[Fault.CLIENT_BROKE_RULES])
    try:
        await response.prepare(request)
        async for piece in exchange.pieces(limits.idle):
            async with asyncio.timeout(limits.idle):
                await response.write(piece)
        await response.write_eof()
    except (Declined, TimeoutError, ConnectionError):
        response.abort()
    except ValueError:
        exchange.cancel(Fault.CLIENT_BROKE_RULES)
        response.abort()
    return response
