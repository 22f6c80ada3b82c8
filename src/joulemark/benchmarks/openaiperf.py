"""OpenAIPerf "four cards, two logs" bundles: `system.json`, `stack.json`, `model.json`, `run.json`, `system.log`, `run.log`.

Four dialects share the names. The window comes from the first source that has one: `inference_start` to `inference_complete` in a JSONL
log (docs), `run.execution` of the run card or the `benchmark_*` events (ob_tools), "Beginning evaluation run" to "Final metrics" in a
text log (site seeds). `monitoring_started` is not read: its time is invented. Rates of the run card are labels, never counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, ToolReported, Window
from joulemark.traces.stamps import epoch_ns, wall_ns
from joulemark.units import NS_PER_MS, NS_PER_S

NAME: Final = "openaiperf"
CARDS: Final = ("system.json", "stack.json", "model.json", "run.json")
LOGS: Final = ("run.log", "events.jsonl")
"""`events.jsonl` belongs to the oldest dialect, which leaves its content open: read where it holds known events."""

SUMMARY: Final = "energy_summary.json"
SUMMARY_ASIDE: Final = "energy_summary.orig.json"
REPORTED: Final = {"energy_per_request_j": "J", "energy_per_sample_j": "J", "energy_per_token_j": "J", "avg_power_w": "W"}

TEXT: Final = re.compile(r"(?P<stamp>\S{1,40}) \[(?P<tag>[A-Z]{1,10})\] (?P<message>.*)", re.ASCII)
BATCHES: Final = ("inference_start", "inference_complete", "inference")
WHOLE: Final = ("benchmark_start", "benchmark_complete", "benchmark")
SEEDED: Final = ("Beginning evaluation run", "Final metrics", "evaluation")
"""Edges of a window and its name; the last pair are the first words of messages."""

EVENTS: Final = (*BATCHES[:2], *WHOLE[:2], "warmup_start")

STATED_NS: Final = 100 * NS_PER_MS
"""What the docs ask of a printed time."""

EPOCH_NS: Final = 1_000
"""An epoch float is taken by one Python call, about a microsecond from what it marks."""


@dataclass(frozen=True, slots=True)
class Event:
    """An edge of a window. `unc_ns`: how far its time can be off. `zoned`: whether it needed no zone from outside."""

    name: str
    t_ns: int
    unc_ns: int
    zoned: bool
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where a window begins and ends, and the events inside that count as work done."""

    name: str
    begin: Event
    end: Event
    done: tuple[Event, ...] = ()


