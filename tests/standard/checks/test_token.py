"""Rules TOK at the edges of their limits, and on counts as they come in practice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.cards.evidence import Evidence
from joulemark.request_log import Request, Status
from joulemark.standard.case import Case
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Verdict
from joulemark.workload import EngineCount
from tests.kit.limits import at_most, cell, outcome
from tests.kit.spoil import good
from tests.kit.spoils.token import (
    NS,
    engine_more,
    on_measured,
    on_requests,
    on_work,
    recounted,
    swapped,
    tokens,
    with_lost,
    work,
)

Change = Callable[[Evidence], Evidence]


def case(level: str, *changes: Change) -> Case:
    """The good evidence of a level, changed."""
    evidence = good(level)
    for change in changes:
        evidence = change(evidence)
    return Case(Path("."), evidence)


def test_limits_are_those_of_the_standard() -> None:
    """The numbers that the checks compare with are the ones in the cells of the table."""
    es1, es2 = ({rule.id: cell(rule, grade) for rule in edition().rules} for grade in ("ES1", "ES2"))
    assert (es1["TOK-2"]["disagreement_rel"], es2["TOK-2"]["disagreement_rel"]) == (0.005, 0.001)
    assert (es1["TOK-4"]["disagreement_rel"], es2["TOK-4"]["disagreement_rel"]) == (0.005, 0.001)
    assert (es1["TOK-5"]["lost_share"], es2["TOK-5"]["lost_share"]) == (0.01, 0.001)
    assert list(es1["TOK-6"].values()) == [1e5, 200, 0]
    assert list(es2["TOK-6"].values()) == [1e6, 1000, 1e5]


@pytest.mark.parametrize(
    ("rule", "name", "key", "change"),
    [
        ("TOK-2", "disagreement_rel", "disagreement_rel", recounted(0.003)),
        ("TOK-4", "disagreement_rel", "engine_rel", engine_more(0.003)),
        ("TOK-4", "sum_rel", "sum_rel", on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=(w.tokens.output or 0) + 1)))),
        ("TOK-5", "lost_share", "lost_share", with_lost(0.008)),
    ],
)
def test_a_value_at_its_limit_passes_and_beyond_it_fails(rule: str, name: str, key: str, change: Change) -> None:
    """A limit that is exactly the measured value is kept; the next smaller number is not."""
    open_case = case("ES1", change)
    at, beyond = at_most(open_case, rule, "ES1", name, key)
    assert (at.verdict, beyond.verdict) == (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize(
    ("grade", "output", "requests", "verdict"),
    [
        ("ES1", 100_000, 1, Verdict.PASS),
        ("ES1", 99_999, 199, Verdict.FAIL),
        ("ES1", 10, 200, Verdict.PASS),
        ("ES2", 1_000_000, 1, Verdict.PASS),
        ("ES2", 999_999, 999, Verdict.FAIL),
        ("ES2", 100_000, 1000, Verdict.PASS),
        ("ES2", 99_999, 1000, Verdict.FAIL),
    ],
)
def test_so_many_tokens_or_so_many_requests(grade: str, output: int, requests: int, verdict: Verdict) -> None:
    """Tokens alone are enough, or requests with tokens; one less of either is not (TOK-6)."""
    few = on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=output), requests=requests))
    assert outcome(case(grade, few), "TOK-6", grade).verdict is verdict


@pytest.mark.parametrize(("lost", "verdict"), [(2, Verdict.PASS), (3, Verdict.FAIL)])
def test_one_percent_of_260_requests(lost: int, verdict: Verdict) -> None:
    """Two of 260 requests may fail, three may not; failed and cancelled ones weigh the same (TOK-5)."""
    for status in (Status.FAILED, Status.CANCELLED):
        assert outcome(case("ES1", with_lost(lost / 260, status)), "TOK-5", "ES1").verdict is verdict


def test_tokens_of_failed_requests_stay_out() -> None:
    """The sums of TOK-4 are those of the completed requests: a phase that counts the failed ones too does not add up."""
    lost = with_lost(0.008)
    assert outcome(case("ES1", lost, engine_as_phase), "TOK-4", "ES1").verdict is Verdict.PASS
    full = {w.name: w.tokens for w in good("ES1").run.windows}
    with_theirs = on_measured(lambda w: replace(w, tokens=full[w.name]))
    assert outcome(case("ES1", lost, with_theirs), "TOK-4", "ES1").verdict is Verdict.FAIL


def engine_as_phase(evidence: Evidence) -> Evidence:
    """Engine counters that say what the phases say."""
    told = {w.name: w.tokens for w in evidence.run.windows}

    def counted(one: EngineCount) -> EngineCount:
        return replace(one, input_tokens=int(told[one.phase].input or 0), output_tokens=int(told[one.phase].output or 0))

    return on_work(lambda old: replace(old, engine_counts=tuple(counted(one) for one in old.engine_counts)))(evidence)


def test_counts_that_are_swapped_everywhere_are_seen_by_the_second_count() -> None:
    """Input and output exchanged in phases, log and engine alike add up, and differ from the recount (TOK-4, TOK-2)."""
    everywhere = on_requests(lambda found: [replace(r, input_tokens=r.output_tokens, output_tokens=r.input_tokens) for r in found])
    both = case("ES1", swapped, everywhere)
    assert outcome(both, "TOK-4", "ES1").verdict is Verdict.PASS
    assert outcome(both, "TOK-2", "ES1").verdict is Verdict.FAIL


@pytest.mark.parametrize(("early_s", "verdict"), [(0.249, Verdict.PASS), (0.251, Verdict.FAIL)])
def test_drained_up_to_the_bound_of_the_clock(early_s: float, verdict: Verdict) -> None:
    """A request that began before the edge by less than the clock's limit is not across it (TOK-3)."""
    window = next(w for w in good("ES1").run.windows if w.name == "measured-1")
    first = on_requests(lambda found: [replace(found[0], begin_ns=window.begin_ns - round(early_s * NS)), *found[1:]])
    assert outcome(case("ES1", first), "TOK-3", "ES1").verdict is verdict


