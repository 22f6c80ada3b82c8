"""Which models were served, what they counted, and a run that takes its tokens from there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from joulemark.cards.served import models_of, tokens_of, with_tokens
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quantity
from joulemark.runs import PhaseKind, Run, Tokens, Window
from tests.cards.serving_truth import T0, S, counter, engine, gpu

Q = Quantity
BEGIN, END = T0 + 10 * S, T0 + 110 * S


def test_servers_of_one_model_add_up() -> None:
    """Two servers of a model are summed, two models stand apart."""
    models, findings = models_of([gpu(), *engine(), *engine(server="8001"), *engine(model="n", output=7)])
    assert [one.name for one in models] == ["m", "n"]
    assert findings == []
    assert models[0].counts(BEGIN, END)[Q.OUTPUT_TOKENS].value == pytest.approx(20_000, abs=1)
    assert models[1].counts(BEGIN, END)[Q.OUTPUT_TOKENS].value == pytest.approx(700, abs=1)
    assert models[0].under_way(BEGIN) == 6
    assert models[0].engines == ["vllm"]


def test_a_server_that_two_agents_read_counts_once() -> None:
    """The same page read from two hosts is one server: the second reading is left out, and that is said."""
    twice = [replace(one, meter=replace(one.meter, meter_id=one.meter.meter_id.replace("node1", "node2"))) for one in engine()]
    models, findings = models_of([*engine(), *twice])
    assert models[0].counts(BEGIN, END)[Q.OUTPUT_TOKENS].value == pytest.approx(10_000, abs=1)
    assert "second reading" in findings[0]


def test_engines_behind_a_frontend_are_not_added() -> None:
    """A frontend and the engine behind it count the same tokens: only the frontend counts."""
    front = [counter(Q.OUTPUT_TOKENS, 100, engine="dynamo", server="7000", name="dynamo_frontend_output_tokens_total")]
    models, findings = models_of([*engine(), *front])
    assert models[0].counts(BEGIN, END)[Q.OUTPUT_TOKENS].value == pytest.approx(10_000, abs=1)
    assert models[0].engines == ["dynamo"]
    assert "behind a frontend" in findings[0]


def test_a_sum_with_a_silent_part_is_not_known() -> None:
    """Where one of two servers does not tell a quantity, the sum is not known, and says who."""
    silent = [one for one in engine(server="8001") if one.meter.quantity is not Q.REQUESTS]
    models, _ = models_of([*engine(), *silent])
    found = models[0].counts(BEGIN, END)[Q.REQUESTS]
    assert found.value is None
    assert "8001-m does not tell requests" in found.reason


def test_tokens_counted_at_the_end_are_less_certain() -> None:
    """An engine that counts tokens when a request ends adds those of requests across an edge to the uncertainty: 3 of 50 tokens each."""
    [model], _ = models_of(late_engine())
    [steady], _ = models_of(engine())
    edges, more = steady.counts(BEGIN, END)[Q.OUTPUT_TOKENS].half, model.counts(BEGIN, END)[Q.OUTPUT_TOKENS].half
    assert more == pytest.approx(math.hypot(150, edges))
    assert edges < 150


def test_without_the_requests_under_way_the_uncertainty_has_no_bound() -> None:
    """Tokens counted at the end have no U95 where nobody tells how many requests lay across an edge, or how long those are."""
    tokens, requests, running = late_engine()
    [idle] = [replace(running, value=running.value * 0)]
    still = replace(requests, value=requests.value * 0 + 7)
    for told in ([tokens, requests], [tokens, running], [tokens, still, running]):
        [model], _ = models_of(told)
        count = model.counts(BEGIN, END)[Q.OUTPUT_TOKENS]
        assert (count.value, count.u95) == (pytest.approx(10_000, abs=1), None)
        with pytest.raises(InsufficientData, match="edges of the phase"):
            tokens_of(told, BEGIN, END)
    for told in ([tokens, requests, idle], [tokens, still, idle]):
        [model], _ = models_of(told)
        assert model.counts(BEGIN, END)[Q.OUTPUT_TOKENS].half < 150


def test_a_count_without_a_bound_alone_is_left_out() -> None:
    """Where input is counted in an unknown way and output while it is made, a run takes the output alone."""
    output, prompt, *_ = engine()
    odd = replace(prompt, meter=replace(prompt.meter, note="about; unheard_of_total"))
    tokens, _, _ = tokens_of([output, odd], BEGIN, END)
    assert (tokens.output, tokens.input) == (pytest.approx(10_000, abs=1), None)
    assert 0 < tokens.disagreement < 700


def late_engine() -> list[Series]:
    """An engine that counts tokens when a request ends: 50 each, 3 of them under way."""
    return [
        counter(Q.OUTPUT_TOKENS, 100, engine="sglang", name="sglang:generation_tokens_total"),
        counter(Q.REQUESTS, 2, engine="sglang", name="sglang:num_requests_total"),
        counter(Q.RUNNING_REQUESTS, 3, engine="sglang", name="sglang:num_running_reqs"),
    ]


def test_tokens_of_a_window() -> None:
    """One model gives its tokens with who counted; of several the one that is named; none, or an unknown one, is refused with words."""
    tokens, requests, failed = tokens_of([*engine(), gpu()], BEGIN, END)
    assert (tokens.output, tokens.input, tokens.source) == (pytest.approx(10_000, abs=1), pytest.approx(30_000, abs=1), "engine_counter")
    assert (tokens.cached_input, tokens.reasoning) == (None, None)
    assert (requests, failed) == (200, 0)
    assert 0 < tokens.disagreement < 700
    two = [*engine(), *engine(model="n", output=7)]
    assert tokens_of(two, BEGIN, END, model="n")[0].output == pytest.approx(700, abs=1)
    for series, words in ((two, "m, n"), ([gpu()], "nothing")):
        with pytest.raises(InsufficientData, match=words):
            tokens_of(series, BEGIN, END)
    with pytest.raises(InsufficientData, match="before the end"):
        tokens_of(engine(), BEGIN, T0 + 500 * S)


def run(tokens: Tokens | None = None, **labels: str) -> Run:
    window = Window("decode", PhaseKind.MEASURED, BEGIN, END, tokens=tokens or Tokens())
    return Run((Window("warmup", PhaseKind.WARMUP, T0 + S, T0 + 9 * S), window), labels=labels)


def test_a_run_without_tokens_takes_the_engines() -> None:
    """Only a measured phase to which nobody gave tokens takes those of the engine, and a finding says so."""
    found = with_tokens(run(), [*engine(), gpu()])
    assert found.windows[0].tokens == Tokens()
    assert found.windows[1].tokens.source == "engine_counter"
    assert (found.windows[1].requests, found.windows[1].requests_failed) == (200, 0)
    assert "engine's own counters" in found.findings[0]
    given = run(Tokens(output=5, source="server_usage"))
    assert with_tokens(given, engine()) == given
    assert with_tokens(run(), [gpu()]) == run()


def test_a_run_that_cannot_take_them_says_why() -> None:
    """With several models the label says which one; without it the phase stays without tokens, and the reason is a finding."""
    two = [*engine(), *engine(model="n", output=7)]
    assert with_tokens(run(model="n"), two).windows[1].tokens.output == pytest.approx(700, abs=1)
    bare = with_tokens(run(), two)
    assert bare.windows[1].tokens == Tokens()
    assert "serve m, n" in bare.findings[0]
    assert "label model" in bare.findings[0]
