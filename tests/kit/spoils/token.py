"""What may be wrong by the rules TOK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.request_log import Request, Status
from joulemark.runs import PhaseKind, Tokens, Window
from joulemark.standard.verdict import Verdict
from joulemark.workload import Workload
from tests.kit.spoil import Spoil

Change = Callable[[Evidence], Evidence]
NS: Final = 1_000_000_000


def work(**changed: Any) -> Change:
    """The workload with some fields changed."""
    return on_work(lambda old: replace(old, **changed))


def on_work(change: Callable[[Workload], Workload]) -> Change:
    """The workload changed."""

    def spoil(evidence: Evidence) -> Evidence:
        assert evidence.workload is not None
        return replace(evidence, workload=change(evidence.workload))

    return spoil


def on_measured(change: Callable[[Window], Window]) -> Change:
    """Each measured phase changed."""

    def spoil(evidence: Evidence) -> Evidence:
        windows = tuple(change(w) if w.kind is PhaseKind.MEASURED else w for w in evidence.run.windows)
        return replace(evidence, run=replace(evidence.run, windows=windows))

    return spoil


def tokens(**changed: Any) -> Change:
    """The tokens of each measured phase with some fields changed."""
    return on_measured(lambda w: replace(w, tokens=replace(w.tokens, **changed)))


def on_requests(change: Callable[[tuple[Request, ...]], Sequence[Request]]) -> Change:
    """The request log changed."""

    def spoil(evidence: Evidence) -> Evidence:
        assert evidence.requests is not None
        return replace(evidence, requests=tuple(change(evidence.requests)))

    return spoil


def with_lost(share: float, status: Status = Status.FAILED) -> Change:
    """A share of the requests of each measured phase lost, and everything else told as it then is."""

    def spoil(evidence: Evidence) -> Evidence:
        assert evidence.requests is not None
        assert evidence.workload is not None
        found, windows = list(evidence.requests), []
        for window in evidence.run.windows:
            places = [place for place, request in enumerate(found) if request.phase == window.name]
            if window.kind is not PhaseKind.MEASURED:
                windows.append(window)
                continue
            lost = places[: round(share * len(places))]
            for place in lost:
                found[place] = replace(found[place], status=status)
            done = [found[place] for place in places if place not in lost]
            into, out = sum(r.input_tokens or 0 for r in done), sum(r.output_tokens or 0 for r in done)
            counts = Tokens(into, out, 0, 0, window.tokens.source, window.tokens.disagreement)
            windows.append(replace(window, tokens=counts, requests=len(done), requests_failed=len(lost)))
        run = replace(evidence.run, windows=tuple(windows))
        return replace(evidence, run=run, requests=tuple(found))

    return spoil


def swapped(evidence: Evidence) -> Evidence:
    """Input and output exchanged in the phases, and in the engine's counters too, not in the log."""
    counted = on_measured(lambda w: replace(w, tokens=replace(w.tokens, input=w.tokens.output, output=w.tokens.input)))(evidence)

    def engine(old: Workload) -> Workload:
        return replace(
            old, engine_counts=tuple(replace(c, input_tokens=c.output_tokens, output_tokens=c.input_tokens) for c in old.engine_counts)
        )

    return on_work(engine)(counted)


def engine_more(share: float) -> Change:
    """The engine counted more output by a share."""

    def change(old: Workload) -> Workload:
        counts = tuple(replace(c, output_tokens=round((c.output_tokens or 0) * (1 + share))) for c in old.engine_counts)
        return replace(old, engine_counts=counts)

    return on_work(change)


def recounted(share: float, *, stated: bool = True) -> Change:
    """A second count that differs by a share of the first, stated as disagreement or not."""

    def spoil(evidence: Evidence) -> Evidence:
        outputs = {w.name: w.tokens.output or 0 for w in evidence.run.windows}

        def change(old: Workload) -> Workload:
            again = tuple(replace(one, output_tokens=round(outputs[one.phase] * (1 + share))) for one in old.recounts)
            return replace(old, recounts=again)

        changed = on_work(change)(evidence)
        largest = 1 + abs(share) * max(outputs.values())
        return tokens(disagreement=largest)(changed) if stated else changed

    return spoil


