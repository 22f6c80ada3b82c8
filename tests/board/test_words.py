"""Words of an entry: names pass, claims about speed do not."""

from __future__ import annotations

import pytest

from joulemark.board.words import LONGEST, clean, require_energy_only
from joulemark.errors import FormatError


@pytest.mark.parametrize(
    "text",
    [
        "Llama-3.1-8B-Instruct fp8 on 8 H100 80GB, NODE_AC",
        "Qwen2.5-72B",
        "GB200 NVL72",
        "p5.48xlarge",
        "ms-marco v2 MS MARCO",
        "low-latency chat",
        "vllm 0.9.1",
        "640 tokens in, 480 tokens out",
        "sharegpt 2 steps",
        "GTX 2 PS",
    ],
)
def test_names_pass(text: str) -> None:
    """Names of models, machines and data sets are no claims."""
    require_energy_only(text, where="title")


@pytest.mark.parametrize(
    "text",
    [
        "12000 tok/s",
        "12k tokens/s",
        "3.5 tokens per second",
        "900 TPS",
        "17qps",
        "5 requests/sec",
        "TTFT 35",
        "latency: 20",
        "itl=9",
        "12 ms",
        "80 queries per hour",
        "1900 TFLOPS",
        "12000 toks/s/gpu",
        "8000 tok/gpu",
        "30 fps",
        "900 tokps",
        "tok/s: 12000",
        "tokens per second = 12000",
        "12000 tokens a second",
        "12000 tok\u2215s",
        "\uff11\uff12\uff10\uff10\uff10 \uff54\uff4f\uff4b\uff0f\uff53",
    ],
)
def test_claims_about_speed_do_not(text: str) -> None:
    """A number with a unit of speed is refused, and the message shows it."""
    with pytest.raises(FormatError, match="performance"):
        require_energy_only(f"Example {text}", where="title")


def test_text_is_one_short_line() -> None:
    """Control characters become spaces, what is long is cut; what is not clean is refused."""
    assert clean("a\x00b\r\n\tc\u202e") == "a b c"
    assert len(clean("x" * 10**6)) == LONGEST
    with pytest.raises(FormatError, match="short line"):
        require_energy_only("a\x1bb", where="title")
