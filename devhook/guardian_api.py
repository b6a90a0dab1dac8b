"""The account API for the guardian: `http.client`, and a deadline that holds.

What `provider/client` is to a run. Every request dials anew: between two of them lie
minutes, or the night in which the laptop slept.
"""

import http.client
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

from devhook.core import account_api
from devhook.core.account_api import ApiAnswer, ApiRequest
from devhook.core.guarding import Plan
from devhook.core.network import proxy_authorization, proxy_for, tls_context
from devhook.core.takeover import Accepted, Answer, Get, Put, Shown, failure
from devhook.errors import ConfigError, ProviderError, Unreachable


class Api:
    """One account. Raises ConfigError for a network that cannot be used."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parts = urlsplit(plan.api_url)
        self._proxy = _plain(proxy_for(plan.api_url, plan.network))
        is_tls = self._parts.scheme == "https"
        self._context = tls_context(plan.network) if is_tls else None

    def carry_out(self, action: Get | Put) -> Answer:
        plan = self._plan
        try:
            if isinstance(action, Get):
                request = account_api.get_account(plan.api_url, plan.credential)
                return Shown(account_api.read_account(request, self._answer(request)))
            fields = action.account.fields()
            request = account_api.put_account(plan.api_url, plan.credential, fields)
            account_api.read_put(request, self._answer(request))
        except ProviderError as exc:
            return failure(exc)
        return Accepted()

    def _answer(self, request: ApiRequest) -> ApiAnswer:
        """Raises Unreachable; no cause is kept, since it may show a credential."""
        try:
            with _deadline(self._plan.answered):
                return self._exchange(request)
        except _TooLate:
            why = f"did not answer within {self._plan.answered:g} s"
        except OSError as exc:
            why = f"cannot be reached: {exc.strerror or type(exc).__name__}"
        except (http.client.HTTPException, ValueError) as exc:
            why = f"cannot be understood: {type(exc).__name__}"
        raise Unreachable(f"{request.place} {why}")

    def _exchange(self, request: ApiRequest) -> ApiAnswer:
        connection, target = self._connection(request.url)
        authorized = () if self._context else proxy_authorization(self._proxy)
        try:
            connection.putrequest(request.method, target, skip_accept_encoding=True)
            for name, value in (*request.headers, *authorized):
                connection.putheader(name, value)
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            response = connection.getresponse()
            return ApiAnswer(
                status=response.status,
                headers=tuple(response.getheaders()),
                body=response.read(account_api.MAX_ANSWER),
            )
        finally:
            connection.close()

    def _connection(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        """One that is not dialled yet, and what to ask it for."""
        host, port = self._parts.hostname or "", self._parts.port
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if self._proxy is None and self._context is not None:
            tls = http.client.HTTPSConnection(host, port, context=self._context)
            return tls, target
        if self._proxy is None:
            return http.client.HTTPConnection(host, port), target
        return self._through(urlsplit(self._proxy), url, target)

    def _through(
        self, proxy: SplitResult, url: str, target: str
    ) -> tuple[http.client.HTTPConnection, str]:
        """To the proxy: a tunnel for TLS, the whole URL for what is not."""
        host, port = proxy.hostname or "", proxy.port or 80
        if self._context is None:
            return http.client.HTTPConnection(host, port), url
        connection = http.client.HTTPSConnection(host, port, context=self._context)
        connection.set_tunnel(
            self._parts.hostname or "",
            self._parts.port or 443,
            headers=dict(proxy_authorization(self._proxy)),
        )
        return connection, target


def _plain(proxy: str | None) -> str | None:
    """The proxy itself. Raises ConfigError for one that is spoken to by TLS.

    `ssl` has no TLS within TLS for a socket.
    """
    if proxy is not None and proxy.lower().startswith("https:"):
        raise ConfigError(
            "the guardian cannot go through a proxy of the kind https",
            hint="give the proxy as http://: what goes through it is TLS all the same",
        )
    return proxy


class _TooLate(Exception):
    """No OSError: after one, the next of a host's addresses would be dialled."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """_TooLate after so long, whatever the block is waiting for."""

    def expired(*_: object) -> None:
        raise _TooLate

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
