"""Rules TOK: who counted the tokens, whether two counts agree, and that every request that was issued is accounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from joulemark.request_log import Request, Status, Tally, tallies
from joulemark.runs import Tokens, Window
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.comparability import comparability_key
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome, cannot_tell, judged
from joulemark.units import NS_PER_S
from joulemark.workload import EngineCount, Recount, Workload

Count = TypeVar("Count", EngineCount, Recount)

SOURCES: Final = ("server_usage", "engine_counter")
PARTS: Final = ("cached_input", "reasoning")
"""Tokens that are counted in another kind too; None where the engine does not tell."""

INSIDE: Final = ("drained", "per_token")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
WORKLOAD: Final = "workload.json"
REQUESTS: Final = "requests.csv"
PHASES: Final = "phases.json: phases"
NO_WORKLOAD: Final = "workload.json is missing: nobody says what was run, and who counted"


def source(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-1: counts of the server or the engine, with the tokenizer; at ES2 also counted again."""
    work = workload(case)
    where = f"{WORKLOAD}: token_source, tokenizer, tokenizer_sha256, recounts"
    limit = f"one of {', '.join(SOURCES)}; tokenizer with sha256" + ("; recounted" if rule.limit(grade, "recounts_per_phase") else "")
    if work is None:
        return cannot_tell(NO_WORKLOAD, source=where, limit=limit)
    absent = [name for name in ("token_source", "tokenizer", "tokenizer_sha256") if not getattr(work, name)]
    told = {recount.phase for recount in work.recounts}
    bare = [window.name for window in case.measured if window.name not in told]
    if rule.limit(grade, "recounts_per_phase") and bare:
        absent.append(f"a recount of {', '.join(bare)}")
    if absent or not case.measured:
        return cannot_tell(f"not stated: {', '.join(absent) or 'a measured phase'}", source=where, limit=limit)
    others = sorted({window.tokens.source for window in case.measured if plain(window.tokens.source) not in ("", work.token_source)})
    reasons = [] if work.token_source in SOURCES else [f"{work.token_source} is no count of the server or the engine"]
    reasons += [] if SHA256.fullmatch(work.tokenizer_sha256) else ["the hash of the tokenizer is no sha256"]
    reasons += [f"phases.json says that {name!r} counted" for name in others]
    measured: dict[str, str | int | float | None] = {"token_source": work.token_source, "tokenizer": work.tokenizer, "recounts": len(told)}
    return judged(not reasons, measured=measured, limit=limit, source=where, detail="; ".join(reasons))


