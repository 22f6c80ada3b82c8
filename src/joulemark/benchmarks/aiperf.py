"""NVIDIA AIPerf, layouts 0.1 to 0.13: `phase_manifest.json`, `profile_export.jsonl`, `profile_export_aiperf.json`, the last two under
any prefix.

Windows: the phases of the manifest (0.13), else first request start to last response of each phase in the records. Both are
epoch nanoseconds. `start_time` and `end_time` of the summary are local times without a zone and are not read.
Tokens: server usage where every completed request has it, else AIPerf's own count, which includes reasoning tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import aiperf_names, aiperf_summary
from joulemark.benchmarks.aiperf_names import MANIFEST
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, Tokens, Window
from joulemark.traces.stamps import in_range

NAME: Final = "aiperf"
UNC_NS: Final = 1_000
"""A stamp is taken by one Python call, about a microsecond from what it marks."""

KINDS: Final = {"profiling": PhaseKind.MEASURED, "warmup": PhaseKind.WARMUP}
OUTPUT: Final = ("usage_completion_tokens", "output_sequence_length")
INPUT: Final = ("usage_prompt_tokens", "input_sequence_length")
REASONING: Final = ("usage_reasoning_tokens", "reasoning_token_count")
CACHED: Final = ("usage_prompt_cache_read_tokens",)


@dataclass(slots=True)
class Records:
    """The requests of one phase. `completed`: the metrics of each one that ended well."""

    kind: PhaseKind
    begin_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)
    completed: list[Mapping[str, Any]] = field(default_factory=list)
    failed: int = 0

    def total(self, name: str) -> int | None:
        """Sum of a token metric, None unless every completed request has it."""
        counts = [_number(metrics, name) for metrics in self.completed]
        present = [count for count in counts if count is not None]
        return sum(present) if present and len(present) == len(counts) else None

    def some(self, *names: str) -> int | None:
        """Sum of the first metric that any completed request has; a request without it has none of these tokens."""
        for name in names:
            counts = [count for metrics in self.completed if (count := _number(metrics, name)) is not None]
            if counts:
                return sum(counts)
        return None


def places(root: Path) -> list[Path]:
    """The folders of runs: those with a manifest or records, but not the per-phase folders inside them; a file of records that is named."""
    return aiperf_names.places(root)


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run in the folder or of the records `place`; all its times are UTC, so `tz` is not needed. Raises FormatError, also for a
    folder with several runs, of which none is named.
    """
    found = aiperf_names.located(place)
    place = found.folder
    summary = aiperf_summary.read(place, name=found.names.summary, phases=found.alone)
    records = _records(found.records)
    manifest = _manifest(place / MANIFEST) if found.alone else []
    findings = list(summary.findings)
    if manifest:
        windows = [_manifest_window(entry, records, place) for entry in manifest]
        if not records:
            findings.append(f"No {found.names.records}: tokens are unknown; run AIPerf with --profile-export-level records.")
    else:
        windows = [_record_window(name, phase) for name, phase in records.items() if phase.begin_ns and phase.end_ns]
        absent = f"No {MANIFEST}" if found.alone else f"Several runs share the folder, and nothing tells whose {MANIFEST} is"
        findings.append(f"{absent}: each phase runs from its first request to its last response.")
    if not windows:
        raise FormatError(f"{place} holds no phase with a begin and an end", "give the artifact folder of a finished AIPerf run")
    for window in windows:
        if window.requests_failed:
            findings.append(
                f"{window.name}: {window.requests_failed} requests failed or were cancelled; their energy is in, their tokens are not."
            )
        if window.requests and window.tokens.output is None and records:
            findings.append(f"{window.name}: not every completed request has a token count, so the total is unknown.")
    return Run(
        tuple(windows),
        benchmark=NAME,
        run_id=summary.run_id,
        tool_reported=summary.figures,
        labels=summary.labels,
        findings=tuple(findings),
    )


def _manifest(path: Path) -> list[dict[str, Any]]:
    if not foreign.inside(path.parent, path):
        return []
    phases = document.load(path).get("phases")
    if not isinstance(phases, list) or not all(isinstance(entry, dict) for entry in phases):
        raise FormatError(f"{path} has no list of phases", "copy the artifact folder again")
    return phases


