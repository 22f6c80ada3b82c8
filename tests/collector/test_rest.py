"""The REST process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import grpc
import httpx
import pytest

from joulemark.client import Client
from joulemark.collector import rest
from joulemark.collector.api.limits import Limits
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.collector.tokens import Scope, Tokens
from joulemark.config import CollectorConfig, Config, FeedTable
from joulemark.errors import ConfigError
from joulemark.pki.authority import Authority
from joulemark.proto.v1 import runs_pb2 as pb
from tests import certificates
from tests.collector.conftest import Collector


def anchored(folder: Path) -> None:
    """A store in `folder` as the ingest process leaves it before the REST process starts."""
    store = SqliteStore(folder / "readings.db")
    store.anchored("boot", mono_ns=0, utc_minus_mono_ns=0, keep=False)
    store.close()


def test_ready_means_it_answers_and_sigterm_ends_it(tmp_path: Path) -> None:
    """`ready` is called once, when a request is answered; SIGTERM ends the serving, closes the catalogue, and does not end the process."""
    anchored(tmp_path)
    statuses: list[int] = []

    async def ask(url: str) -> None:
        async with httpx.AsyncClient() as client:
            statuses.append((await client.get(f"{url}/healthz")).status_code)
            body = {"run_id": "r", "moment": {"utc_ns": 1}}
            statuses.append((await client.post(f"{url}/v1/runs", json=body)).status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    async def serve() -> None:
        asked: list[asyncio.Task[None]] = []
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            config = Config(collector=CollectorConfig(data_dir=tmp_path))
            await rest.serve(config, bound, lambda: asked.append(asyncio.create_task(ask(url))))
        await asyncio.gather(*asked)

    asyncio.run(asyncio.wait_for(serve(), 20))
    assert statuses == [200, 201]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("readings.db-")) == [
        "audit.jsonl",
        "board",
        "board.db",
        "catalog.db",
        "readings.db",
    ]


def test_a_handshake_is_not_waited_for(issued: Authority, tmp_path: Path) -> None:
    """Over HTTPS a connection that says nothing is closed after `head_s`, not after asyncio's minute; who shakes hands is served."""
    Tokens(tmp_path).create("ci", Scope.READ, created_ns=0)
    config = Config(collector=CollectorConfig(data_dir=tmp_path, rest_listen="0.0.0.0:0"), tls=certificates.table(issued, "collector"))
    trusted = ssl.create_default_context(cafile=issued.certificate_file)

    async def ask(port: int) -> tuple[bytes, int]:
        silent, writer = await asyncio.open_connection("127.0.0.1", port)
        async with httpx.AsyncClient(verify=trusted) as client:
            status = (await client.get(f"https://127.0.0.1:{port}/healthz")).status_code
        said = await asyncio.wait_for(silent.read(), 20)
        writer.close()
        os.kill(os.getpid(), signal.SIGTERM)
        return said, status

    async def serve() -> tuple[bytes, int]:
        asked: list[asyncio.Task[tuple[bytes, int]]] = []
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            await rest.serve(config, bound, lambda: asked.append(asyncio.create_task(ask(port))), Limits(head_s=0.5))
        return await asked[0]

    anchored(tmp_path)
    assert asyncio.run(asyncio.wait_for(serve(), 30)) == (b"", 200)


@pytest.fixture
def issued(tmp_path: Path) -> Authority:
    """An authority that made certificates of a collector on 127.0.0.1 and of an agent."""
    made = certificates.authority(tmp_path / "pki")
    certificates.collector(made)
    certificates.agent(made)
    return made


def far_reaching(issued: Authority, collector: Collector, **settings: str) -> str:
    """A configuration that listens beyond loopback, with TLS."""
    table = certificates.table(issued, "collector")
    tls = {"ca_file": table.ca_file, "cert_file": table.cert_file, "key_file": table.key_file}
    lines = "\n".join(f'{key} = "{value}"' for key, value in tls.items())
    own = {"grpc_listen": "127.0.0.1:0", "rest_listen": "0.0.0.0:0", "data_dir": f"{collector.folder}/data", **settings}
    return "[collector]\n" + "\n".join(f'{key} = "{value}"' for key, value in own.items()) + f"\n[tls]\n{lines}\n"


