"""A small serving benchmark: it loads for a while, drives a load, and writes its result as vLLM or SGLang does.

    python -m tests.standins.serving_benchmark vllm result.json --load-s 0.2 --serve-s 0.5

Both tell a duration by a monotonic clock. vLLM adds its end, in whole seconds of the local zone; SGLang appends a line without any time.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

PROMPTS, INPUT, OUTPUT = 8, 512, 256


def result(tool: str, duration_s: float) -> str:
    """What the tool prints to its file."""
    counts = {"duration": duration_s, "completed": PROMPTS, "total_input_tokens": INPUT, "total_output_tokens": OUTPUT}
    if tool == "vllm":
        told = {"date": time.strftime("%Y%m%d-%H%M%S"), "model_id": "m/8b", "num_prompts": PROMPTS, "request_throughput": 1.0, "failed": 0}
        return json.dumps({**told, **counts})
    return json.dumps({"backend": "sglang", "request_rate": float("inf"), "total_output_tokens_retokenized": OUTPUT, **counts}) + "\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=["vllm", "sglang"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--load-s", type=float, default=0.2)
    parser.add_argument("--serve-s", type=float, default=0.5)
    parser.add_argument("--claim-s", type=float, help="a duration to tell in place of the true one")
    given = parser.parse_args()
    time.sleep(given.load_s)
    begun = time.perf_counter()
    time.sleep(given.serve_s)
    text = result(given.tool, given.claim_s or time.perf_counter() - begun)
    with given.path.open("a" if given.tool == "sglang" else "w") as out:
        out.write(text)


if __name__ == "__main__":
    main()
