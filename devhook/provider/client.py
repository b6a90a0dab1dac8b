"""Reads an account and sets its webhook, over aiohttp.

What is sent and what an answer means is decided in `core/account_api`; here is the
wire: proxies, certificates, one deadline, a bounded body, and every foreign error
turned into one of ours. Those errors carry request headers in their reprs, so none of
them is kept as a cause.
"""

import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from devhook.core import account_api
from devhook.core.account_api import ApiAnswer, ApiRequest
from devhook.core.http import first, from_raw
from devhook.core.model import Account
from devhook.core.network import (
    Credential,
    Network,
    is_loopback,
    proxy_for,
    tls_context,
)
from devhook.errors import Unreachable

SANDBOX_HEADER: Final = "X-Devhook-Sandbox"
TIMEOUT: Final = 10.0

_OF_ANOTHER_TIME: Final = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


class AccountClient:
    """One account, by one credential. `timeout` is seconds for a whole exchange."""

    def __init__(
        self,
        api_url: str,
        credential: Credential,
        network: Network,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self.sandbox: str | None = None
        """The control URL of a sandbox, once an answer has named one on loopback."""
        self.server_time: datetime | None = None
        """What the API's clock said in its last answer; None when it did not say."""
        self._api_url = api_url
        self._credential = credential
        self._wire = _Wire(network, timeout)

    async def __aenter__(self) -> Self:
        await self._wire.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._wire.close()

    async def get(self) -> Account:
        """Raises Refused or Unreachable."""
        request = account_api.get_account(self._api_url, self._credential)
        answer = await self._exchange(request)
        self.sandbox = _sandbox(self._api_url, answer) or self.sandbox
        return account_api.read_account(request, answer)

    async def put(self, fields: Mapping[str, str]) -> None:
        """Replace all seven fields; after Unreachable only a GET tells what is."""
        request = account_api.put_account(self._api_url, self._credential, fields)
        account_api.read_put(request, await self._exchange(request))

    async def _exchange(self, request: ApiRequest) -> ApiAnswer:
        answer = await self._wire.exchange(request)
        self.server_time = _server_time(answer)
        return answer


async def login(api_url: str, username: str, password: str, network: Network) -> str:
    """A login token. Raises Refused or Unreachable."""
    wire = _Wire(network, TIMEOUT)
    await wire.open()
    try:
        request = account_api.login(api_url, username, password)
        return account_api.read_token(request, await wire.exchange(request))
    finally:
        await wire.close()


class _Wire:
    """aiohttp, told to keep no cookie, follow nothing and trust no environment."""

    def __init__(self, network: Network, timeout: float) -> None:
        self._network = network
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls_context(self._network)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            trust_env=False,
            auto_decompress=False,
            middlewares=(_sent_once,),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def exchange(self, request: ApiRequest) -> ApiAnswer:
        if self._session is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        proxy = proxy_for(request.url, self._network)
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                proxy=proxy,
                allow_redirects=False,
            ) as response:
                return ApiAnswer(
                    status=response.status,
                    headers=from_raw(response.raw_headers),
                    body=await _bounded(response.content, request),
                )
        except TimeoutError:
            raise Unreachable(
                f"{request.place} did not answer within {self._timeout:g} s",
                hint="look at the network, and at HTTPS_PROXY if there is a proxy",
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _translated(exc, request, proxy) from None


class _BrokeOff(aiohttp.ClientError):
    """The connection went before the answer came."""


async def _sent_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT again by itself when its connection breaks off.

    It takes PUT for idempotent; but the second of two may undo what came between them.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        if request.method == "GET":
            raise
        raise _BrokeOff from None


async def _bounded(content: aiohttp.StreamReader, request: ApiRequest) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > account_api.MAX_ANSWER:
            raise Unreachable(
                f"{request.place} answered with more than any account holds",
                hint="the API's address ends in /v1.0: look at --api-url",
            )
    return bytes(body)


def _translated(exc: Exception, request: ApiRequest, proxy: str | None) -> Unreachable:
    """What went wrong, without headers and without a proxy's password."""
    place = request.place
    through = f" through the proxy {account_api.mask_url(proxy)}" if proxy else ""
    match exc:
        case aiohttp.ClientHttpProxyError():
            reason, hint = _proxy_refusal(exc.status)
        case aiohttp.ClientProxyConnectionError():
            reason, hint = "the proxy does not answer", "look at HTTPS_PROXY"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            reason, hint = _distrust(exc)
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            reason, hint = "no TLS there", "look at --api-url: is it https?"
        case aiohttp.ClientConnectorDNSError():
            reason = f"no host {urlsplit(place).hostname} is known"
            hint = "look at --api-url, and at HTTPS_PROXY if there is a proxy"
        case aiohttp.ClientConnectorError():
            reason = os.strerror(exc.errno) if exc.errno else "no connection"
            hint = "look whether it runs, and at --api-url"
        case (
            _BrokeOff()
            | aiohttp.ServerDisconnectedError()
            | aiohttp.ClientPayloadError()
        ):
            reason, hint = "the connection broke off", "try again in a moment"
        case OSError() if exc.strerror:
            reason, hint = exc.strerror, "try again in a moment"
        case _:
            reason, hint = "no HTTP that can be read", "look at --api-url"
    return Unreachable(f"{place} cannot be reached{through}: {reason}", hint=hint)


def _distrust(exc: Exception) -> tuple[str, str]:
    """A certificate of another time is more often a wrong clock than a wrong server."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        exc = exc.certificate_error
    if getattr(exc, "verify_code", None) in _OF_ANOTHER_TIME:
        reason = "by this machine's clock its certificate has expired or is of later"
        return reason, "look at the clock: date; if it is right, the server is at fault"
    hint = "trust its authority with --ca-file FILE (or --insecure)"
    return "its certificate is not trusted", hint


def _proxy_refusal(status: int) -> tuple[str, str]:
    if status == 407:
        return "the proxy asks for a password", "HTTPS_PROXY=http://USER:PASSWORD@HOST"
    return f"the proxy answers {status}", "ask whoever runs the proxy to let it through"


def _server_time(answer: ApiAnswer) -> datetime | None:
    """Its `Date`; None for one that cannot be read."""
    try:
        said = parsedate_to_datetime(first(answer.headers, "Date") or "")
        return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _sandbox(api_url: str, answer: ApiAnswer) -> str | None:
    """Only this machine may call itself a sandbox, and only name a place on it."""
    control = first(answer.headers, SANDBOX_HEADER)
    if control is None:
        return None
    hosts = [urlsplit(url).hostname or "" for url in (api_url, control)]
    return control if all(map(is_loopback, hosts)) else None
