"""genai-perf and perf_analyzer: `profile_export.json`, and the totals of `profile_export_genai_perf.json` beside it.

Each experiment is a phase, from its first request to its last response, in nanoseconds since the epoch. The texts of the requests
are not read. Tokens stand only in the summary, as a mean per request, counted by genai-perf's tokenizer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, Tokens, ToolReported, Window
from joulemark.traces.stamps import in_range

NAME: Final = "genai-perf"
PATTERNS: Final = ("*.json",)
MARKS: Final = ('"experiments"', '"experiment"', '"requests"', '"timestamp"')
SUMMARY: Final = "_genai_perf.json"
UNC_NS: Final = 1_000
"""A stamp is taken by one call of the system clock, about a microsecond from what it marks."""

EARLIEST_NS: Final = 10**18
"""The year 2001: an earlier stamp counts from the start of a machine."""

LABELS: Final = {"service_kind": "service_kind", "endpoint": "endpoint", "version": "perf_analyzer_version"}


def places(root: Path) -> list[Path]:
    """The exports under `root`, whatever `--profile-export-file` called them."""
    return [path for path in foreign.files(root, *PATTERNS) if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of one export; its times are UTC, so `tz` is not needed. Raises FormatError."""
    export = document.json_object(foreign.text(place, errors="strict"), where=str(place))
    experiments = export.get("experiments")
    if not isinstance(experiments, list) or not experiments or not all(isinstance(one, dict) for one in experiments):
        raise FormatError(f"{place} has no list of experiments", "give the profile_export.json of a finished run")
    path = place.with_name(place.stem + SUMMARY)
    summary = document.load(path) if foreign.inside(place.parent, path) else {}
    names = list(_names(experiments))
    windows = [_window(one, name, where=f"{place} {name}") for one, name in zip(experiments, names, strict=True)]
    findings = [f"{w.name}: {w.requests_failed} requests got no response; their energy is in." for w in windows if w.requests_failed]
    if len(windows) == 1:
        tokens, doubts = _tokens(summary, windows[0].requests, path.name)
        windows = [replace(windows[0], tokens=tokens)]
    else:
        doubts = [f"{len(windows)} experiments in one file: their tokens are unknown, since {path.name} tells of one."]
    return Run(
        tuple(sorted(windows, key=lambda window: window.begin_ns)),
        benchmark=NAME,
        tool_reported=tuple(_power(summary, windows[0].name, path.name)) if len(windows) == 1 else (),
        labels={**figures.facts({name: export.get(key) for key, name in LABELS.items()}), **_model(summary)},
        findings=(*findings, *doubts),
    )


def _names(experiments: list[dict[str, Any]]) -> Iterator[str]:
    """The load of each experiment, such as `concurrency_4`; with a number where a load comes again."""
    seen: Counter[str] = Counter()
    for one in experiments:
        load = one.get("experiment")
        load = load if isinstance(load, dict) else {}
        name = f"{load.get('mode') or 'experiment'}_{load.get('value', '')}".rstrip("_")[:80]
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_run_{seen[name]}"


def _window(one: Mapping[str, Any], name: str, *, where: str) -> Window:
    requests = one.get("requests")
    if not isinstance(requests, list) or not all(isinstance(request, dict) for request in requests):
        raise FormatError(f"{where}: no list of requests", "give the profile_export.json of a finished run")
    begin = [_stamp(request.get("timestamp"), where=f"{where} request") for request in requests]
    responses = [stamps if isinstance(stamps := request.get("response_timestamps"), list) else [] for request in requests]
    end = [_stamp(stamp, where=f"{where} response") for stamps in responses for stamp in stamps]
    if not end:
        raise FormatError(f"{where}: no request got a response, so the phase has no end", "measure it again")
    done = sum(bool(stamps) for stamps in responses)
    return Window(
        name=name,
        kind=PhaseKind.MEASURED,
        begin_ns=min(begin),
        end_ns=max(end),
        unc_ns=UNC_NS,
        requests=done,
        requests_failed=len(requests) - done,
    )


def _stamp(value: Any, *, where: str) -> int:
    stamp = value if isinstance(value, int) and not isinstance(value, bool) else -1
    if 0 <= stamp < EARLIEST_NS:
        raise FormatError(
            f"{where}: {stamp} ns does not count from 1970", "measure it with joulemark run -- COMMAND, which dates the run itself"
        )
    return in_range(stamp, where=where)


def _tokens(summary: Mapping[str, Any], requests: int | None, name: str) -> tuple[Tokens, list[str]]:
    """Mean x requests of the summary, and what it leaves open."""
    if not summary:
        return Tokens(), [f"No {name} beside the export: its tokens are unknown."]
    counted = figures.count(_average(summary, "request_count"))
    sent, _ = figures.total(_average(summary, "input_sequence_length"), counted)
    made, off = figures.total(_average(summary, "output_sequence_length"), counted)
    doubts = []
    if counted is not None and counted != requests:
        doubts.append(f"{name} counts {counted} requests, the export {requests} with a response; the tokens are of the former.")
    if made is None:
        doubts.append(f"{name} does not tell the output tokens: it lacks output_sequence_length or request_count.")
    if sent is None and made is None:
        return Tokens(), doubts
    return Tokens(input=sent, output=made, source="client tokenizer of genai-perf, mean x requests", disagreement=off), doubts


def _power(summary: Mapping[str, Any], window: str, name: str) -> Iterator[ToolReported]:
    """The mean power of each GPU that genai-perf saw through the server's metrics."""
    telemetry = summary.get("telemetry_stats")
    block = telemetry.get("gpu_power_usage") if isinstance(telemetry, dict) else None
    for gpu, values in sorted(block.items()) if isinstance(block, dict) else ():
        power_w = figures.positive(values.get("avg")) if isinstance(values, dict) else None
        if power_w is not None:
            yield ToolReported(f"gpu_power_usage {gpu}", power_w, "W", window=window, source=name)


def _average(summary: Mapping[str, Any], metric: str) -> Any:
    block = summary.get(metric)
    return block.get("avg") if isinstance(block, dict) else None


def _model(summary: Mapping[str, Any]) -> dict[str, str]:
    config = summary.get("input_config")
    names = (config.get("model_names") or config.get("model")) if isinstance(config, dict) else None
    name = names[0] if isinstance(names, list) and names else names
    return {"model": name} if isinstance(name, str) else {}
