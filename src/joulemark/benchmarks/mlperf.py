"""MLPerf runs: inference through LoadGen's `mlperf_log_detail.txt`, training through MLLOG `result_*.txt`.

LoadGen: the power window is `power_begin` to `power_end`, printed without a zone (UTC in current releases, local in v1.0).
`test_datetime` is not read: it ends in Z and is local. Token counts exist only as a rate, so they are rate x duration.
Training: `run_start` to `run_stop` in epoch milliseconds; a restarted run appends, so the last start before the stop counts.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.benchmarks import mllog
from joulemark.benchmarks.mllog import Event, MlLog
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, Window
from joulemark.traces.stamps import in_range, wall_ns
from joulemark.units import NS_PER_MS

NAME: Final = "mlperf"
PATTERNS: Final = ("*mlperf_log_detail.txt", "*mlperf_log_detail.txt.gz", "result_*.txt", "result_*.txt.gz")
UNC_NS: Final = NS_PER_MS // 2
"""Both logs print whole milliseconds."""

TOKEN_RATES: Final = (
    "result_tokens_per_second",
    "result_completed_tokens_per_second",
    "result_token_throughput_with_loadgen_overhead",
    "result_inferred_tokens_per_second",
    "result_inferred_completed_tokens_per_second",
)
LABELS: Final = {
    "effective_scenario": "scenario",
    "effective_test_mode": "mode",
    "loadgen_version": "loadgen_version",
    "result_validity": "validity",
    "submission_benchmark": "benchmark",
    "submission_org": "organization",
}


def places(root: Path) -> list[Path]:
    """The logs under `root`, each one run."""
    return foreign.files(root, *PATTERNS)


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of one log. Raises FormatError, and NaiveTimeError for a LoadGen log without a zone."""
    log = mllog.read(place)
    run = _inference(log, tz) if log.last("power_begin") else _training(log)
    broken = (f"{log.broken} MLLOG lines are damaged and were left out.",) if log.broken else ()
    labels = {name: str(event.value) for key, name in LABELS.items() if (event := log.last(key)) is not None}
    return Run(run.windows, benchmark=NAME, clock=run.clock, labels={**labels, **run.labels}, findings=(*run.findings, *broken))


def _inference(log: MlLog, tz: tzinfo | None) -> Run:
    begin, end = log.last("power_begin"), log.last("power_end")
    if begin is None or end is None:
        raise FormatError(f"{log.path} has power_begin but no power_end", "the run did not finish; measure it again")
    begin_ns, end_ns = (wall_ns(str(event.value), tz, where=f"{log.path} {event.key}") for event in (begin, end))
    findings = [f"power_begin and power_end carry no zone: read in {tz}, as told."]
    validity = log.last("result_validity")
    if validity is not None and validity.value != "VALID":
        reasons = " ".join(str(event.value).strip() for event in log.events if event.key == "result_invalid_reason")
        findings.append(f"LoadGen calls the run {validity.value}. {reasons}".strip())
    if validity is None:
        findings.append("No result_validity: the log was cut off or the run did not finish.")
    tokens, token_finding = _tokens(log, (end_ns - begin_ns) / 1e9)
    requests, request_finding = _requests(log)
    window = Window(
        name=_scenario(log),
        kind=PhaseKind.OTHER if "ranging" in log.path.parts else PhaseKind.MEASURED,
        begin_ns=begin_ns,
        end_ns=end_ns,
        unc_ns=UNC_NS,
        tokens=tokens,
        requests=requests,
    )
    clock = ClockKind.UTC if tz is UTC else ClockKind.LOCAL
    return Run((window,), clock=clock, findings=(*findings, *token_finding, *request_finding))


def _scenario(log: MlLog) -> str:
    event = log.last("effective_scenario")
    return "performance" if event is None else str(event.value)


def _tokens(log: MlLog, duration_s: float) -> tuple[Tokens, tuple[str, ...]]:
    """Output tokens as rate x duration; half the last printed digit of the rate is how far they can be off."""
    event = log.last(*TOKEN_RATES)
    rate = None if event is None else event.number
    if event is None or rate is None:
        return Tokens(), ("LoadGen logged no token rate (it needs use_token_latencies): output tokens are unknown.",)
    digit = Decimal(str(event.value)).as_tuple().exponent
    half = 0.5 * 10.0**digit if isinstance(digit, int) else 0.0
    inferred = ", inferred from samples" if "inferred" in event.key else ""
    source = f"rate x duration ({event.key} {event.value}{inferred})"
    tokens = Tokens(output=rate * duration_s, source=source, disagreement=half * duration_s)
    return tokens, ("Output tokens are rate x duration; LoadGen does not count input tokens.",)


def _requests(log: MlLog) -> tuple[int | None, tuple[str, ...]]:
    """Queries completed; in Offline one query holds every sample, so there a request is a sample."""
    if _scenario(log) == "Offline":
        samples = log.count("generated_samples_per_query") or log.count("effective_samples_per_query")
        return samples, ("Offline sends one query with all samples: a request here is a sample.",)
    queries = log.count("result_query_count")
    return queries, () if queries is not None else ("No result_query_count: the number of requests is unknown.",)


def _training(log: MlLog) -> Run:
    stop = log.last("run_stop")
    before = [event for event in log.events if event.key == "run_start" and (stop is None or event.time_ms < stop.time_ms)]
    if stop is None or not before:
        raise FormatError(
            f"{log.path} holds no window: neither power_begin and power_end nor run_start and run_stop",
            "run LoadGen with the power workflow, or give the training log itself",
        )
    start = max(before, key=lambda event: event.time_ms)
    findings = ["MLLOG counts training samples, not tokens or requests."]
    if len(before) > 1:
        findings.append(f"{len(before)} run_start lines before run_stop: the last one begins the window.")
    status = stop.metadata.get("status")
    if status != "success":
        findings.append(f"run_stop has status {status!r}, not 'success'.")
    windows = [Window("run", PhaseKind.MEASURED, _ns(log, start), _ns(log, stop), UNC_NS)]
    init = [event for event in log.events if event.key == "init_start" and event.time_ms < start.time_ms]
    if init:
        windows.insert(0, Window("init", PhaseKind.OTHER, _ns(log, init[-1]), _ns(log, start), UNC_NS))
    samples = stop.metadata.get("samples_count")
    return Run(tuple(windows), findings=tuple(findings), labels={} if samples is None else {"samples": str(samples)})


def _ns(log: MlLog, event: Event) -> int:
    return in_range(round(event.time_ms * NS_PER_MS), where=f"{log.path} {event.key}")
