"""One HTTP/1.1 exchange with a server, every byte of the head as given.

Client libraries fold header names, join repeats, put Host first, write values as UTF-8
and add headers of their own; a tool that promises to pass on what it got can use none
of them. So heads are written here, byte for byte, and answers are parsed by httptools.
Connections are kept and used again; proxies, TLS and addresses that must never be
reached are dealt with where a connection is made.

This room knows headers, and nothing of events, targets or tunnels.
"""

from devhook.wire.answer import Answer, WireError
from devhook.wire.pool import Wire

__all__ = ["Answer", "Wire", "WireError"]
