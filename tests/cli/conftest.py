"""Servers that `joulemark doctor` tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from joulemark import tls
from joulemark.config import TlsConfig


@pytest.fixture
def serve() -> Iterator[Callable[[TlsConfig | None], str]]:
    """Starts gRPC servers that want certificates, or speak plaintext."""
    started = []

    def start(own: TlsConfig | None) -> str:
        server = grpc.server(ThreadPoolExecutor(1))
        pem = tls.read(own or TlsConfig())
        if pem.pair:
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pem.pair], pem.authority, require_client_auth=True))
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        started.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in started:
        server.stop(None).wait()
