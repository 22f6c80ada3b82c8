"""ML.ENERGY: `results.json` of its benchmark (v3), and the files of its leaderboard (v2).

v3: begin and end of the benchmark and of the steady state in it are Unix times. The steady state is what its figures are of, so it is
the measured phase; its tokens are the energy by the energy per token. The energies are the tool's own, of the GPUs by Zeus.
v2: an energy per request without any time: a run without phases, which carries the tool's figures and nothing to integrate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures, printed
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, ToolReported, Window

NAME: Final = "ml-energy"
ENERGY, PER_TOKEN = "steady_state_energy", "steady_state_energy_per_token"
PER_REQUEST, MEAN_OUTPUT = "Energy/req (J)", "Avg Output Tokens"
STEADY: Final = "steady_state"
UNC_NS: Final = 1_000
"""A Unix time as a double is good to a microsecond."""

AGREES: Final = 0.01
"""Relative: how far the duration it tells may be from that of its window."""

LABELS: Final = {"model_id": "model", "gpu_model": "gpu", "num_gpus": "gpus", "max_num_seqs": "max_batch"}
LABELS_V2: Final = {"Model": "model", "GPU": "gpu", "TP": "tensor_parallel", "PP": "pipeline_parallel", "Max BS (reqs)": "max_batch"}


def places(root: Path) -> list[Path]:
    """The results of both kinds under `root`."""
    pattern = "results.json" if root.is_dir() else "*.json"
    results = {path for path in foreign.files(root, pattern) if foreign.mentions(path, f'"{PER_TOKEN}"')}
    board = {path for path in foreign.files(root, "*.json") if foreign.mentions(path, f'"{PER_REQUEST}"', f'"{MEAN_OUTPUT}"')}
    return sorted(results | board)


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of one result file; its times are UTC, so `tz` is not needed. Raises FormatError."""
    data = document.load(place)
    return _leaderboard(data, place) if PER_REQUEST in data else _results(data, place)


def _leaderboard(data: Mapping[str, Any], place: Path) -> Run:
    energy_j, tokens = printed.figure(data.get(PER_REQUEST)), printed.figure(data.get(MEAN_OUTPUT))
    if energy_j is None:
        raise FormatError(f"{place} tells no {PER_REQUEST}", "copy the file again; it may be damaged")
    told = [ToolReported("energy_per_request", energy_j, "J/request", window=STEADY, source=PER_REQUEST)]
    if tokens:
        source = f"{PER_REQUEST} / {MEAN_OUTPUT}"
        told.append(ToolReported("energy_per_output_token", energy_j / tokens, "J/token", window=STEADY, source=source))
    finding = "The leaderboard of ML.ENERGY v2 tells no times: its figures are its own, and there is no phase to integrate."
    labels = facts(data, LABELS_V2)
    return Run((), benchmark=NAME, clock=ClockKind.UNKNOWN, tool_reported=tuple(told), labels=labels, findings=(finding,))


def _results(data: Mapping[str, Any], place: Path) -> Run:
    timeline = _inside(data, "timeline") or _inside(data, "power_timeline")
    findings = ["Energies of ML.ENERGY are those of the GPUs alone, and stay its own."]
    steady = _window(timeline, STEADY, PhaseKind.MEASURED, _steady_tokens(data), place)
    windows = [steady]
    told_s = printed.figure(data.get("steady_state_duration"))
    if told_s is not None and abs(told_s - steady.duration_s) > AGREES * steady.duration_s:
        findings.append(f"It tells a steady state of {told_s:.3f} s, but its edges are {steady.duration_s:.3f} s apart.")
    if steady.tokens.output is None:
        findings.append(f"No {ENERGY} and {PER_TOKEN}: the tokens of the steady state are unknown.")
    if "benchmark_start_time" in timeline:
        windows.insert(0, _benchmark(data, timeline, place))
        findings.append("The phase benchmark is the whole run, ramps included, with its tokens and requests; it is not the measured one.")
    return Run(tuple(windows), benchmark=NAME, tool_reported=_energies(data), labels=facts(data, LABELS), findings=tuple(findings))


def _benchmark(data: Mapping[str, Any], timeline: Mapping[str, Any], place: Path) -> Window:
    """The whole run around the steady state."""
    completed, sent = figures.count(data.get("completed")), figures.count(data.get("num_prompts"))
    tokens = Tokens(
        input=figures.count(data.get("total_input_tokens")),
        output=figures.count(data.get("total_output_tokens")),
        source="total_input_tokens and total_output_tokens of ML.ENERGY",
    )
    failed = sent - completed if sent is not None and completed is not None and sent >= completed else None
    return _window(timeline, "benchmark", PhaseKind.OTHER, tokens, place, requests=completed, failed=failed)


def _window(
    timeline: Mapping[str, Any],
    name: str,
    kind: PhaseKind,
    tokens: Tokens,
    place: Path,
    *,
    requests: int | None = None,
    failed: int | None = None,
) -> Window:
    """The phase `name` of the timeline. Raises FormatError where it has no edges."""
    edges = [f"{name}_start_time", f"{name}_end_time"]
    begin_ns, end_ns = (printed.seconds_ns(timeline.get(edge), where=f"{place} {edge}") for edge in edges)
    return Window(name, kind, begin_ns, end_ns, UNC_NS, tokens, requests, failed)


def _steady_tokens(data: Mapping[str, Any]) -> Tokens:
    """Tokens of the steady state, which the file tells only as the ratio of two energies."""
    energy_j, per_token_j = printed.figure(data.get(ENERGY)), printed.figure(data.get(PER_TOKEN))
    ratio = energy_j / per_token_j if energy_j and per_token_j else 0.0
    if not 0.5 <= ratio < 2**63:
        return Tokens()
    return Tokens(output=round(ratio), source=f"{ENERGY} / {PER_TOKEN}", disagreement=abs(ratio - round(ratio)))


def _energies(data: Mapping[str, Any]) -> tuple[ToolReported, ...]:
    """What ML.ENERGY measured, by its own names and windows."""
    out = []
    for name, unit in ((ENERGY, "J"), (PER_TOKEN, "J/token")):
        if (value := printed.figure(data.get(name))) is not None:
            out.append(ToolReported(name, value, unit, window=STEADY, source=name))
    gpus = [printed.figure(value) for value in _inside(_inside(data, "entire_benchmark_measurement"), "gpu_energy").values()]
    told = [value for value in gpus if value is not None]
    if told and len(told) == len(gpus):
        source = f"entire_benchmark_measurement, sum of {len(gpus)} GPUs"
        out.append(ToolReported("gpu_energy", math.fsum(told), "J", window="benchmark", source=source))
    return tuple(out)


def facts(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """The fields of `data` under the names that labels have."""
    return figures.facts({name: data.get(field) for field, name in names.items()})


def _inside(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
