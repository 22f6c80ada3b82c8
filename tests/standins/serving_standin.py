"""A serving engine whose every token is known: a load drawn from a seed, the record of its requests, and the page of vLLM that follows.

Nothing is generated while it runs: what the page says at a moment is computed from the record, so the record is the truth.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

MODEL = "acme/llama-9b"
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Answer:
    """One request. Its prompt is counted with the first token, a token of the answer when it is made; a failed one breaks off."""

    begin_ns: int
    first_ns: int
    step_ns: int
    input: int
    cached: int
    output: int
    reason: str

    @property
    def end_ns(self) -> int:
        return self.first_ns + (self.output - 1) * self.step_ns

    def made(self, t_ns: int) -> int:
        """Tokens of the answer until `t_ns`."""
        return min(max((t_ns - self.first_ns) // self.step_ns + 1, 0), self.output)


@dataclass
class Replica:
    """One engine: the requests that it answers, and when its process was started. `gone`: its rows are not on the page."""

    model: str
    engine: str
    answers: list[Answer]
    gone: bool = False

    def counts(self, t_ns: int) -> dict[str, int]:
        """What its counters show at `t_ns`."""
        begun = [a for a in self.answers if a.first_ns <= t_ns]
        ended = [a for a in begun if a.end_ns <= t_ns]
        return {
            "output": sum(a.made(t_ns) for a in begun),
            "input": sum(a.input for a in begun),
            "cached": sum(a.cached for a in begun),
            "running": sum(a.begin_ns <= t_ns < a.end_ns for a in self.answers),
            **{reason: sum(a.reason == reason for a in ended) for reason in ("stop", "length", "abort")},
        }


@dataclass
class Service:
    """Several engines behind one page. Callable, as a `PageServer` wants it.

    `offset`: what each counter began with, by name, so that they need not begin at 0. `drop`, `double`: faults that a proof has to see:
    the page forgets tokens of each answer, or shows the first replica a second time.
    """

    replicas: list[Replica]
    started_ns: int
    offset: int = 0
    drop: bool = False
    double: bool = False
    tells_start: bool = True
    extra: str = ""
    clock: list[int] = field(default_factory=list)

    def __call__(self) -> str:
        return self.page(self.clock[0] if self.clock else time.time_ns())

    def truth(self, begin_ns: int, end_ns: int, model: str | None = None) -> dict[str, int]:
        """Tokens and requests between two moments, from the record of the requests alone."""
        found = {"output": 0, "input": 0, "cached": 0, "requests": 0, "failed": 0}
        for one in (a for r in self.replicas if model in (None, r.model) for a in r.answers):
            found["output"] += one.made(end_ns) - one.made(begin_ns)
            prompt = begin_ns < one.first_ns <= end_ns
            found["input"] += one.input * prompt
            found["cached"] += one.cached * prompt
            ended = begin_ns < one.end_ns <= end_ns
            found["requests"] += ended and one.reason != "abort"
            found["failed"] += ended and one.reason == "abort"
        return found

    def page(self, t_ns: int) -> str:
        """The page at a moment."""
        start = [f"process_start_time_seconds {self.started_ns / 1e9:.2f}"] if self.tells_start else []
        return "\n".join([*self.lines(t_ns), *start, self.extra])

    def lines(self, t_ns: int) -> Iterator[str]:
        rows = [(r.model, r.engine, r.counts(t_ns)) for r in self.replicas if not r.gone]
        if self.double:
            rows.append((rows[0][0], "9", rows[0][2]))
        if self.drop:
            for _, _, counts in rows:
                counts["output"] -= counts["output"] // 10
        names = {"output": "vllm:generation_tokens", "input": "vllm:prompt_tokens", "cached": "vllm:prefix_cache_hits"}
        for key, name in names.items():
            yield f"# HELP {name}_total Tokens."
            yield f"# TYPE {name}_total counter"
            for model, engine, counts in rows:
                yield f'{name}_total{{engine="{engine}",model_name="{model}"}} {float(counts[key] + self.offset)}'
            yield f"# TYPE {name}_created gauge"
            for model, engine, _ in rows:
                yield f'{name}_created{{engine="{engine}",model_name="{model}"}} {self.started_ns / 1e9}'
        yield "# TYPE vllm:request_success_total counter"
        for model, engine, counts in rows:
            for reason in ("stop", "length", "abort"):
                labels = f'engine="{engine}",finished_reason="{reason}",model_name="{model}"'
                yield f"vllm:request_success_total{{{labels}}} {float(counts[reason] + self.offset)}"
        yield "# TYPE vllm:num_requests_running gauge"
        for model, engine, counts in rows:
            yield f'vllm:num_requests_running{{engine="{engine}",model_name="{model}"}} {float(counts["running"])}'
        yield "# TYPE vllm:request_generation_tokens histogram"
        for model, engine, counts in rows:
            labels = f'engine="{engine}",model_name="{model}"'
            yield f'vllm:request_generation_tokens_bucket{{{labels},le="+Inf"}} {float(counts["stop"])}'
            yield f"vllm:request_generation_tokens_sum{{{labels}}} {float(counts['output'])}"
            yield f"vllm:request_generation_tokens_count{{{labels}}} {float(counts['stop'])}"


def load(seed: int, begin_ns: int, duration_s: float, *, rate_per_s: float, output: int = 60, step_ms: float = 8.0) -> list[Answer]:
    """Requests that arrive at random, some of them in bursts, from `begin_ns` on; one in twenty is broken off."""
    chance = random.Random(seed)
    found, t_s = [], 0.0
    while t_s < duration_s:
        t_s += chance.expovariate(rate_per_s)
        begin = begin_ns + round(t_s * NS_PER_S)
        prompt = chance.randint(16, 900)
        cached = 16 * chance.randint(0, prompt // 16)
        wait_ns = round(chance.uniform(0.005, 0.2) * NS_PER_S)
        step_ns = round(chance.uniform(0.5, 1.5) * step_ms * 1e6)
        reason = "abort" if chance.random() < 0.05 else chance.choice(("stop", "length"))
        found.append(Answer(begin, begin + wait_ns, step_ns, prompt, cached, chance.randint(1, 2 * output), reason))
    return found
