"""What AIPerf saw inside a phase: its requests, the edges of prefill and decode of each, and its own slices of time.

Prefill runs from the begin of a request to its first token, decode from there to the last one; a request that was not streamed, failed or
was cancelled has no such edges. A metric in ms is added to the begin of its request, both by the same clock. `profile_export.jsonl` has
the requests, `profile_export_aiperf_timeslices.json` the slices, for which AIPerf has to be told `--slice-duration`. Both may have other
names, see `aiperf_names`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import aiperf_names, figures
from joulemark.energy.attribution_claims import Flight
from joulemark.errors import FormatError
from joulemark.request_log import Request, Status
from joulemark.runs import PhaseKind, Tokens, Window
from joulemark.traces.stamps import in_range
from joulemark.units import NS_PER_MS

UNC_NS: Final = 1_000
FIRST: Final = ("time_to_first_token", "ttft")
"""Since 0.1.1, and before."""

CUT_OFF: Final = " (cut off)"
"""At the end of the name of a slice that AIPerf did not complete."""

TOKENS: Final = {
    "input_tokens": ("usage_prompt_tokens", "input_sequence_length"),
    "cached_input_tokens": ("usage_prompt_cache_read_tokens",),
    "output_tokens": ("usage_completion_tokens", "output_sequence_length"),
    "reasoning_tokens": ("usage_reasoning_tokens", "reasoning_token_count"),
}
"""Server usage before AIPerf's own count."""

LONGEST_MS: Final = 1e9
"""Eleven days: longer is damage."""


@dataclass(frozen=True, slots=True)
class Edges:
    """One request that ended well, in UTC ns: its begin, first token and last token, and when each piece of the answer came.

    `chunks_ns`: the pieces in order, the first token first; empty where AIPerf logged no gaps between them.
    """

    phase: str
    begin_ns: int
    first_ns: int
    last_ns: int
    chunks_ns: tuple[int, ...] = ()


def edges(place: Path) -> tuple[Edges, ...]:
    """The streamed requests of the artifact folder, or file of records, `place` that ended well, in its order. Raises FormatError."""
    return tuple(found for where, metadata, record in _records(place) if (found := _edges(where, metadata, record)) is not None)


def flights(place: Path) -> tuple[Flight, ...]:
    """Every request of the artifact folder, or file of records, `place`, whatever became of it, in its order. Raises FormatError.

    It ends with its last token where that is known, else with the connection.
    """
    return tuple(_flight(number, *found) for number, found in enumerate(_records(place)))