def across_the_edge(requests: tuple[Request, ...]) -> list[Request]:
    """The first request of the log sent two seconds before its phase begins."""
    return [replace(requests[0], begin_ns=requests[0].begin_ns - 2 * NS), *requests[1:]]


def counted_before(way: str) -> Change:
    """A request that was answered before its phase began, however the tokens are said to be kept inside."""

    def early(requests: tuple[Request, ...]) -> list[Request]:
        first = requests[0]
        return [replace(first, begin_ns=first.begin_ns - 20 * NS, end_ns=first.begin_ns - 10 * NS), *requests[1:]]

    return lambda evidence: work(counted=way)(on_requests(early)(evidence))


def cached_of_none(evidence: Evidence) -> Evidence:
    """The phases tell cached input, and no request does."""
    bare = on_requests(lambda found: [replace(one, cached_input_tokens=None) for one in found])(evidence)
    return tokens(cached_input=1000)(bare)


def one_more(evidence: Evidence) -> Evidence:
    """One output token more in each phase than its requests add up to."""
    return on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=(w.tokens.output or 0) + 1)))(evidence)


def dropped_everywhere(evidence: Evidence) -> Evidence:
    """One request left out of the log, of its phase and of the engine's counters: only the ids still tell."""
    requests = evidence.requests or ()
    gone, kept = requests[5], (*requests[:5], *requests[6:])

    def less(window: Window) -> Window:
        if window.name != gone.phase:
            return window
        into, out = (window.tokens.input or 0) - (gone.input_tokens or 0), (window.tokens.output or 0) - (gone.output_tokens or 0)
        return replace(window, tokens=replace(window.tokens, input=into, output=out), requests=(window.requests or 0) - 1)

    def engine(old: Workload) -> Workload:
        counts = tuple(replace(c, requests=(c.requests or 0) - (c.phase == gone.phase)) for c in old.engine_counts)
        return replace(old, engine_counts=counts)

    return on_work(engine)(on_measured(less)(replace(evidence, requests=kept)))


def engine_saw_more(old: Workload) -> Workload:
    """The engine counted requests that are not in the log."""
    return replace(old, engine_counts=tuple(replace(c, requests=9999) for c in old.engine_counts))


def few(evidence: Evidence) -> Evidence:
    """A tenth of the tokens and of the requests."""
    less = on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=int(w.tokens.output or 0) // 10), requests=50))
    return less(evidence)


def no_log(evidence: Evidence) -> Evidence:
    """No request log."""
    return replace(evidence, requests=None)


def no_workload(evidence: Evidence) -> Evidence:
    """Nobody said what was run."""
    return replace(evidence, workload=None)


