"""A bundle that holds the counters of an engine beside its meters: every rule judges it as without them, and it reads back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulemark.cards import bundle
from joulemark.cards import card as cards
from joulemark.cards.evidence import Evidence
from joulemark.cards.served import tokens_of, with_tokens
from joulemark.energy.series import Series
from joulemark.readings import WORK, Boundary, MeterInfo, Quality, Quantity
from joulemark.runs import Tokens
from joulemark.standard import read
from joulemark.standard.checks import checks
from joulemark.standard.edition import edition
from tests.kit.lab import sign
from tests.kit.spoil import case_of, good, good_case

S = 1_000_000_000


def counters(evidence: Evidence) -> list[Series]:
    """An engine on the first host, read each second from before the first phase until after the last."""
    power = evidence.series[0]
    t_ns = np.arange(power.t_ns[0], power.t_ns[-1], S, dtype=np.int64)
    host = power.meter.host
    found = []
    for quantity in (*WORK, Quantity.RUNNING_REQUESTS, Quantity.UPTIME):
        meter = MeterInfo(
            f"serving:{host}:127.0.0.1-8000-m:{quantity}",
            "serving",
            quantity,
            -3 if quantity is Quantity.UPTIME else 0,
            Boundary.SERVER_INPUT,
            vendor="vllm",
            model="m",
            covers=(f"{host}:8000/m",),
            note="vLLM; x",
            simulated=power.meter.simulated,
        )
        value = np.zeros_like(t_ns) if quantity is Quantity.RUNNING_REQUESTS else (t_ns - t_ns[0]) // 1_000_000 + 60_000
        quality = np.full(len(t_ns), Quality.OK, dtype=np.uint8)
        one = Series.plain(meter, t_ns, value, quality)
        found.append(replace(one, t_read0_ns=t_ns - 1000, t_read1_ns=t_ns + 1000, t_device_ns=np.zeros_like(t_ns)))
    return found


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    plain = good("ES1")
    return replace(plain, series=(*plain.series, *counters(plain)))


def without(evidence: Evidence) -> Evidence:
    """The same with an engine that is not there: gaps alone."""
    gone = [replace(one, quality=np.full_like(one.quality, Quality.GAP)) if one.meter.kind == "serving" else one for one in evidence.series]
    return replace(evidence, series=tuple(gone))


@pytest.mark.parametrize("there", [True, False])
def test_no_rule_is_disturbed(evidence: Evidence, there: bool) -> None:
    """Every rule comes to the same verdict as without the counters, and with an engine that is gone: they stand in no rule's way."""
    plain, more = good_case("ES1"), case_of(evidence if there else without(evidence))
    for rule in edition().rules:
        if check := checks().get(rule.id):
            before, after = check(plain, rule, "ES1"), check(more, rule, "ES1")
            assert after.verdict is before.verdict, (rule.id, after)


def test_it_reads_back(evidence: Evidence, tmp_path: Path) -> None:
    """The counters come out of the bundle as they went in, and the validator's report of it is the one of the files."""
    for path, data in bundle.build(evidence, sign=sign).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    case = read.case(tmp_path)
    assert case.evidence is not None
    kept = {one.meter.meter_id: one for one in case.evidence.series}
    for one in evidence.series:
        if one.meter.kind == "serving":
            back = kept[one.meter.meter_id]
            assert back.meter == one.meter
            first = int(np.searchsorted(one.t_ns, back.t_ns[0]))
            assert back.value.tolist() == one.value[first : first + len(back)].tolist()


def test_a_card_may_rest_on_them(evidence: Evidence) -> None:
    """The measured phases of a run without tokens take the engine's counts, and the card says who counted."""
    bare = replace(evidence.run, windows=tuple(replace(w, tokens=Tokens(), requests=None) for w in evidence.run.windows))
    told = with_tokens(bare, evidence.series)
    for window in told.measured:
        assert window.tokens.source == "engine_counter"
        assert window.tokens == tokens_of(evidence.series, window.begin_ns, window.end_ns)[0]
    assert [w for w in told.windows if w not in told.measured] == [w for w in bare.windows if w not in bare.measured]


def test_an_engine_that_is_gone_leaves_a_card_complete(evidence: Evidence) -> None:
    """Gaps of an engine are no gaps of the energy: the card is as complete as without it."""
    assert cards.build(good("ES1"))["incomplete_because"] == cards.build(without(evidence))["incomplete_because"]
