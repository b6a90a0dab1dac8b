"""A certificate that no authority of the system has signed."""

import ssl
import subprocess
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Certificate:
    """For 127.0.0.1 and relay.test; `context` is the server's, with its key."""

    pem: str
    context: ssl.SSLContext


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:relay.test"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        f" -days 2 -subj /CN=relay -addext {names} -keyout {key} -out {cert}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Certificate(cert.read_text(), context)