def recount(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-2: the server's counts and those of a second counter agree, and the phase states how far they do not."""
    work, share = workload(case), rule.limit(grade, "disagreement_rel")
    where, limit = f"{WORKLOAD}: recounts; {PHASES}[].tokens", f"|server/client - 1| <= {share:g}, and stated"
    if work is None:
        return cannot_tell(NO_WORKLOAD, source=where, limit=limit)
    again = counted_once(work.recounts)
    absent = [w.name for w in case.measured if w.name not in again or w.tokens.output is None]
    if absent or not case.measured:
        return cannot_tell(f"no second count of {', '.join(absent) or 'a measured phase'}", source=where, limit=limit)
    if work.end_of_sequence is None:
        return cannot_tell("whether the end-of-sequence token counts is not stated", source=f"{WORKLOAD}: end_of_sequence", limit=limit)
    largest = max(differing(w.tokens, again[w.name]) for w in case.measured)
    unstated = [w.name for w in case.measured if apart(w.tokens, again[w.name]) > w.tokens.disagreement]
    detail = f"{', '.join(unstated)}: the counts differ by more than tokens.disagreement says" if unstated else ""
    measured = {"disagreement_rel": largest}
    return judged(largest <= share and not unstated, measured=measured, limit=limit, source=where, detail=detail)


def inside(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-3: no token is counted that was made outside the window."""
    work, edge_s, allowed = workload(case), rule.limit(grade, "edge_s"), bool(rule.limit(grade, "pro_rata_allowed"))
    where, limit = f"{WORKLOAD}: counted; {REQUESTS}", "drained or per_token" + (", or pro_rata, flagged" if allowed else "")
    if work is None or not work.counted:
        return cannot_tell(
            NO_WORKLOAD if work is None else "how tokens were kept inside the window is not stated", source=where, limit=limit
        )
    requests, edge_ns = None if case.evidence is None else case.evidence.requests, round(edge_s * NS_PER_S)
    if strays := elsewhere(requests or (), case.measured, edge_ns):
        detail = f"request {strays[0].id} is counted in {strays[0].phase}, and was answered outside of it"
        return judged(False, measured={"counted": work.counted, "elsewhere": len(strays)}, limit=limit, source=where, detail=detail)
    if work.counted == "pro_rata":
        detail = "flagged: tokens of requests across an edge were counted pro rata"
        return judged(allowed, measured=work.counted, limit=limit, source=where, detail=detail)
    if work.counted == "per_token" or work.counted not in INSIDE:
        return judged(work.counted in INSIDE, measured=work.counted, limit=limit, source=where)
    if requests is None or not {window.name for window in case.measured} <= {request.phase for request in requests}:
        return cannot_tell("requests.csv is missing, or a phase in it: whether it was drained cannot be seen", source=where, limit=limit)
    edges_ns = [edge for window in case.measured for edge in (window.begin_ns, window.end_ns)]
    across = [
        request.id
        for request in requests
        if request.end_ns is not None and any(request.begin_ns < edge - edge_ns and request.end_ns > edge + edge_ns for edge in edges_ns)
    ]
    last_ns = max((window.end_ns for window in case.measured), default=0)
    endless = [r.id for r in requests if r.begin_ns < last_ns and r.end_ns is None and r.status is Status.COMPLETED]
    if endless:
        return cannot_tell(f"request {endless[0]} is completed and has no end", source=where, limit=limit)
    detail = f"request {across[0]} was under way at the edge of a measured phase" if across else ""
    return judged(not across, measured={"counted": work.counted, "across_edges": len(across)}, limit=limit, source=where, detail=detail)


def elsewhere(requests: Sequence[Request], windows: Sequence[Window], edge_ns: int) -> list[Request]:
    """The requests that stand in the log under a measured phase of which they saw nothing."""
    spans = {window.name: (window.begin_ns - edge_ns, window.end_ns + edge_ns) for window in windows}
    found = [(one, *spans[one.phase]) for one in requests if one.phase in spans]
    return [one for one, begin_ns, end_ns in found if one.begin_ns > end_ns or (one.end_ns is not None and one.end_ns < begin_ns)]


def apart_kept(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-4: each kind of token by itself, and the same in the phases, in the request log and in the engine's counters."""
    where = f"{PHASES}[].tokens; {REQUESTS}; {WORKLOAD}: engine_counts"
    sum_rel, engine_rel = rule.limit(grade, "sum_rel"), rule.limit(grade, "disagreement_rel")
    limit = f"sums of requests <= {sum_rel:g}, engine counters <= {engine_rel:g} from the counts of the phase"
    work, requests = workload(case), None if case.evidence is None else case.evidence.requests
    if work is None or requests is None:
        return cannot_tell(NO_WORKLOAD if work is None else "requests.csv is missing: no sum can be made again", source=where, limit=limit)
    sums, engine = tallies(requests), counted_once(work.engine_counts)
    lacking = [gap for window in case.measured for gap in unknown(window.name, window.tokens, sums, engine)]
    if lacking or not case.measured:
        return cannot_tell(lacking[0] if lacking else "there is no measured phase", source=where, limit=limit)
    reasons, largest = [], {"sum_rel": 0.0, "engine_rel": 0.0}
    for window in case.measured:
        tokens, tally, count = window.tokens, sums[window.name], engine[window.name]
        log = max(relative(tokens.input, tally.input_tokens), relative(tokens.output, tally.output_tokens))
        log = max(log, relative(tokens.cached_input, tally.cached_input_tokens), relative(tokens.reasoning, tally.reasoning_tokens))
        counters = max(relative(tally.input_tokens, count.input_tokens), relative(tally.output_tokens, count.output_tokens))
        largest = {"sum_rel": max(largest["sum_rel"], log), "engine_rel": max(largest["engine_rel"], counters)}
        reasons += disorder(window.name, tokens)
    if case.rebuilt is None or case.rebuilt["headline"]["joules_per_1k_output_tokens"] is None:
        return cannot_tell("the joules per 1k output tokens cannot be computed", source=where, limit=limit)
    reasons += ["the phase and its requests do not add up to the same"] if largest["sum_rel"] > sum_rel else []
    reasons += ["the engine counted otherwise than its answers say"] if largest["engine_rel"] > engine_rel else []
    return judged(not reasons, measured=largest, limit=limit, source=where, detail="; ".join(reasons))


def accounted(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-5: no request was dropped from the log, and few failed."""
    where, share = f"{REQUESTS}; {PHASES}[].requests; {WORKLOAD}: engine_counts[].requests", rule.limit(grade, "lost_share")
    limit = f"failed and cancelled <= {share:g}; ids contiguous from 0; issued = completed + failed + cancelled; engine agrees"
    work, requests = workload(case), None if case.evidence is None else case.evidence.requests
    if not requests or work is None or not case.measured:
        return cannot_tell("requests.csv, workload.json or a measured phase is missing", source=where, limit=limit)
    sums, engine = tallies(requests), {name: one.requests for name, one in counted_once(work.engine_counts).items()}
    lacking = [w.name for w in case.measured if w.name not in sums or None in (w.requests, w.requests_failed, engine.get(w.name))]
    if lacking:
        return cannot_tell(f"{', '.join(lacking)}: the log, the phase or the engine does not count the requests", source=where, limit=limit)
    reasons = [] if sorted(one.id for one in requests) == list(range(len(requests))) else ["the ids are not contiguous from 0"]
    for window in case.measured:
        tally, counted = sums[window.name], engine[window.name]
        if (window.requests, window.requests_failed) != (tally.completed, tally.failed + tally.cancelled):
            reasons.append(
                f"{window.name}: {tally.completed} completed and {tally.issued - tally.completed} lost in the log, not in the phase"
            )
        if counted is None or not tally.completed <= counted <= tally.issued:
            reasons.append(f"{window.name}: the engine counted {counted} requests, the log has {tally.issued}")
    largest = max(sums[window.name].lost_share for window in case.measured)
    measured = {"lost_share": largest, "requests": len(requests)}
    return judged(largest <= share and not reasons, measured=measured, limit=limit, source=where, detail="; ".join(reasons))


def enough(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-6: so many tokens, or so many requests, that one of them weighs nothing."""
    tokens, requests, least = (rule.limit(grade, name) for name in ("output_tokens", "requests", "tokens_with_requests"))
    where = f"{PHASES}[].tokens.output, {PHASES}[].requests"
    limit = f">= {tokens:g} output tokens, or >= {requests:g} completed requests" + (f" and >= {least:g} tokens" if least else "")
    unknown_of = [w.name for w in case.measured if w.tokens.output is None]
    if unknown_of or not case.measured:
        return cannot_tell(f"the output tokens of {', '.join(unknown_of) or 'a measured phase'} are not known", source=where, limit=limit)
    counts = [(float(w.tokens.output or 0), w.requests or 0) for w in case.measured]
    few = [w.name for w, (out, done) in zip(case.measured, counts, strict=True) if out < tokens and not (done >= requests and out >= least)]
    measured = {"output_tokens": min(out for out, _ in counts), "requests": min(done for _, done in counts)}
    return judged(not few, measured=measured, limit=limit, source=where, detail=f"too few in {', '.join(few)}" if few else "")


def comparable(case: Case, rule: Rule, grade: str) -> Outcome:
    """TOK-7: the key by which entries are put into one table is whole."""
    where, limit = f"{WORKLOAD}; card.json: scope", "every part of the key known, hashes sha256"
    key = comparability_key(case)
    if key is None:
        return cannot_tell(NO_WORKLOAD, source=where, limit=limit)
    if key.missing:
        return cannot_tell(f"not stated: {', '.join(key.missing)}", source=where, limit=limit)
    bad = [name for name in ("model_sha256", "dataset_sha256") if not SHA256.fullmatch(getattr(key, name))]
    detail = f"{', '.join(bad)}: no sha256" if bad else ""
    return judged(not bad, measured=key.text, limit=limit, source=where, detail=detail)


def workload(case: Case) -> Workload | None:
    """What the bundle says of the workload."""
    return None if case.evidence is None else case.evidence.workload


def counted_once(counts: Sequence[Count]) -> dict[str, Count]:
    """The counts by phase; without those of a phase that has two, of which nobody can say which one holds."""
    often = Counter(one.phase for one in counts)
    return {one.phase: one for one in counts if often[one.phase] == 1}


def plain(name: str) -> str:
    """The name of a source as `token_source` writes it."""
    return re.sub(r"\W+", "_", name.strip().lower())


def relative(one: float | None, other: float | None) -> float:
    """|one / other - 1|, 0.0 where one of them is not told, 1.0 where only the other is 0."""
    if one is None or other is None or one == other:
        return 0.0
    return abs(one / other - 1.0) if other else 1.0


def differing(tokens: Tokens, again: Recount) -> float:
    """The larger relative difference of output and input."""
    return max(relative(tokens.output, again.output_tokens), relative(tokens.input, again.input_tokens))


def apart(tokens: Tokens, again: Recount) -> float:
    """By how many output tokens two counts differ."""
    return abs((tokens.output or 0) - again.output_tokens)


def unknown(name: str, tokens: Tokens, sums: Mapping[str, Tally], engine: Mapping[str, EngineCount]) -> list[str]:
    """What is not told of the tokens of a phase, though it has to be."""
    tally, count = sums.get(name), engine.get(name)
    parts = {
        "phases.json has no input and output tokens": (tokens.input, tokens.output),
        "requests.csv has no input and output tokens": () if tally is None else (tally.input_tokens, tally.output_tokens),
        "the engine's counters are missing": () if count is None else (count.input_tokens, count.output_tokens),
    }
    found = [f"{name}: {what}" for what, counts in parts.items() if not counts or None in counts]
    for part in PARTS:
        if tally is not None and getattr(tokens, part) and getattr(tally, f"{part}_tokens") is None:
            found.append(f"{name}: phases.json has {part} tokens, and not each request in requests.csv tells its own")
    return found


def disorder(name: str, tokens: Tokens) -> list[str]:
    """Parts that are more than their whole."""
    pairs = (("cached input", tokens.cached_input, tokens.input), ("reasoning", tokens.reasoning, tokens.output))
    return [f"{name}: more {what} tokens than there are" for what, part, whole in pairs if part is not None and part > (whole or 0)]


CHECKS: Final[Mapping[str, Check]] = {
    "TOK-1": source,
    "TOK-2": recount,
    "TOK-3": inside,
    "TOK-4": apart_kept,
    "TOK-5": accounted,
    "TOK-6": enough,
    "TOK-7": comparable,
}
