"""What the example calls of vLLM, with the types of its release 0.11: an engine that answers each prompt with a few tokens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class SamplingParams:
    max_tokens: int | None = 16


@dataclass
class CompletionOutput:
    token_ids: Sequence[int]


@dataclass
class RequestOutput:
    prompt_token_ids: list[int] | None
    outputs: list[CompletionOutput]


class LLM:
    def __init__(self, model: str) -> None:
        self.model = model

    def generate(self, prompts: str | Sequence[str], sampling_params: SamplingParams | None = None) -> list[RequestOutput]:
        """Three tokens for each prompt, which had two."""
        time.sleep(0.3)
        return [RequestOutput([1, 2], [CompletionOutput([1, 2, 3])]) for _ in ([prompts] if isinstance(prompts, str) else prompts)]
