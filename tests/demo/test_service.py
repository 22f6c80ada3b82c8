from __future__ import annotations

import json

import httpx
import pytest


@pytest.mark.parametrize(
    ("path", "prompt"), [("chat/completions", {"messages": [{"content": "x" * 40}]}), ("completions", {"prompt": "x" * 40})]
)
def test_whole_answer_reports_its_usage(stub_url: str, path: str, prompt: dict[str, object]) -> None:
    """A whole answer holds the wanted number of tokens and counts the prompt by the stated rule."""
    answer = httpx.post(f"{stub_url}/v1/{path}", json={"max_tokens": 7, **prompt}).json()
    assert answer["usage"] == {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17}
    choice = answer["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    assert text.split() == ["energy"] * 7


def test_stream_sends_one_event_per_token_then_usage_then_done(stub_url: str) -> None:
    """A stream has one chunk per token, one with the usage when asked for, and the end mark."""
    body = {"messages": [{"content": "hello"}], "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}}
    with httpx.stream("POST", f"{stub_url}/v1/chat/completions", json=body) as response:
        events = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    chunks = [json.loads(event) for event in events[:-1]]
    assert events[-1] == "[DONE]"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 4 + ["length"]
    assert chunks[-1]["usage"]["completion_tokens"] == 5


def test_models_and_health_answer(stub_url: str) -> None:
    """Load tools find the model list and the health page they look for."""
    assert httpx.get(f"{stub_url}/v1/models").json()["data"][0]["id"] == "stub-model"
    assert httpx.get(f"{stub_url}/health").text == "ok"
