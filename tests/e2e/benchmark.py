"""A benchmark of the stub service under `joulemark run`: the small load client, or the real AIPerf with AIPERF=1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from joulemark.demo.processes import Daemon, free_port, joulemark
from tests.e2e.host import Host

ROOT = Path(__file__).parents[2]
AIPERF_ENV = ROOT / ".venv-aiperf"
AIPERF_VERSION = "0.13.0"


def load_client(url: str, output: Path) -> list[str]:
    """Command line of our own client."""
    return [sys.executable, "-m", "joulemark.demo.load", "--url", url, "--output", str(output), "--requests", "60", "--warmup", "8"]


def install_aiperf() -> Path:
    """AIPerf in its own environment, installed once; its command."""
    command = AIPERF_ENV / "bin" / "aiperf"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(AIPERF_ENV)], check=True)
        subprocess.run([str(AIPERF_ENV / "bin" / "pip"), "install", "-q", f"aiperf=={AIPERF_VERSION}"], check=True)
    return command


def aiperf_command(url: str, output: Path) -> list[str]:
    """Command line of AIPerf, with a tokenizer trained here: it may download none."""
    command = install_aiperf()
    tokenizer = output.parent / "tokenizer"
    texts = [str(path) for path in sorted((ROOT / "src" / "joulemark").glob("*.py"))]
    trainer = Path(__file__).with_name("tokenizer.py")
    subprocess.run([str(AIPERF_ENV / "bin" / "python"), str(trainer), str(tokenizer), *texts], check=True, capture_output=True)
    options = {
        "--model": "stub-model",
        "--url": url,
        "--endpoint-type": "chat",
        "--tokenizer": str(tokenizer),
        "--concurrency": "4",
        "--request-count": "60",
        "--warmup-request-count": "8",
        "--isl": "64",
        "--osl": "48",
        "--random-seed": "42",
        "--profile-export-level": "records",
        "--ui": "none",
        "--artifact-dir": str(output),
    }
    flags = ["--streaming", "--use-server-token-count", "--no-gpu-telemetry", "--no-server-metrics"]
    return [str(command), "profile", *(word for pair in options.items() for word in pair), *flags]


def measure(host: Host, output: Path, *, use_aiperf: bool) -> dict[str, Any]:
    """Measure one benchmark with `joulemark run --benchmark` and return the collector's card of it."""
    port = free_port()
    stub = Daemon([sys.executable, "-m", "joulemark.demo.service", "--port", str(port)], host.work / "stub.log")
    stub.start()
    try:
        stub.wait_for_port(port)
        url = f"http://127.0.0.1:{port}"
        command = aiperf_command(url, output) if use_aiperf else load_client(url, output)
        env = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"} | host.env
        measured = subprocess.run(
            joulemark("run", "--json", "--benchmark", str(output), "--", *command), env=env, capture_output=True, text=True, check=False
        )
    finally:
        stub.stop()
    (host.work / "run.log").write_text(measured.stderr + measured.stdout)
    if measured.returncode:
        raise RuntimeError(f"joulemark run ended with {measured.returncode}:\n{measured.stderr[-2000:]}")
    return host.card(measured.stdout)