def test_a_request_of_another_phase_across_the_edge_is_seen() -> None:
    """A request of the warm-up that is still under way when the repetition begins makes it not drained (TOK-3)."""
    window = next(w for w in good("ES1").run.windows if w.name == "measured-2")

    def late(found: Sequence[Request]) -> list[Request]:
        from_ns, until_ns = window.begin_ns - 5 * NS, window.begin_ns + 5 * NS
        return [*found, replace(found[-1], id=len(found), phase="warmup-2", begin_ns=from_ns, end_ns=until_ns)]

    assert outcome(case("ES1", on_requests(late)), "TOK-3", "ES1").verdict is Verdict.FAIL


def test_a_completed_request_without_end_cannot_be_told() -> None:
    """Whether a run was drained cannot be seen where a completed request has no end (TOK-3)."""
    endless = on_requests(lambda found: [replace(found[0], end_ns=None), *found[1:]])
    assert outcome(case("ES1", endless), "TOK-3", "ES1").verdict is Verdict.CANNOT_TELL


def test_a_source_as_tools_spell_it() -> None:
    """`server usage` in the phases is the `server_usage` of the workload; another source in the phases is not (TOK-1)."""
    assert outcome(case("ES1", tokens(source="server usage")), "TOK-1", "ES1").verdict is Verdict.PASS
    other = tokens(source="engine counter")
    assert outcome(case("ES1", other), "TOK-1", "ES1").verdict is Verdict.FAIL
    assert outcome(case("ES1", other, work(token_source="engine_counter")), "TOK-1", "ES1").verdict is Verdict.PASS


def test_an_engine_that_does_not_tell_reasoning_passes() -> None:
    """Cached, reasoning and rejected tokens may be null where the engine does not tell them; input and output may not (TOK-4)."""
    silent = on_requests(lambda found: [replace(r, cached_input_tokens=None, reasoning_tokens=None) for r in found])
    assert outcome(case("ES1", silent, tokens(cached_input=None, reasoning=None)), "TOK-4", "ES1").verdict is Verdict.PASS
    blind = on_requests(lambda found: [replace(found[0], output_tokens=None), *found[1:]])
    assert outcome(case("ES1", blind), "TOK-4", "ES1").verdict is Verdict.CANNOT_TELL


def test_a_count_of_nothing_differs_by_all() -> None:
    """A second count of 0 tokens differs by a finite 100 %, which JSON can hold (TOK-2)."""
    found = outcome(case("ES1", recounted(-1.0)), "TOK-2", "ES1")
    assert found.verdict is Verdict.FAIL
    assert found.measured == {"disagreement_rel": 1.0}


@pytest.mark.parametrize("rule", [rule.id for rule in edition().rules if rule.group == "TOK"])
def test_nothing_can_be_told_of_nothing(rule: str) -> None:
    """A bundle without run or readings passes no rule, and fails none."""
    assert outcome(Case(Path("."), None), rule, "ES1").verdict is Verdict.CANNOT_TELL


def test_of_two_recounts_of_a_phase_none_is_chosen() -> None:
    """A second count that stands beside one that does not agree proves nothing, whichever comes last (TOK-2)."""
    twice = on_work(lambda old: replace(old, recounts=(*(replace(one, output_tokens=1) for one in old.recounts), *old.recounts)))
    assert outcome(case("ES2", twice), "TOK-2", "ES2").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize("rule_id", ["TOK-4", "TOK-5"])
def test_of_two_counts_of_the_engine_none_is_chosen(rule_id: str) -> None:
    """Two counts of the engine for one phase, of which one does not agree (TOK-4, TOK-5)."""
    twice = on_work(
        lambda old: replace(old, engine_counts=(*(EngineCount(one.phase, 1, 1, 1) for one in old.engine_counts), *old.engine_counts))
    )
    assert outcome(case("ES1", twice), rule_id, "ES1").verdict is Verdict.CANNOT_TELL


def test_a_warm_up_request_without_end_may_reach_into_the_window() -> None:
    """A completed request of another phase that tells no end may have been under way at an edge (TOK-3)."""

    def open_ended(evidence: Evidence) -> Evidence:
        begin_ns = evidence.run.measured[0].begin_ns - 20 * NS
        return replace(evidence, requests=(*(evidence.requests or ()), Request(780, "warmup-1", begin_ns, None, Status.COMPLETED, 1, 0, 1)))

    assert outcome(case("ES1", open_ended), "TOK-3", "ES1").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize("left", ["", "measured-1 measured-3"])
def test_a_log_without_a_phase_does_not_show_that_it_was_drained(left: str) -> None:
    """No request at an edge is no proof where the log has no request at all, or none of one repetition (TOK-3)."""
    kept = tuple(one for one in good("ES1").requests or () if one.phase in left.split())
    assert outcome(case("ES1", lambda evidence: replace(evidence, requests=kept)), "TOK-3", "ES1").verdict is Verdict.CANNOT_TELL
