"""A way to the API that rewrites what is PUT: an API with habits of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.endpoint import answer, read_request, speaking

Fields: TypeAlias = dict[str, str]
Alter: TypeAlias = Callable[[Fields], "Fields | bytes"]
"""The seven fields as they are stored, or what is answered in place of storing them."""


@asynccontextmanager
async def altering(api_url: str, alter: Alter) -> AsyncIterator[str]:
    """Its URL; all but a PUT passes as it is."""
    far = urlsplit(api_url)

    async def speak(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection(far.hostname, far.port)
        try:
            while request := await read_request(near):
                passed = _passed(request, alter)
                if passed.startswith(b"HTTP/"):
                    back.write(passed)
                    continue
                writer.write(passed)
                back.write(await read_request(reader))
        finally:
            writer.close()

    async with speaking(speak) as end:
        yield f"{end.url}{far.path}"


def lowered(fields: Fields) -> Fields:
    """Scheme and host of the URI in lower case, as RFC 3986 writes them."""
    scheme, _, rest = fields["webhook_uri"].partition("://")
    host, slash, path = rest.partition("/")
    uri = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    return fields | {"webhook_uri": uri}


def all_lowered(fields: Fields) -> Fields:
    """The whole URI in lower case, the path secret too."""
    return fields | {"webhook_uri": fields["webhook_uri"].lower()}


def without_fragments(fields: Fields) -> Fields | bytes:
    """No URI with a fragment is accepted."""
    reason = b'{"error": {"reason": "INVALID_ARGUMENT"}}'
    return answer(400, reason) if "#" in fields["webhook_uri"] else fields


def _passed(request: bytes, alter: Alter) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    if not head.startswith(b"PUT"):
        return request
    altered = alter(json.loads(body))
    if isinstance(altered, bytes):
        return altered
    text = json.dumps(altered).encode()
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"content-length:")]
    length = f"Content-Length: {len(text)}".encode()
    return b"\r\n".join([*kept, length]) + b"\r\n\r\n" + text