def places(root: Path) -> list[Path]:
    """The folders that hold all four cards."""
    if root.is_file():
        return [root.parent] if root.name in (*CARDS, *LOGS) and _whole(root.parent) else []
    return sorted({path.parent for path in foreign.files(root, CARDS[-1]) if _whole(path.parent)})


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of the bundle `place`. Raises FormatError, and NaiveTimeError for printed times without a zone."""
    cards = {name.removesuffix(".json"): _card(place / name) for name in CARDS}
    events, findings = _events(place, tz)
    span = _span(events, cards["run"], place)
    tokens, told = _tokens(span, cards["run"])
    requests = figures.count(_inside(cards["run"], "performance", "overall", "total_requests"))
    findings += [*told, *_unsaid(span, requests, events)]
    zoned = span.begin.zoned and span.end.zoned
    window = Window(
        name=span.name,
        kind=PhaseKind.MEASURED,
        begin_ns=span.begin.t_ns,
        end_ns=span.end.t_ns,
        unc_ns=max(span.begin.unc_ns, span.end.unc_ns),
        tokens=tokens,
        requests=requests,
    )
    return Run(
        (window,),
        benchmark=NAME,
        clock=ClockKind.UTC if zoned or tz is UTC else ClockKind.LOCAL,
        tool_reported=tuple(_reported(place, span.name)),
        labels=_labels(cards),
        findings=tuple(findings),
    )


def _whole(folder: Path) -> bool:
    return all(foreign.inside(folder, folder / name) for name in CARDS)


def _card(path: Path) -> Mapping[str, Any]:
    """A card; some writers wrap it once more into an object of its own name."""
    data = document.load(path)
    inner = data.get(path.stem)
    return inner if isinstance(inner, dict) and len(data) == 1 else data


def _events(place: Path, tz: tzinfo | None) -> tuple[list[Event], list[str]]:
    """The events of the first log that has any in known words, and what was left out."""
    for name in LOGS:
        path = place / name
        if not foreign.inside(place, path):
            continue
        lines = [(number, line.strip()) for number, line in enumerate(foreign.text(path).split("\n"), 1) if line.strip()]
        events = [event for number, line in lines if (event := _event(line, tz, where=f"{path}:{number}")) is not None]
        if events:
            left_out = len(lines) - len(events)
            return events, [f"{left_out} lines of {name} are no events that are known."] if left_out else []
    return [], []


def _event(line: str, tz: tzinfo | None, *, where: str) -> Event | None:
    """The event in one line of a log, None where it is none that a window is made of."""
    if line.startswith("{"):
        entry = document.json_object(line, where=where)
        name, tokens = str(entry.get("event")), figures.count(entry.get("tokens_generated"))
        return _stamped(name, entry.get("timestamp"), tz, where=where, tokens=tokens) if name in EVENTS else None
    match = TEXT.fullmatch(line)
    found = None if match is None else next((words for words in SEEDED[:2] if match["message"].startswith(words)), None)
    return None if match is None or found is None else _stamped(found, match["stamp"], tz, where=where)


def _stamped(name: str, stamp: Any, tz: tzinfo | None, *, where: str, tokens: int | None = None) -> Event:
    if isinstance(stamp, int | float):
        return Event(name, epoch_ns(repr(stamp), where=where), EPOCH_NS, zoned=True, tokens=tokens)
    text = str(stamp)
    zoned = re.search(r"(Z|[+-]\d\d:?\d\d)$", text) is not None
    unc_ns = STATED_NS if re.search(r"[.,]\d", text) else NS_PER_S
    return Event(name, wall_ns(text, tz, where=where), unc_ns, zoned, tokens)


def _span(events: Sequence[Event], run: Mapping[str, Any], place: Path) -> Span:
    """The window that the bundle names. Raises FormatError where it names none."""
    span = _between(events, BATCHES) or _execution(run, place) or _between(events, WHOLE) or _between(events, SEEDED)
    if span is None:
        raise FormatError(
            f"{place} says nowhere when its run began and ended",
            "measure it with `joulemark run -- COMMAND`, or mark the phases while it runs",
        )
    return span


def _between(events: Sequence[Event], pair: tuple[str, str, str]) -> Span | None:
    """To the last end, from the last begin before it; or from the first one, where each batch has its own pair."""
    first, last, name = pair
    begins = [event for event in events if event.name == first]
    ends = [event for event in events if event.name == last]
    if not begins or not ends:
        return None
    end = max(ends, key=lambda event: event.t_ns)
    before = [event for event in begins if event.t_ns < end.t_ns]
    if not before:
        return None
    batches = pair == BATCHES
    begin = (min if batches else max)(before, key=lambda event: event.t_ns)
    return Span(name, begin, end, tuple(ends) if batches else ())


def _execution(run: Mapping[str, Any], place: Path) -> Span | None:
    times = [_inside(run, "execution", key) for key in ("start_time", "end_time")]
    if not all(isinstance(time, int | float) for time in times):
        return None
    where = f"{place / 'run.json'} execution"
    begin, end = (Event("execution", epoch_ns(repr(time), where=where), EPOCH_NS, zoned=True) for time in times)
    return Span(WHOLE[2], begin, end)


def _tokens(span: Span, run: Mapping[str, Any]) -> tuple[Tokens, list[str]]:
    """Output tokens, where every batch or the run card counts them."""
    counts = [event.tokens for event in span.done]
    present = [number for number in counts if number is not None]
    if present and len(present) == len(counts):
        return Tokens(output=sum(present), source="tokens_generated of each batch"), []
    total = figures.count(_inside(run, "performance", "overall", "total_tokens_generated"))
    if total is not None:
        return Tokens(output=total, source="total_tokens_generated of the run card"), []
    partly = f"{len(counts) - len(present)} of {len(counts)} batches have no tokens_generated: " if present else ""
    return Tokens(), [f"{partly or 'The bundle holds rates, no counts: '}tokens are unknown."]


def _unsaid(span: Span, requests: int | None, events: Sequence[Event]) -> Iterator[str]:
    """What the bundle does not tell about its window."""
    if span.name == SEEDED[2]:
        yield "Phases are read from messages of whole seconds: each edge within 1 s."
    if span.name == WHOLE[2]:
        yield "Warm-up and work are not told apart: the window holds both."
    if requests is None:
        yield "The number of requests is unknown."
    if any(event.name == "warmup_start" for event in events):
        yield "warmup_start has no end: warm-up has no window."
    started, done = (sum(event.name == name for event in events) for name in BATCHES[:2])
    if started > done:
        yield f"{started - done} inference_start without inference_complete: that work is not counted."


def _reported(place: Path, window: str) -> Iterator[ToolReported]:
    """The flat figures that the site shows of the benchmark's own energy summary, which stays aside where a card of ours was attached."""
    path = place / SUMMARY
    summary = document.load(path) if foreign.inside(place, path) else {}
    if "es" in summary:
        own = place / SUMMARY_ASIDE
        summary = document.load(own) if foreign.inside(place, own) else {}
    for name, unit in REPORTED.items():
        if (value := figures.positive(summary.get(name))) is not None:
            yield ToolReported(name, value, unit, window=window, source=SUMMARY)


def _labels(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The keys that the site shows, flat or nested."""
    system, stack, model, run = (cards[name] for name in ("system", "stack", "model", "run"))
    facts = {
        "task": _either(run, ("task",), ("task", "name")),
        "scenario": _either(run, ("scenario",), ("task", "scenario")),
        "throughput": _inside(run, "perf", "throughput"),
        "latency_p99_ms": _inside(run, "perf", "latency_p99_ms"),
        "quality": _either(run, ("quality", "achieved"), ("quality", "metric")),
        "model": _either(model, ("name",), ("metadata", "name")),
        "engine": _either(stack, ("engine",), ("engine", "name")),
        "framework": _either(stack, ("framework",), ("framework", "name")),
        "organization": system.get("organization"),
        "system": system.get("system_name"),
    }
    return {name: str(value) for name, value in facts.items() if isinstance(value, str | int | float) and value != "unknown"}


def _either(card: Mapping[str, Any], *paths: tuple[str, ...]) -> Any:
    """The first plain value that one of `paths` leads to."""
    found = (_inside(card, *path) for path in paths)
    return next((value for value in found if isinstance(value, str | int | float)), None)


def _inside(data: Any, *keys: str) -> Any:
    """What lies under `keys`, None where the path ends early."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data
