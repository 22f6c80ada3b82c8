"""Pages of engines, each as its documents say, and pages that are none."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterTransient
from joulemark.meters.prometheus_page import Row, parse_page
from joulemark.meters.serving_page import NAMES, names_on, recognised, shown, whole
from joulemark.readings import Quality, Quantity
from tests.mutations import mutated

Q = Quantity
TEXT = "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0"

VLLM = """
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 100.0
vllm:generation_tokens_total{engine="1",model_name="m"} 50.0
vllm:generation_tokens_total{engine="0",model_name="n"} 7.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.7e+09
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.000e+03
vllm:prompt_tokens_cached_total{engine="0",model_name="m"} 80.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 96.0
vllm:gpu_prefix_cache_hits_total{engine="0",model_name="m"} 97.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 3.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 2.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 1.0
vllm:num_requests_running{engine="0",model_name="m"} 4.0
vllm:request_generation_tokens_sum{engine="0",model_name="m"} 99.0
vllm:iteration_tokens_total_sum{engine="0",model_name="m"} 5000.0
process_start_time_seconds 1.7e+09
"""

SGLANG = """
sglang:prompt_tokens_total{model_name="m"} 8.128902e+06
sglang:generation_tokens_total{model_name="m",is_streaming="true"} 7.0e+06
sglang:generation_tokens_total{model_name="m",is_streaming="false"} 557572
sglang:cached_tokens_total{model_name="m",cache_source="device"} 10
sglang:cached_tokens_total{model_name="m",cache_source="host"} 5
sglang:num_requests_total{model_name="m"} 12
sglang:num_running_reqs{model_name="m",tp_rank="0"} 3
sglang:num_running_reqs{model_name="m",tp_rank="1"} 3
"""

TGI = """
tgi_request_generated_tokens_bucket{le="+Inf"} 4
tgi_request_generated_tokens_sum 321
tgi_request_generated_tokens_count 4
tgi_request_input_length_sum 99
tgi_request_success 4
tgi_request_failure{err="overloaded"} 2
tgi_batch_current_size 1
"""

TRTLLM = """
trtllm_generation_tokens_total{engine_type="trtllm",model_name="m"} 40
trtllm_prompt_tokens_total{engine_type="trtllm",model_name="m"} 60
trtllm_request_success_total{engine_type="trtllm",finished_reason="length",model_name="m"} 2
"""

TRITON = """
nv_inference_request_success{model="ensemble",version="1"} 59
nv_inference_request_success{model="tensorrt_llm",version="1"} 0
nv_inference_request_failure{model="ensemble",version="1"} 1
nv_inference_request_failure{model="tensorrt_llm",reason="OTHER",version="1"} 1
nv_inference_request_failure{model="tensorrt_llm",reason="CANCELED",version="1"} 2
nv_llm_output_token_len_sum{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 590
nv_llm_output_token_len_count{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 59
nv_llm_input_token_len_sum{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1"} 1180
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="max",version="1"} 64
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="active",version="1"} 5
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="scheduled",version="1"} 4
"""

DYNAMO = """
dynamo_frontend_output_tokens_total{model="m"} 1000
dynamo_frontend_output_sequence_tokens_sum{model="m"} 900
dynamo_frontend_input_sequence_tokens_sum{model="m"} 2000
dynamo_frontend_cached_tokens_sum{model="m"} 128
dynamo_frontend_requests_total{endpoint="chat_completions",model="m",request_type="stream",status="success",error_type=""} 9
dynamo_frontend_requests_total{endpoint="chat_completions",model="m",request_type="unary",status="success",error_type=""} 1
dynamo_frontend_requests_total{endpoint="chat_completions",model="m",request_type="unary",status="error",error_type="internal"} 2
dynamo_frontend_inflight_requests{model="m"} 3
"""

EXPECTED = {
    "vllm": (VLLM, "m", (150, 1000, 80, 5, 1, 4)),
    "sglang": (SGLANG, "m", (7_557_572, 8_128_902, 15, 12, None, 3)),
    "tgi": (TGI, "mine", (321, 99, None, 4, 2, 1)),
    "trtllm": (TRTLLM, "m", (40, 60, None, 2, None, None)),
    "triton_trtllm": (TRITON, "tensorrt_llm", (590, 1180, None, 59, 3, 5)),
    "dynamo": (DYNAMO, "m", (1000, 2000, 128, 10, 2, 3)),
}
ORDER = (Q.OUTPUT_TOKENS, Q.INPUT_TOKENS, Q.CACHED_INPUT_TOKENS, Q.REQUESTS, Q.FAILED_REQUESTS, Q.RUNNING_REQUESTS)


def rows_of(page: str, content_type: str = TEXT) -> list[Row]:
    return parse_page(page.encode(), content_type, NAMES)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_engine_is_recognised_and_counted(name: str) -> None:
    """The page of each engine is recognised by its names, and gives the counts that a person reads from it, summed over its rows."""
    page, model, counts = EXPECTED[name]
    rows = rows_of(page)
    [engine] = recognised(rows)
    assert engine.name == name
    found = shown(engine, rows, unnamed="mine").models[model]
    assert tuple(found[q].verdict[0] if q in found else None for q in ORDER) == counts


def test_parts_of_a_pipeline_are_no_models() -> None:
    """The ensemble and the tokenizer before a model are not listed: they count requests and make no token."""
    rows = rows_of(TRITON)
    assert list(shown(recognised(rows)[0], rows, unnamed="x").models) == ["tensorrt_llm"]


def test_models_stand_apart() -> None:
    """Each model has its own counts, and one that lacks a counter lacks the quantity."""
    rows = rows_of(VLLM)
    other = shown(recognised(rows)[0], rows, unnamed="x").models["n"]
    assert {q: count.verdict[0] for q, count in other.items()} == {Q.OUTPUT_TOKENS: 7}


def test_the_start_of_the_process() -> None:
    """It is told where the page speaks of one process, and of no other."""
    rows = rows_of(VLLM)
    engine = recognised(rows)[0]
    assert shown(engine, rows, unnamed="x").started_s == 1.7e9
    several = rows_of(VLLM + 'process_start_time_seconds{pid="2"} 1.8e+09\n')
    assert shown(engine, several, unnamed="x").started_s is None


def test_openmetrics_with_exemplars() -> None:
    """A page in OpenMetrics, with `_total`, `_created` and an exemplar, gives the same counts."""
    page = (
        "# TYPE vllm:generation_tokens counter\n"
        'vllm:generation_tokens_total{model_name="m"} 150.0 # {trace_id="abc"} 3.0 1.7e9\n'
        'vllm:generation_tokens_created{model_name="m"} 1.7e9\n'
        "# TYPE tgi_request_generated_tokens histogram\n"
        "# EOF\n"
    )
    rows = rows_of(page, OPEN)
    assert shown(recognised(rows)[0], rows, unnamed="x").models["m"][Q.OUTPUT_TOKENS].verdict == (150, Quality.OK, "")


def test_two_engines_on_one_page_are_both_told() -> None:
    """A frontend and an engine on one page are both recognised, so that nobody takes the one for the other."""
    assert [engine.name for engine in recognised(rows_of(VLLM + DYNAMO))] == ["vllm", "dynamo"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NaN", "the page says nan"),
        ("+Inf", "the page says inf"),
        ("-1.0", "the page says -1"),
        ("1.5", "which is no count"),
        ("9007199254740994", "above 2"),
        ("1e300", "above 2"),
    ],
)
def test_what_is_no_count_is_no_number(value: str, words: str) -> None:
    """NaN, infinity, a negative number, a part of a token and what floating point cannot hold make the sum a gap with a reason."""
    rows = rows_of(VLLM + f'vllm:generation_tokens_total{{engine="2",model_name="m"}} {value}\n')
    number, quality, reason = shown(recognised(rows)[0], rows, unnamed="x").models["m"][Q.OUTPUT_TOKENS].verdict
    assert (number, quality) == (None, Quality.SENTINEL)
    assert words in reason


def test_a_row_that_stands_twice_is_not_summed() -> None:
    """The same row twice would count its tokens twice: the quantity has no number, and the others have."""
    rows = rows_of(VLLM + 'vllm:generation_tokens_total{model_name="m",engine="0"} 100.0\n')
    found = shown(recognised(rows)[0], rows, unnamed="x").models["m"]
    assert found[Q.OUTPUT_TOKENS].verdict[0] is None
    assert "twice" in found[Q.OUTPUT_TOKENS].verdict[2]
    assert found[Q.INPUT_TOKENS].verdict[0] == 1000


@given(st.integers(0, 2**53))
def test_whole_counts_stay_whole(count: int) -> None:
    """Every count that a page can print exactly comes through exactly."""
    assert whole(Row("x", {}, float(count), None)) == (count, "")


def test_the_names_of_an_unknown_page() -> None:
    """The message about a page that nobody knows tells some names of it, and how many more there are."""
    assert names_on("") == "nothing"
    assert names_on('# HELP a b\nup 1\nzeta{x="1"} 2\n') == "up, zeta"
    assert names_on("".join(f"m{i:02} 1\n" for i in range(20))).endswith("m11 and 8 more")


@given(st.sampled_from([page for page, _, _ in EXPECTED.values()]).flatmap(lambda page: mutated(page.encode())))
def test_a_mutated_page_gives_counts_or_a_reason(page: bytes) -> None:
    """Whatever is done to a page, reading it ends in counts with whole numbers, in gaps with reasons, or in the meter's own error."""
    rows: list[Row] = []
    with suppress(MeterTransient):
        rows = parse_page(page, TEXT, NAMES)
    for engine in recognised(rows):
        for counts in shown(engine, rows, unnamed="x").models.values():
            for count in counts.values():
                value, quality, reason = count.verdict
                assert (value is None) == bool(reason) == (quality is not Quality.OK)
                assert value is None or (type(value) is int and value >= 0)