def _records(place: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(where it stands, metadata, record) of each line that has a begin."""
    path = aiperf_names.located(place).records
    if not foreign.inside(path.parent, path):
        return
    lines = [(number, line) for number, line in enumerate(foreign.text(path).split("\n"), 1) if line.strip()]
    for number, line in lines:
        where = f"{path}:{number}"
        try:
            record = document.json_object(line, where=where)
        except FormatError:
            if number == lines[-1][0]:  # torn when AIPerf was stopped
                return
            raise
        metadata = record.get("metadata")
        if isinstance(metadata, dict) and _begin_ns(metadata) is not None:
            yield where, metadata, record


def _begin_ns(metadata: Mapping[str, Any]) -> int | None:
    return figures.count(metadata.get("request_start_ns", metadata.get("timestamp_ns")))


def _phase(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("phase_name") or metadata.get("benchmark_phase") or metadata.get("credit_phase") or "profiling")


def _edges(where: str, metadata: Mapping[str, Any], record: Mapping[str, Any]) -> Edges | None:
    """The edges of a request; None where it was not streamed, failed or was cancelled."""
    metrics, begin_ns = record.get("metrics"), _begin_ns(metadata)
    if not isinstance(metrics, dict) or record.get("error") or metadata.get("was_cancelled") or begin_ns is None:
        return None
    first_ms = next((value for name in FIRST if (value := _ms(metrics, name)) is not None), None)
    whole_ms = _ms(metrics, "request_latency")
    if first_ms is None or whole_ms is None or whole_ms < first_ms:
        return None
    first_ns, last_ns = (in_range(begin_ns + round(ms * NS_PER_MS), where=where) for ms in (first_ms, whole_ms))
    return Edges(_phase(metadata), begin_ns, first_ns, last_ns, _chunks(metrics, first_ns))


def _flight(number: int, where: str, metadata: Mapping[str, Any], record: Mapping[str, Any]) -> Flight:
    found = record.get("metrics")
    metrics = found if isinstance(found, dict) else {}
    streamed, begin_ns = _edges(where, metadata, record), in_range(_begin_ns(metadata) or 0, where=where)
    end_ns = figures.count(metadata.get("request_end_ns", _value(metrics, "max_response_timestamp")))
    if streamed is not None:
        end_ns = streamed.last_ns
    status = Status.CANCELLED if metadata.get("was_cancelled") else Status.FAILED if record.get("error") else Status.COMPLETED
    counts = {
        key: next((count for name in names if (count := figures.count(_value(metrics, name))) is not None), None)
        for key, names in TOKENS.items()
    }
    request = Request(number, _phase(metadata), begin_ns, None if end_ns is None else in_range(end_ns, where=where), status, **counts)
    return Flight(request, None if streamed is None else streamed.first_ns, str(metadata.get("x_request_id") or ""))


def _chunks(metrics: Mapping[str, Any], first_ns: int) -> tuple[int, ...]:
    """When each piece came, by the gaps between them; none where a gap is no time."""
    gaps = _value(metrics, "inter_chunk_latency")
    if not isinstance(gaps, list) or not gaps:
        return ()
    times = [_duration_ms(gap) for gap in gaps]
    known = [ms for ms in times if ms is not None]
    if len(known) < len(times):
        return ()
    return tuple(first_ns + round(ms * NS_PER_MS) for ms in accumulate(known, initial=0.0))


def slices(place: Path) -> tuple[Window, ...]:
    """AIPerf's own slices of the profiling phase, in order. Raises FormatError.

    Requests and tokens are those of the requests that AIPerf files under the slice, whole, wherever their tokens were made.
    """
    found = aiperf_names.located(place)
    path = found.folder / found.names.slices
    if not foreign.inside(found.folder, path):
        return ()
    listed = document.load(path).get("timeslices")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise FormatError(f"{path} has no list of slices", "copy the artifact folder again")
    return tuple(_slice(entry, number, path) for number, entry in enumerate(listed))


def _slice(entry: Mapping[str, Any], number: int, path: Path) -> Window:
    begin_ns, end_ns = (figures.count(entry.get(name)) for name in ("start_ns", "end_ns"))
    where = f"{path} slice {number}"
    if begin_ns is None or end_ns is None:
        raise FormatError(f"{where} has no begin or no end", "copy the artifact folder again")
    whole = "" if entry.get("is_complete") is not False else CUT_OFF
    return Window(
        name=f"slice {number}{whole}",
        kind=PhaseKind.OTHER,
        begin_ns=in_range(begin_ns, where=where),
        end_ns=in_range(end_ns, where=where),
        unc_ns=UNC_NS,
        tokens=_tokens(entry),
        requests=figures.count(_part(entry, "request_count", "avg")),
        requests_failed=figures.count(_part(entry, "error_request_count", "avg")),
    )


def _tokens(entry: Mapping[str, Any]) -> Tokens:
    """Server usage where the slice has it, else AIPerf's own count."""
    for names, source in (
        (("usage_prompt_tokens", "usage_completion_tokens"), "server usage"),
        (("input_sequence_length", "output_sequence_length"), "client tokenizer"),
    ):
        counts = [figures.count(_part(entry, name, "sum")) for name in names]
        if counts[1] is not None:
            return Tokens(input=counts[0], output=counts[1], source=source)
    return Tokens()


def _part(entry: Mapping[str, Any], name: str, part: str) -> Any:
    block = entry.get(name)
    return block.get(part) if isinstance(block, dict) else None


def _value(metrics: Mapping[str, Any], name: str) -> Any:
    return _part(metrics, name, "value")


def _ms(metrics: Mapping[str, Any], name: str) -> float | None:
    return _duration_ms(_value(metrics, name))


def _duration_ms(value: Any) -> float | None:
    return 0.0 if figures.count(value) == 0 else figures.positive(value, below=LONGEST_MS)
