"""The stub service as its own process on a free port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from urllib.error import URLError

import pytest


@pytest.fixture(scope="module")
def stub_url() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "joulemark.demo.service", "--port", str(port), "--first-token-s", "0.01", "--per-token-s", "0.001"]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                break
        except (URLError, ConnectionError):
            time.sleep(0.05)
    else:
        pytest.fail("the stub service did not start")
    yield url
    process.terminate()
    process.wait(10)
