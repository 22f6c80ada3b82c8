"""A TLS connection to a collector, tried for `joulemark doctor`: why it fails, and whose certificate is shown there."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from joulemark import tls
from joulemark.addresses import split
from joulemark.config import TlsConfig
from joulemark.errors import ConfigError

ANSWER_S: Final = 2.0


def refusal(address: str, settings: TlsConfig) -> str | None:
    """Why the agent cannot connect to the collector at `address`, None when it can.

    With TLS 1.3 a server that refuses a client's certificate just ends the connection, where it would send the first frame of
    HTTP/2.
    """
    try:
        host, port = split(address, "agent.collector")
        context = client_context(settings)
        with (
            socket.create_connection((host, port), timeout=ANSWER_S) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            if connection.recv(1):
                return None
    except ConfigError as error:
        return error.what
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"no TLS: {tls.reason(error)}"
    except OSError as error:
        return f"no connection: {error.strerror or error}"
    return "it does not accept this host's certificate, or wants one; the collector's log says why"


def listens(address: str) -> bool:
    """Whether any program takes connections at `address`."""
    try:
        socket.create_connection(split(address, "agent.collector"), timeout=ANSWER_S).close()
    except (OSError, ConfigError):
        return False
    return True


def client_context(settings: TlsConfig) -> ssl.SSLContext:
    """TLS as the agent speaks it. Raises ConfigError."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.set_alpn_protocols(["h2"])
    if settings.cert_file and settings.key_file:
        tls.load_pair(context, settings.cert_file, settings.key_file)
    return context


def shows_own_certificate(address: str, settings: TlsConfig) -> bool:
    """Whether what listens on `address` shows the configured certificate: then it is this host's collector."""
    try:
        own = tls.content(settings.cert_file, "tls.cert_file")
        return own is not None and ssl.get_server_certificate(split(address, "address"), timeout=ANSWER_S).strip().encode() in own
    except (OSError, ConfigError):
        return False