def started(collector: Collector, text: str) -> subprocess.Popen[str]:
    """The command with that configuration."""
    collector.folder.mkdir(exist_ok=True)
    path = collector.folder / "far.toml"
    path.write_text(text)
    command = [sys.executable, "-m", "joulemark", "collector", "run", "--config", str(path), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_beyond_loopback_it_asks_for_a_token_first(issued: Authority, tmp_path: Path) -> None:
    """With certificates and no token a collector on every address does not start: exit 2, one line, the command that helps."""
    process = started(Collector(tmp_path / "c"), far_reaching(issued, Collector(tmp_path / "c")))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "joulemark token create NAME --scope read" in err.splitlines()[-1]


def test_marks_travel_encrypted_and_with_a_token(issued: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTPS with the authority and the token a client marks; over mutual TLS a mark needs the same token as metadata."""
    collector = Collector(tmp_path / "c")
    secret = Tokens(collector.folder / "data").create("ci", Scope.WRITE, created_ns=0)
    process = started(collector, far_reaching(issued, collector))
    try:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        url = addresses["rest"].replace("0.0.0.0", "127.0.0.1")
        assert url.startswith("https://")
        (tmp_path / "token").write_text(secret)
        monkeypatch.setenv("JOULEMARK_TOKEN_FILE", str(tmp_path / "token"))
        with pytest.raises(ConfigError, match=r"not trusted.*tls\.ca_file"):
            Client(url).start()
        (tmp_path / "client.toml").write_text(f'[client]\nurl = "{url}"\n[tls]\nca_file = "{issued.certificate_file}"\n')
        monkeypatch.setenv("JOULEMARK_CONFIG", str(tmp_path / "client.toml"))
        run_id = Client().start()
        agent = certificates.table(issued, "host-a")
        assert agent.ca_file
        assert agent.key_file
        assert agent.cert_file
        files = (agent.ca_file.read_bytes(), agent.key_file.read_bytes(), agent.cert_file.read_bytes())
        with grpc.secure_channel(addresses["grpc"], grpc.ssl_channel_credentials(*files)) as channel:
            stop = channel.unary_unary("/joulemark.proto.v1.RunService/StopRun")
            request = pb.StopRunRequest(run_id=run_id, moment=pb.Moment(utc_ns=time.time_ns())).SerializeToString()
            with pytest.raises(grpc.RpcError) as caught:
                stop(request, timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "joulemark token create" in caught.value.details()
            stop(request, timeout=20, metadata=(("authorization", f"Bearer {secret}"),))
        assert Client().call("GET", "/v1/runs")[0]["stopped_ns"] is not None
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    lines = [json.loads(line) for line in (collector.folder / "data" / "audit.jsonl").read_text().splitlines()]
    assert [(line["who"], line["status"], line["run_id"]) for line in lines] == [("ci", 201, run_id), ("ci", 200, run_id)]


def test_without_feeds_nothing_of_the_web_is_loaded() -> None:
    """A collector that is to read no prices and to follow no board loads neither the scheduler nor the library that asks the web."""
    code = "import sys, joulemark.collector.rest; print({'apscheduler', 'aiohttp'} & set(sys.modules) or 'none')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "none"


def test_a_feed_that_cannot_be_keeps_it_from_starting(tmp_path: Path) -> None:
    """A wrong [[feed]] table is an error at the start, which names the key; nothing was asked."""
    anchored(tmp_path)
    config = Config(collector=CollectorConfig(data_dir=tmp_path), feeds=(FeedTable("ecb"), FeedTable("ecv")))
    with socket.socket() as bound, pytest.raises(ConfigError, match="did you mean 'ecb'"):
        asyncio.run(rest.serve(config, bound, lambda: None))
