"""The child's side of the talk, in this process: the real pyvisa against a simulated analyser."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pyvisa_py.protocols import rpc

from joulemark.meters.scpi_child import serve
from tests.standins import scpi_bench
from tests.standins.scpi_bench import Bench, bench, free_port
from tests.standins.scpi_standin import IDENTITIES

IDENTITY = IDENTITIES["WT310E"][0]


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose portmapper, at a port that needs no privilege, is where pyvisa-py looks for it."""
    port = free_port()
    monkeypatch.setattr(scpi_bench, "PORTMAPPER_PORT", port)
    monkeypatch.setattr(rpc, "PMAP_PORT", port)
    with bench(portmapper=True) as one:
        yield one


def talk(resource: str, *requests: dict[str, str], timeout_s: float = 0.5) -> tuple[int, list[dict[str, Any]]]:
    """What the child says to `requests`, and its exit status."""
    out = io.StringIO()
    lines = [json.dumps({"resource": resource, "timeout_s": timeout_s}), *map(json.dumps, requests)]
    status = serve(io.StringIO("\n".join(lines) + "\n"), out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_talk(standin: Bench) -> None:
    """The child says that it has started, that the resource is open, and then one line for each request."""
    status, said = talk(standin.vxi11_resource, {"tell": ":COMM:HEAD OFF"}, {"ask": "*IDN?"}, {"ask": ":INP:CFAC?"})
    assert status == 0
    assert said == [{"started": True}, {"opened": True}, {"told": True}, {"answer": IDENTITY}, {"answer": "3"}]


def test_the_portmapper_tells_the_port(standin: Bench) -> None:
    """A resource without a port is found through the instrument's portmapper."""
    assert talk("TCPIP::127.0.0.1::INSTR", {"ask": "*IDN?"})[1][-1] == {"answer": IDENTITY}


def test_a_timeout_ends_the_child(standin: Bench) -> None:
    """A question without an answer is an error that ends the child: later answers would be out of step."""
    status, said = talk(standin.vxi11_resource, {"ask": ":NO:SUCH?"}, {"ask": "*IDN?"}, timeout_s=0.2)
    assert status == 1
    assert said[-1]["fatal"]
    assert "Timeout" in said[-1]["error"]
    assert len(said) == 3


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyvisa the child says what to install."""
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    status, said = talk("TCPIP::127.0.0.1::INSTR")
    assert status == 1
    assert [line["next_step"] for line in said] == ["install it: pip install 'joulemark[visa]'"]


def test_nobody_asks() -> None:
    """A child whose input ends before it is told a resource ends without a word of error."""
    out = io.StringIO()
    assert serve(io.StringIO(""), out) == 0
    assert json.loads(out.getvalue()) == {"started": True}
