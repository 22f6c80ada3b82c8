"""The how-to for Python does what it says, against a real collector and a stand-in for the engine."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulemark.client import Client
from joulemark.errors import UsageError
from tests.collector.conftest import Agent, Collector, S
from tests.collector.conftest import lasting_collector as lasting_collector


@dataclass
class Completion:
    token_ids: list[int]


@dataclass
class RequestOutput:
    """As `vllm.LLM.generate` gives them: each with its completions."""

    outputs: list[Completion]


def generate(prompts: list[str]) -> list[RequestOutput]:
    time.sleep(0.4)
    return [RequestOutput([Completion([1, 2, 3])]) for _ in prompts]


@pytest.fixture
def sampled(lasting_collector: Collector) -> Collector:
    """A collector with readings of the minute around now."""
    agent, begin_ns = Agent(), time.time_ns() - 20 * S
    agent.send(lasting_collector.grpc, *(agent.batch(n, begin_ns=begin_ns + n * S) for n in range(60)))
    return lasting_collector


def test_the_blocks_of_the_how_to_run(
    repository: Path, sampled: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each block runs as printed: the phase has its tokens, an energy, a card, a table without gaps, and the watts of its meter."""
    monkeypatch.setenv("JOULEMARK_URL", sampled.rest)
    names: dict[str, Any] = {"generate": generate}
    for block in blocks(repository, "use-from-python", "python"):
        exec(compile(block, "use-from-python.md", "exec"), names)
    decode = names["phase"]
    assert (decode["tokens"]["output"], decode["requests"]) == (6, 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["warmup", "decode"]
    assert float(lines[1].split()[1]) == pytest.approx(200.0 * 0.4, rel=0.5)
    assert lines[2].startswith(f"Energy card of run {names['run_id']}")
    assert "fake:host-a:0:power [W] 200.0 0" in lines
    assert any(line.split() == ["benchmark", "notebook"] for line in lines)
    assert lines[-1].split()[::2] == ["fake:host-a:0:power", "200.0"]


@pytest.mark.parametrize(("example", "said"), [("vllm_offline", "J per 1k output tokens"), ("torch_loop", "train gpu")])
def test_the_examples_run_against_engines_that_have_what_they_call(
    repository: Path, sampled: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], example: str, said: str
) -> None:
    """The file is the block of the how-to; it runs, by types that mypy checks, and its phase has tokens and an energy."""
    source = (repository / "docs" / "examples" / f"{example}.py").read_text(encoding="utf-8")
    assert source in blocks(repository, "use-from-python", "python example")
    monkeypatch.setenv("JOULEMARK_URL", sampled.rest)
    monkeypatch.syspath_prepend(str(repository / "tests" / "standins" / "engines"))
    names: dict[str, Any] = {}
    try:
        exec(compile(source, example, "exec"), names)
    finally:
        for engine in ("torch", "vllm"):
            sys.modules.pop(engine, None)  # a stand-in must not pass for the engine in another test
    assert said in capsys.readouterr().out
    phases = {one["name"]: one["tokens"] for one in Client(sampled.rest).call("GET", f"/v1/runs/{names['run_id']}/phases")}
    counted = {"vllm_offline": ("generate", 256, 384), "torch_loop": ("train", 102_400, None)}[example]
    assert (counted[0], phases[counted[0]]["input"], phases[counted[0]]["output"]) == counted


def blocks(repository: Path, page: str, language: str) -> list[str]:
    text = (repository / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_series_are_columns_of_the_meters_that_were_asked_for(sampled: Collector) -> None:
    """Times are UTC in order, values in watts; no meter gives nothing; one that is not known is a wrong usage."""
    client, now_ns = Client(sampled.rest), time.time_ns()
    (series,) = client.series(["fake:host-a:0:power"], now_ns - 5 * S, now_ns).values()
    assert set(series.si()) == {200.0}
    assert len(series) > 10
    assert bool(np.all(np.diff(series.t_ns) > 0))
    assert client.series([], 0, now_ns) == {}
    with pytest.raises(UsageError, match="no meter 'x'"):
        client.series(["x"], 0, now_ns)