def _manifest_window(entry: dict[str, Any], records: Mapping[str, Records], place: Path) -> Window:
    name, where = str(entry.get("phase_name") or entry.get("phase_kind")), f"{place / MANIFEST}"
    kind = KINDS.get(str(entry.get("phase_kind")), PhaseKind.OTHER)
    phase = records.get(name, Records(kind))
    done, failed = _count(entry.get("successful_request_count")), _count(entry.get("error_request_count"))
    return Window(
        name=name,
        kind=kind,
        begin_ns=_stamp(entry.get("start_ns"), where=f"{where} start_ns of {name}"),
        end_ns=_stamp(entry.get("end_ns"), where=f"{where} end_ns of {name}"),
        unc_ns=UNC_NS,
        tokens=_tokens(phase),
        requests=len(phase.completed) if done is None and phase.completed else done,
        requests_failed=phase.failed if failed is None and phase.begin_ns else failed,
    )


def _record_window(name: str, phase: Records) -> Window:
    return Window(
        name=name,
        kind=phase.kind,
        begin_ns=min(phase.begin_ns),
        end_ns=max(phase.end_ns),
        unc_ns=UNC_NS,
        tokens=_tokens(phase),
        requests=len(phase.completed),
        requests_failed=phase.failed,
    )


def _records(path: Path) -> dict[str, Records]:
    """The records by phase name. Raises FormatError for a line that is no record, but for a torn last one."""
    if not foreign.inside(path.parent, path):
        return {}
    out: dict[str, Records] = {}
    lines = foreign.text(path).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = document.json_object(line, where=where)
        except FormatError:
            if number == len(lines):
                break
            raise
        metadata, metrics = record.get("metadata"), record.get("metrics")
        if not isinstance(metadata, dict):
            raise FormatError(f"{where}: no metadata", "expected a record of AIPerf")
        kind = str(metadata.get("phase_kind") or metadata.get("benchmark_phase") or metadata.get("credit_phase") or "profiling")
        phase = out.setdefault(str(metadata.get("phase_name") or kind), Records(KINDS.get(kind, PhaseKind.OTHER)))
        _add(phase, record, metadata, metrics if isinstance(metrics, dict) else {}, where=where)
    return out


def _add(phase: Records, record: Mapping[str, Any], metadata: Mapping[str, Any], metrics: Mapping[str, Any], *, where: str) -> None:
    start = metadata.get("request_start_ns", metadata.get("timestamp_ns"))
    phase.begin_ns.append(_stamp(start, where=f"{where} request start"))
    end = metadata.get("request_end_ns", _value(metrics, "max_response_timestamp"))
    if end is not None:
        phase.end_ns.append(_stamp(end, where=f"{where} request end"))
    if record.get("error") or metadata.get("was_cancelled"):
        phase.failed += 1
    else:
        phase.completed.append(metrics)


def _tokens(phase: Records) -> Tokens:
    """Counts of the completed requests, from the first source that has them all; how far two sources differ."""
    by_server, by_client = (phase.total(name) for name in OUTPUT)
    if by_server is None and by_client is None:
        return Tokens()
    in_server, in_client = (phase.total(name) for name in INPUT)
    server = by_server is not None
    return Tokens(
        input=in_server if server and in_server is not None else in_client,
        output=by_server if server else by_client,
        cached_input=phase.some(*CACHED),
        reasoning=phase.some(*REASONING),
        source="server usage" if server else "client tokenizer (output_sequence_length, with reasoning)",
        disagreement=float(abs(by_server - by_client)) if by_server is not None and by_client is not None else 0.0,
    )


def _value(metrics: Mapping[str, Any], name: str) -> Any:
    entry = metrics.get(name)
    return entry.get("value") if isinstance(entry, dict) else None


def _number(metrics: Mapping[str, Any], name: str) -> int | None:
    return _count(_value(metrics, name))


def _count(value: Any) -> int | None:
    """A whole number that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63 or value != int(value):
        return None
    return int(value)


def _stamp(value: Any, *, where: str) -> int:
    stamp = _count(value)
    if stamp is None:
        raise FormatError(f"{where}: {str(value)[:40]!r} is not a time in ns", "copy the artifact folder again")
    return in_range(stamp, where=where)
