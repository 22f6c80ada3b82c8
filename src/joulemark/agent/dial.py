"""The channel to the collector: encrypted with the configured certificates, plaintext only on this machine or when allowed by name."""

from __future__ import annotations

from typing import Final

import grpc

from joulemark.addresses import is_loopback, split
from joulemark.config import TlsConfig
from joulemark.errors import ConfigError
from joulemark.proto.messages import MAX_BATCH_BYTES
from joulemark.tls import Pem

OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel inherits the back-off of the one before
    ("grpc.max_send_message_length", MAX_BATCH_BYTES + 65_536),
    ("grpc.enable_retries", 0),
    ("grpc.http2.bdp_probe", 0),  # else gRPC pings after each acknowledgement to find how fast answers may come: a third of its cost here
)

DIRECT: Final = ("grpc.enable_http_proxy", 0)
"""Plaintext goes straight to its address: a proxy of the environment would carry it off this machine."""

DOCTOR: Final = "joulemark doctor names the cause"

SAID: Final = (
    ("Hostname Verification Check failed", "the collector's certificate is not made for this address: issue it with that --dns or --ip"),
    ("certificate has expired", "the collector's certificate has expired: renew it there with joulemark pki renew"),
    ("unable to get local issuer certificate", "the collector's certificate is of another authority than tls.ca_file"),
    ("unsupported certificate purpose", "the collector shows a certificate that was not issued --for collector"),
    ("CERTIFICATE_VERIFY_FAILED", "the collector's certificate is not accepted"),
    ("WRONG_VERSION_NUMBER", "the collector answers in plaintext, and this agent is configured for TLS"),
    ("handshake failed", "the TLS handshake failed"),
    ("Socket closed", "the collector closed the connection at once: it may not accept this agent's certificate, or wants one"),
)
"""What gRPC says of a failed handshake, and what that means. With TLS 1.3 a refused client learns no more than the end."""


def channel(address: str, tls: TlsConfig, pem: Pem) -> grpc.Channel:
    """A channel to `address` (host:port) with the certificates `pem`, not connected yet.

    Raises ConfigError for an address without a port, and for another machine without the certificates of both sides unless
    `tls.insecure` allows it.
    """
    host, _ = split(address, "agent.collector")
    if not (tls.insecure or is_loopback(host) or (pem.authority and pem.cert)):
        raise ConfigError(
            f"agent.collector {address} is another machine and would be reached without certificates of both sides, or in plaintext",
            "give tls.ca_file, tls.cert_file and tls.key_file, or set tls.insecure = true",
        )
    if pem.authority or pem.cert:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(pem.authority, pem.key, pem.cert), OPTIONS)
    return grpc.insecure_channel(address, (*OPTIONS, DIRECT))


def explained(details: str) -> str:
    """`details` of a failed connection, headed by what they mean when they are about certificates."""
    meaning = next((meaning for said, meaning in SAID if said.lower() in details.lower()), None)
    return f"{meaning}; {DOCTOR} [{details}]" if meaning else details
