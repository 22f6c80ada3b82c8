"""A small load client for OpenAI-compatible services: streams completions, counts the server's own usage, writes a run file.

Run alone: `python -m joulemark.demo.load --url http://127.0.0.1:8000 --output DIR`. DIR/phases.json is a `joulemark.run/1`
object with a warm-up and a measured phase; DIR/requests.jsonl has one line per request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from joulemark.errors import RemoteUnreachable
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, Window, new_run_id
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `requests` completions of `output_tokens` each, `concurrency` at a time, after `warmup` unmeasured ones.

    `begin_ns`: UTC of the first request; at once when None or past.
    """

    url: str
    model: str = "stub-model"
    requests: int = 40
    warmup: int = 4
    concurrency: int = 4
    output_tokens: int = 48
    begin_ns: int | None = None
    prompt: str = "How many joules does this sentence cost?"


@dataclass(frozen=True, slots=True)
class Record:
    """One request as the client saw it. Counts are the server's usage; None when the request failed."""

    phase: str
    begin_ns: int
    end_ns: int
    input_tokens: int | None
    output_tokens: int | None
    error: str = ""


async def complete(http: aiohttp.ClientSession, load: Load, phase: str, clock: Clock) -> Record:
    """Send one streamed completion and read its usage."""
    body = {
        "model": load.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": load.output_tokens,
        "messages": [{"role": "user", "content": load.prompt}],
    }
    begin_ns = clock.utc_ns()
    usage: dict[str, int] | None = None
    try:
        async with http.post(f"{load.url}/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                if line.startswith(b"data: {"):
                    usage = json.loads(line[6:]).get("usage") or usage
    except (aiohttp.ClientError, TimeoutError) as error:
        return Record(phase, begin_ns, clock.utc_ns(), None, None, f"{type(error).__name__}: {error}")
    if usage is None:
        return Record(phase, begin_ns, clock.utc_ns(), None, None, "the answer held no usage")
    return Record(phase, begin_ns, clock.utc_ns(), usage["prompt_tokens"], usage["completion_tokens"])


async def drive(load: Load, clock: Clock) -> list[Record]:
    """All requests, warm-up first; each phase is drained before the next begins."""
    if load.begin_ns is not None:
        await asyncio.sleep(max(0, load.begin_ns - clock.utc_ns()) / NS_PER_S)
    gate = asyncio.Semaphore(load.concurrency)

    async def one(http: aiohttp.ClientSession, phase: str) -> Record:
        async with gate:
            return await complete(http, load, phase, clock)

    records: list[Record] = []
    async with aiohttp.ClientSession() as http:
        for phase, count in (("warmup", load.warmup), ("measured", load.requests)):
            records += await asyncio.gather(*(one(http, phase) for _ in range(count)))
    return records


def summarize(records: Sequence[Record], run_id: str) -> Run:
    """The run that the records tell: each phase from its first request's start to its last one's end."""
    windows = []
    for phase, kind in (("warmup", PhaseKind.WARMUP), ("measured", PhaseKind.MEASURED)):
        mine = [r for r in records if r.phase == phase]
        good = [r for r in mine if not r.error]
        if not mine:
            continue
        tokens = Tokens(
            input=sum(r.input_tokens or 0 for r in good),
            output=sum(r.output_tokens or 0 for r in good),
            source="server usage, each request",
        )
        windows.append(
            Window(
                phase,
                kind,
                min(r.begin_ns for r in mine),
                max(r.end_ns for r in mine),
                tokens=tokens,
                requests=len(good),
                requests_failed=len(mine) - len(good),
            )
        )
    return Run(tuple(windows), benchmark="joulemark.demo.load", run_id=run_id, clock=ClockKind.UTC)


def execute(load: Load, output: Path) -> Run:
    """Drive `load` and write its files under `output`. Raises RemoteUnreachable when every request failed."""
    clock = SystemClock()
    records = asyncio.run(drive(load, clock))
    if all(r.error for r in records):
        raise RemoteUnreachable(
            f"no request to {load.url} succeeded ({records[0].error})", "start the service, or give its address with --url"
        )
    run = summarize(records, new_run_id(clock))
    output.mkdir(parents=True, exist_ok=True)
    (output / "requests.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in records), encoding="utf-8")
    (output / "phases.json").write_text(json.dumps(run.to_json(), indent=1), encoding="utf-8")
    return run


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="joulemark.demo.load", description="Load client for OpenAI-compatible services.")
    defaults = Load("")
    parser.add_argument("--url", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", default=defaults.model)
    parser.add_argument("--requests", type=int, default=defaults.requests)
    parser.add_argument("--warmup", type=int, default=defaults.warmup)
    parser.add_argument("--concurrency", type=int, default=defaults.concurrency)
    parser.add_argument("--output-tokens", type=int, default=defaults.output_tokens)
    parser.add_argument("--begin-ns", type=int, help="UTC nanoseconds of the first request.")
    args = vars(parser.parse_args())
    output = args.pop("output")
    try:
        execute(Load(**args), output)
    except RemoteUnreachable as error:
        raise SystemExit(f"joulemark.demo.load: {error}") from error


if __name__ == "__main__":
    main()
