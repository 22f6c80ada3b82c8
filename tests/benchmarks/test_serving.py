"""What vLLM and SGLang share: results by line, Python's odd numbers, counts and their doubts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.benchmarks import serving
from joulemark.errors import FormatError

END_NS = 1_790_000_000_000_000_000


@pytest.mark.parametrize("indent", [None, 2])
def test_one_result_may_fill_many_lines(tmp_path: Path, indent: int | None) -> None:
    """A result is read whether it stands on one line or was indented."""
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"duration": 2.5, "lens": [1, 2]}, indent=indent))
    assert serving.results(path) == [{"duration": 2.5, "lens": [1, 2]}]


def test_appended_results_are_one_a_line(tmp_path: Path) -> None:
    """Results appended to a file come one by one; a torn one is refused by its line."""
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert serving.results(path) == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a": 2, }\n')
    with pytest.raises(FormatError, match=r"jsonl:2 is not valid JSON"):
        serving.results(path)


def test_results_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More results than anybody appends are refused before each of them is parsed."""
    monkeypatch.setattr(serving, "MAX_RESULTS", 3)
    path = tmp_path / "r.jsonl"
    path.write_text("{}\n" * 3)
    assert len(serving.results(path)) == 3
    path.write_text("{}\n" * 4)
    with pytest.raises(FormatError, match="more than 3 results"):
        serving.results(path)


def test_numbers_that_are_no_json(tmp_path: Path) -> None:
    """Python's Infinity and NaN become text, so no figure; the same words inside a text stay as they are."""
    path = tmp_path / "r.jsonl"
    said = 'he wrote "rate": NaN, and \\'
    path.write_text(json.dumps({"rate": float("inf"), "mean": float("nan"), "low": float("-inf"), "said": said}))
    assert serving.results(path) == [{"rate": "Infinity", "mean": "NaN", "low": "-Infinity", "said": said}]


@pytest.mark.parametrize(
    ("result", "expected"),
    [({}, None), ({"errors": ["", "x", ""]}, 1), ({"failed": 2}, 2), ({"failed": 0, "errors": []}, 0), ({"errors": "x"}, None)],
)
def test_failures(result: dict[str, Any], expected: int | None) -> None:
    """Failures are counted by the tool or listed; else they are unknown, not none."""
    assert serving.failed(result) == expected


@pytest.mark.parametrize(
    ("more", "difference"),
    [({}, 0), ({"output_lens": [40, 60]}, 0), ({"output_lens": [40, None]}, 0), ({"output_lens": [40, 50]}, 10)],
)
def test_counts_of_the_output_are_compared(more: dict[str, Any], difference: int) -> None:
    """The total is compared with the list of lengths where that is whole."""
    tokens = serving.tokens({"total_input_tokens": 7, "total_output_tokens": 100, **more})
    assert (tokens.input, tokens.output, tokens.disagreement) == (7, 100, difference)
    assert (tokens.cached_input, tokens.reasoning) == (None, None)


def test_retokenized_counts_are_compared() -> None:
    """SGLang's second count of the text shows when the first was only what was asked for."""
    one = serving.window(
        {"duration": 1, "total_output_tokens": 2048, "total_output_tokens_retokenized": 16}, name="serve", end_ns=END_NS, where="f"
    )
    assert one.tokens.disagreement == 2032
    assert any("differ by 2032" in doubt for doubt in serving.doubts({}, one))


def test_no_totals_are_no_tokens() -> None:
    """Without totals nobody counted, and that is said."""
    one = serving.window({"duration": 1, "completed": 3}, name="serve", end_ns=END_NS, where="f")
    assert (one.tokens.input, one.tokens.output, one.requests) == (None, None, 3)
    text = " ".join(serving.doubts({"num_prompts": 5}, one))
    assert "output tokens" in text
    assert "5 prompts were asked for and 3 completed" in text


@pytest.mark.parametrize("duration", [None, 0, -1.5, "3", True, 1e9])
def test_a_duration_that_is_none_is_refused(duration: Any) -> None:
    """Without a believable duration there is no begin, and none is made up."""
    with pytest.raises(FormatError, match="duration"):
        serving.window({"duration": duration}, name="serve", end_ns=END_NS, where="f")


def test_what_was_there_before_is_not_read_again(tmp_path: Path) -> None:
    """Past the first bytes of a file only what was added is a result; its phase counts from zero."""
    path = tmp_path / "r.jsonl"
    path.write_text('{"duration": 2.5, "completed": 7}\n')
    length = path.stat().st_size
    with path.open("a") as file:
        file.write('{"duration": 1.5, "completed": 3}\n')
    assert len(serving.results(path)) == 2
    run = serving.undated(path, after=length, benchmark="t", labels=lambda _: {})
    assert [(window.begin_ns, window.end_ns, window.requests) for window in run.windows] == [(0, 1_500_000_000, 3)]
    with pytest.raises(FormatError, match="got 2 results from one command"):
        serving.undated(path, after=0, benchmark="t", labels=lambda _: {})
    with pytest.raises(FormatError):
        serving.undated(path, after=path.stat().st_size, benchmark="t", labels=lambda _: {})
