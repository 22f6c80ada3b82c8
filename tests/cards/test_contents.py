"""The files of a bundle: integers, one line a reading, a hash that changes with each of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from joulemark.cards import bundle
from joulemark.cards.contents import contents, json_bytes, one_line, readings_csv, readings_path, used_prices
from joulemark.cards.evidence import Evidence
from joulemark.cards.opened import opened
from joulemark.energy.series import Series
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import Trust
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.wanted import Limits
from joulemark.runs import Run
from joulemark.units import NS_PER_S

Gather = Callable[..., Evidence]


def test_gap_rows_are_empty_with_their_reason(with_gap: Series) -> None:
    """A failed read is a row with an empty value, the code of GAP and its reason; never a 0."""
    rows = readings_csv(with_gap).decode().splitlines()
    assert rows[0] == "t_ns,t_unc_ns,power_watt,quality,reason"
    gaps = [row for row in rows if row.split(",")[3] == "8"]
    assert len(gaps) == 3
    assert gaps[0].split(",", 4)[2:] == ["", "8", "BMC did not answer, 3 s"]


def test_raw_times_stand_before_the_reason(with_gap: Series) -> None:
    """A series with raw times has their columns; where the device said no time the cell is empty, never 0."""
    said_ns = np.where(np.arange(len(with_gap)) == 1, with_gap.t_ns - 5, 0)
    dated = replace(with_gap, t_read0_ns=with_gap.t_ns - 2, t_read1_ns=with_gap.t_ns + 2, t_device_ns=said_ns)
    rows = readings_csv(dated).decode().splitlines()
    assert rows[0] == "t_ns,t_unc_ns,power_watt,quality,t_read0_ns,t_read1_ns,t_device_ns,reason"
    t_ns = with_gap.t_ns.tolist()
    assert rows[1].split(",")[4:] == [f"{t_ns[0] - 2}", f"{t_ns[0] + 2}", "", ""]
    assert rows[2].split(",")[6] == f"{t_ns[1] - 5}"
    gap = next(row for row in rows if row.split(",")[3] == "8")
    assert gap.split(",", 7)[7] == "BMC did not answer, 3 s"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("timed out\r\nafter 2 s", "timed out after 2 s"),
        ("a\x00b\u2028c\x1b[31m", "a b c [31m"),
        ('quote " and, comma', 'quote " and, comma'),
    ],
)
def test_a_reason_is_one_line(with_gap: Series, reason: str, shown: str) -> None:
    """Line ends, separators and control characters in a reason add no row; quotes and commas stay."""
    assert one_line(reason) == shown
    text = readings_csv(replace(with_gap, reasons={180: reason})).decode()
    assert len(text.splitlines()) == len(with_gap) + 1
    assert text.splitlines()[181].split(",", 4)[4] == shown


def test_no_meter_id_leaves_the_folder(wall: Series) -> None:
    """Slashes, dots and colons of a meter's id do not make a path of it."""
    evil = replace(wall, meter=replace(wall.meter, meter_id="ipmi:../../etc:a/b:power"))
    assert readings_path(evil) == "readings/ipmi%3A..%2F..%2Fetc%3Aa%2Fb%3Apower.csv"


def test_only_the_prices_that_were_used_go_along(gather: Gather, prices: Snapshot) -> None:
    """Of a long list the bundle holds the one price and the one tariff behind its costs."""
    more = replace(prices.prices[0], region="eu-west-1")
    evidence = gather(prices=prices.joined(Snapshot((more,))))
    assert used_prices(evidence) == prices
    assert Snapshot.from_json(json.loads(contents(evidence)["prices.json"])) == prices
    assert used_prices(gather(prices=Snapshot())) == Snapshot()


def test_each_fact_changes_its_file_alone(gather: Gather, wall: Series) -> None:
    """One watt more in one reading changes the readings; a worse clock changes clock.json; nothing else moves."""
    before = contents(gather())
    value = wall.value.copy()
    value[300] += 1
    changes = {"readings/ipmi%3Anode.1%3ABMC%2F7%3Apower.csv": {"series": (replace(wall, value=value),)}, "clock.json": {"clocks": {}}}
    for path, change in changes.items():
        after = contents(gather(**change))
        assert {name for name in before if after[name] != before[name]} == {path}


def test_meters_say_what_the_readings_cannot(gather: Gather, counter: Series) -> None:
    """meters.json carries what one needs to read a series again: its file, its stamps, its clock bound, its meter."""
    (entry,) = json.loads(contents(gather(series=(counter,)))["meters.json"])["meters"]
    assert (entry["file"], entry["device_stamps"], entry["clock_bound_ns"]) == (readings_path(counter), True, 0)
    assert (entry["meter_id"], entry["exponent"]) == (counter.meter.meter_id, -3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_numbers_never_reach_a_file(gather: Gather, value: float) -> None:
    """NaN or infinity among the evidence stops the files from being written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"overhead": {"read_s_per_s": value}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        contents(gather(clocks={"node.1": {"bound_ns": value}}))


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("=HYPERLINK(1)", " =HYPERLINK(1)"), ("a,@b", "a, @b"), ("-1 read", " -1 read"), ("1 = 1", "1 = 1"), ("x\x1b[31m\ny", "x [31m y")],
)
def test_a_reason_is_no_formula(reason: str, shown: str) -> None:
    """A reason stays one line of text, also for a spreadsheet; what was shown once is shown the same again."""
    assert one_line(reason) == shown
    assert one_line(shown) == shown


@pytest.mark.parametrize("known_at", [None, "2026-12-01"])
def test_a_look_up_is_the_same_from_the_bundle(tmp_path: Path, gather: Gather, run: Run, prices: Snapshot, known_at: str | None) -> None:
    """Opened from its bundle, which holds few of the prices, a run has the answer and the changes it had, limits and date included."""
    begin_ns = run.measured[0].begin_ns
    seen = [
        replace(
            prices.prices[0], amount=Decimal(amount), feed="azure_retail", fetched_at_ns=begin_ns + s * NS_PER_S, effective_trust=Trust.NONE
        )
        for s, amount in ((-9 * 86_400, "20"), (-86_400, "24"), (60, "30"), (120, "30"), (9 * 86_400, "40"))
    ]
    limits = {"azure_retail": Limits(3600, 40 * 86_400), "gpuhunt": Limits(1, 2)}
    at_ns = None if known_at is None else begin_ns + 90 * NS_PER_S
    before = gather(prices=Snapshot(tuple(seen), prices.tariffs), known_at_ns=at_ns, limits=limits)
    assert len(before.prices) < len(seen)
    assert (str(before.price.status), len(before.changes)) == ("changed", 1)
    bundle.write(tmp_path, before, sign=None)
    after = opened(tmp_path).evidence
    assert after is not None
    assert (after.price, after.changes) == (before.price, before.changes)
    assert (after.as_of.known_at_ns, after.as_of.limits) == (at_ns, {"azure_retail": limits["azure_retail"]})


def test_prices_that_do_not_age_need_no_as_of(gather: Gather) -> None:
    """The price file of a run whose price somebody wrote down is what it was, without a word of limits."""
    assert "as_of" not in json.loads(contents(gather())["prices.json"])
    assert json.loads(contents(gather(known_at_ns=moment_ns("2027-01-01", "x")))["prices.json"])["as_of"] == {
        "known_at": "2027-01-01T00:00:00Z",
        "limits": {},
    }