ABSENT: Final = Verdict.CANNOT_TELL
PASS: Final = Verdict.PASS
SPOILS: Final[Sequence[Spoil]] = (
    Spoil("TOK-1", "counted by the client alone", work(token_source="client")),
    Spoil("TOK-1", "hash of the tokenizer is none", work(tokenizer_sha256="abc")),
    Spoil("TOK-1", "inferred from samples", tokens(source="69 tokens a sample, inferred")),
    Spoil("TOK-1", "no recount", work(recounts=()), grades=("ES2",), verdict=ABSENT),
    Spoil("TOK-1", "no recount needed", work(recounts=()), grades=("ES1",), verdict=PASS),
    Spoil("TOK-1", "no tokenizer", work(tokenizer=""), verdict=ABSENT),
    Spoil("TOK-1", "no workload", no_workload, verdict=ABSENT),
    Spoil("TOK-2", "counts differ by 0.6 %", recounted(0.006)),
    Spoil("TOK-2", "counts differ by 0.2 %", recounted(0.002), grades=("ES2",)),
    Spoil("TOK-2", "0.2 % is little at ES1", recounted(0.002), grades=("ES1",), verdict=PASS),
    Spoil("TOK-2", "difference not stated", recounted(0.0005, stated=False)),
    Spoil("TOK-2", "nothing counted again", work(recounts=()), verdict=ABSENT),
    Spoil("TOK-2", "end of sequence not stated", work(end_of_sequence=None), verdict=ABSENT),
    Spoil("TOK-3", "pro rata", work(counted="pro_rata"), grades=("ES2",)),
    Spoil("TOK-3", "pro rata is flagged", work(counted="pro_rata"), grades=("ES1",), verdict=PASS),
    Spoil("TOK-3", "per token", work(counted="per_token"), verdict=PASS),
    Spoil("TOK-3", "a way that there is not", work(counted="guessed")),
    Spoil("TOK-3", "not drained", on_requests(across_the_edge)),
    *(Spoil("TOK-3", f"warm-up counted, {way}", counted_before(way)) for way in ("drained", "per_token", "pro_rata")),
    Spoil("TOK-3", "not stated", work(counted=""), verdict=ABSENT),
    Spoil("TOK-3", "drained without a log", no_log, verdict=ABSENT),
    Spoil("TOK-4", "swapped in phases and engine", swapped),
    Spoil(
        "TOK-4", "one request more in the phase", on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=w.tokens.output + 1)))
    ),
    Spoil("TOK-4", "engine counts 0.6 % more", engine_more(0.006)),
    Spoil("TOK-4", "engine counts 0.2 % more", engine_more(0.002), grades=("ES2",)),
    Spoil("TOK-4", "more reasoning than output", tokens(reasoning=10**9)),
    Spoil("TOK-4", "no engine counters", work(engine_counts=()), verdict=ABSENT),
    Spoil("TOK-4", "no request log", no_log, verdict=ABSENT),
    Spoil("TOK-4", "cached input of no request", cached_of_none, verdict=ABSENT),
    Spoil("TOK-4", "input not known", tokens(input=None), verdict=ABSENT),
    Spoil("TOK-5", "2 % failed", with_lost(0.02)),
    Spoil("TOK-5", "2 % cancelled", with_lost(0.02, Status.CANCELLED)),
    Spoil("TOK-5", "0.8 % failed", with_lost(0.008), grades=("ES1",), verdict=PASS),
    Spoil("TOK-5", "0.2 % failed", with_lost(0.002), grades=("ES2",)),
    Spoil("TOK-5", "a request dropped", on_requests(lambda found: [*found[:5], *found[6:]])),
    Spoil("TOK-5", "the last request dropped", on_requests(lambda found: found[:-1])),
    Spoil("TOK-5", "a request dropped everywhere", dropped_everywhere),
    Spoil("TOK-5", "one request twice", on_requests(lambda found: [*found, found[-1]])),
    Spoil(
        "TOK-5", "engine saw more", on_work(lambda w: replace(w, engine_counts=tuple(replace(c, requests=9999) for c in w.engine_counts)))
    ),
    Spoil("TOK-5", "no request log", no_log, verdict=ABSENT),
    Spoil("TOK-5", "phase does not tell", on_measured(lambda w: replace(w, requests_failed=None)), verdict=ABSENT),
    Spoil("TOK-6", "too few", few),
    Spoil("TOK-6", "tokens not known", tokens(output=None), verdict=ABSENT),
    Spoil("TOK-7", "hash of the model is none", work(model_sha256="llama")),
    Spoil("TOK-7", "no precision", work(precision=""), verdict=ABSENT),
    Spoil("TOK-7", "neither concurrency nor rate", work(concurrency=None), verdict=ABSENT),
    Spoil("TOK-7", "rate in place of concurrency", work(concurrency=None, request_rate_per_s=2.0), verdict=PASS),
    Spoil("TOK-7", "no workload", no_workload, verdict=ABSENT),
)
