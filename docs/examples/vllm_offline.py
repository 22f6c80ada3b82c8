"""Joules per 1k tokens of vLLM without a server."""

from vllm import LLM, SamplingParams

import joulemark

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
PROMPTS = ["Why is the sky blue?", "What is a joule?"] * 64

engine = LLM(model=MODEL)
client = joulemark.Client()
run_id = client.start(benchmark="vllm offline", labels={"model": MODEL})
with joulemark.phase("warmup", "warmup", run_id=run_id):
    engine.generate(PROMPTS, SamplingParams(max_tokens=8))
with joulemark.phase("generate", run_id=run_id) as counts:
    answers = engine.generate(PROMPTS, SamplingParams(max_tokens=256))
    counts.requests = len(answers)
    counts.input_tokens = sum(len(answer.prompt_token_ids or ()) for answer in answers)
    counts.output_tokens = sum(len(one.token_ids) for answer in answers for one in answer.outputs)
    counts.token_source = "engine_counter"
client.stop(run_id)
client.settled_energy(run_id)
print(client.card(run_id))
