"""Where requests to the API come in: read, answered, logged, and spoiled on request."""

import asyncio
import base64
import uuid

from aiohttp import web

from devhook.core.clock import Clock, NewId
from devhook.sandbox import answers
from devhook.sandbox.api import Api
from devhook.sandbox.call import ApiRequest, Call, masked, safe_request_id
from devhook.sandbox.credentials import presented
from devhook.sandbox.faults import Fault
from devhook.sandbox.state import State

CONTROL_HEADER = "X-Devhook-Sandbox"


class Front:
    """`control_url` is in every answer, so that a client knows what it talks to."""

    def __init__(
        self, api: Api, state: State, *, control_url: str, clock: Clock, new_id: NewId
    ) -> None:
        self._api = api
        self._state = state
        self._control_url = control_url
        self._clock = clock
        self._new_id = new_id

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = await self._call(request)
        if call.fault.delay:
            await self._clock.sleep(call.fault.delay)
        answer = _scripted(call, self._api.answer(call))
        answer.headers["X-Request-Id"] = call.request_id
        answer.headers[CONTROL_HEADER] = self._control_url
        self._log(request, call, answer)
        return await self._given(request, call.fault, answer)

    async def _call(self, request: web.Request) -> Call:
        fault, then = self._state.faults.take(request.method, request.path)
        return Call(
            method=request.method,
            path=request.path,
            body=await request.read(),
            request_id=safe_request_id(
                request.headers.get("X-Request-Id", ""), _request_id(self._new_id())
            ),
            credential=presented(
                request.cookies, request.query, request.headers.get("Authorization", "")
            ),
            fault=fault,
            then=then,
        )

    def _log(self, request: web.Request, call: Call, answer: web.Response) -> None:
        unanswered = call.fault.drop or call.fault.hang
        self._state.requests.append(
            ApiRequest(
                at=self._clock.now(),
                method=call.method,
                path=call.path,
                query=masked(request.query_string),
                body=b"" if call.path == "/auth/login" else call.body,
                credential=call.credential.source if call.credential else None,
                status=None if unanswered else answer.status,
                request_id=call.request_id,
            )
        )

    async def _given(
        self, request: web.Request, fault: Fault, answer: web.Response
    ) -> web.StreamResponse:
        if fault.hang:
            await asyncio.Event().wait()  # until the sandbox ends
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if fault.drip is not None:
            return await self._dripped(request, answer, fault.drip)
        return answer

    async def _dripped(
        self, request: web.Request, answer: web.Response, seconds: float
    ) -> web.StreamResponse:
        body = answer.body if isinstance(answer.body, bytes) else b""
        slow = web.StreamResponse(status=answer.status, headers=answer.headers)
        slow.content_length = len(body)
        await slow.prepare(request)
        for index in range(len(body)):
            await slow.write(body[index : index + 1])
            await self._clock.sleep(seconds)
        return slow


def _scripted(call: Call, true: web.Response) -> web.Response:
    """The answer the fault has for it, else the true one."""
    fault = call.fault
    if fault.retry_after is not None:
        answer = answers.rate_limited(fault.retry_after, call.request_id)
    elif fault.status is None:
        answer = true
    elif fault.body is None:
        answer = answers.for_status(fault.status, call.request_id)
    else:
        answer = web.Response(status=fault.status, body=fault.body.encode())
        answer.headers["Content-Type"] = "text/html; charset=utf-8"
    answer.headers.update(fault.headers)
    return answer


def _request_id(id: str) -> str:
    """`req_` and 26 characters of base32, as the platform's middleware makes them."""
    return "req_" + base64.b32encode(uuid.UUID(id).bytes).rstrip(b"=").decode()
