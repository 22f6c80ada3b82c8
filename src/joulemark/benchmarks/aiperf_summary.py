"""What AIPerf says of a run itself: `profile_export_aiperf.json`, and the energy it saw in each phase.

Its energy figures are GPU only. The top level counts to the scrape after the end, the file of a phase inside it, so the two
differ; both are kept, each with its window and source.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import aiperf_names
from joulemark.runs import ToolReported

SUMMARY: Final = aiperf_names.DEFAULT.summary
PHASE_TELEMETRY: Final = "gpu_telemetry.json"
ENERGY_METRICS: Final = (
    "total_gpu_energy",
    "total_gpu_power",
    "average_gpu_power",
    "energy_per_output_token",
    "energy_per_total_token",
    "energy_per_request",
    "energy_per_user",
    "energy_delay_product",
    "output_tokens_per_joule",
    "output_tps_per_watt",
    "performance_per_watt",
    "goodput_per_watt",
)
ENERGY_FIELDS: Final = ("nvidia_energy_consumption", "amd_energy_consumption", "energy_consumption")
J_PER_MJ: Final = 1e6
LARGEST: Final = 1e15
"""No figure of a run is larger: beyond it is damage, or not finite."""


@dataclass(frozen=True, slots=True)
class Summary:
    """`figures`: energy as AIPerf prints it. `labels`: model, load and version. `findings`: what it says went wrong."""

    figures: tuple[ToolReported, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    findings: tuple[str, ...] = ()


def read(place: Path, *, name: str = SUMMARY, phases: bool = True) -> Summary:
    """The summary `name` in the folder `place`, empty where AIPerf wrote none; `phases`: with what it says of each one's energy.

    Raises FormatError for a damaged file.
    """
    path = place / name
    data = document.load(path) if foreign.inside(place, path) else {}
    metrics = data["records"] if isinstance(data.get("records"), dict) else data
    figures = [*_top_level(metrics, name), *(_per_phase(place) if phases else ())]
    findings = []
    if data.get("was_cancelled"):
        findings.append("AIPerf says the run was cancelled before its end.")
    if data.get("is_complete") is False:
        findings.append(f"AIPerf calls the run incomplete: {data.get('incomplete_reason') or 'no reason given'}.")
    return Summary(tuple(figures), _labels(data), str(data.get("benchmark_id") or ""), tuple(findings))


def _top_level(metrics: Mapping[str, Any], source: str) -> Iterator[ToolReported]:
    for name, block in metrics.items():
        bare = name.removeprefix("nvidia_").removeprefix("amd_")
        if bare in ENERGY_METRICS and (value := _average(block)) is not None:
            yield ToolReported(name, value, str(block.get("unit", "")), window="profiling", source=source)


def _per_phase(place: Path) -> Iterator[ToolReported]:
    """The sum over the GPUs of the energy of each phase, from its `gpu_telemetry.json`."""
    phases = place / "phases"
    for path in foreign.files(phases, PHASE_TELEMETRY) if phases.is_dir() and not phases.is_symlink() else ():
        entry = document.load(path)
        values = [value for gpu in _gpus(entry) if (value := _energy_mj(gpu)) is not None]
        if values:
            source = f"{path.relative_to(place).as_posix()}, sum of {len(values)} GPUs"
            yield ToolReported("gpu_energy", math.fsum(values) * J_PER_MJ, "J", window=path.parent.name, source=source)


def _gpus(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    endpoints = _inside(entry, "data", "endpoints")
    for endpoint in endpoints.values():
        if isinstance(endpoint, dict):
            yield from (gpu for gpu in _inside(endpoint, "gpus").values() if isinstance(gpu, dict))


def _energy_mj(gpu: Mapping[str, Any]) -> float | None:
    metrics = _inside(gpu, "metrics")
    block = next((metrics[name] for name in ENERGY_FIELDS if name in metrics), None)
    return _average(block)


def _average(block: Any) -> float | None:
    """The value of a metric block, which AIPerf keeps under `avg` even for a total."""
    value = block.get("avg") if isinstance(block, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return float(value)


def _inside(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The object under `keys`, empty where the path ends early."""
    for key in keys:
        value = data.get(key)
        if not isinstance(value, dict):
            return {}
        data = value
    return data


def _labels(data: Mapping[str, Any]) -> dict[str, str]:
    config = _inside(data, "input_config")
    endpoint = _inside(config, "endpoint")
    items = _inside(config, "models").get("items")
    first = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
    names = endpoint.get("model_names")
    model = first.get("name") or (names[0] if isinstance(names, list) and names else None)
    load = _inside(config, "loadgen")
    facts = {
        "model": model,
        "aiperf_version": data.get("aiperf_version"),
        "endpoint_type": endpoint.get("type"),
        "streaming": endpoint.get("streaming"),
        "concurrency": load.get("concurrency") or _phase_setting(config, "concurrency"),
    }
    return {name: str(value) for name, value in facts.items() if isinstance(value, str | int | float)}


def _phase_setting(config: Mapping[str, Any], name: str) -> Any:
    phases = config.get("phases")
    if not isinstance(phases, list):
        return None
    return next((phase.get(name) for phase in phases if isinstance(phase, dict) and phase.get("kind") == "profiling"), None)
