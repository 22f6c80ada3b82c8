"""A price over time as steps."""

from __future__ import annotations

from decimal import Decimal

from joulemark.collector.web.drawings.scale import DAY_NS, Scale
from joulemark.collector.web.drawings.steps import Stretch, readable, steps
from tests.collector.web.reading import Element, read


def drawn(*stretches: Stretch) -> Element:
    return read(steps(stretches, begin_ns=0, end_ns=10 * DAY_NS, said="a price"))


def test_a_change_is_a_step_and_a_gap_is_a_gap() -> None:
    """Neighbours are joined by an upright line; where no price is known nothing is drawn."""
    a, b = Stretch(0, 4 * DAY_NS, 4 * DAY_NS, Decimal("2")), Stretch(4 * DAY_NS, 10 * DAY_NS, 10 * DAY_NS, Decimal("3"))
    joined = drawn(a, b).all("line", class_="step")
    assert len(joined) == 3
    upright = [one for one in joined if one.attributes["x1"] == one.attributes["x2"]]
    assert len(upright) == 1
    apart = drawn(a, Stretch(5 * DAY_NS, 10 * DAY_NS, 10 * DAY_NS, Decimal("3"))).all("line", class_="step")
    assert len(apart) == 2
    assert float(apart[0].attributes["x2"]) < float(apart[1].attributes["x1"])


def test_what_is_only_believed_is_dashed() -> None:
    """From the last sighting on."""
    lines = drawn(Stretch(0, 10 * DAY_NS, 6 * DAY_NS, Decimal("2"))).all("line", class_="step")
    assert [one.attributes["class"] for one in lines] == ["step", "step believed"]
    assert lines[0].attributes["x2"] == lines[1].attributes["x1"]


def test_amounts_are_written_exactly() -> None:
    """As decimal text, also where two are nearer than any float tells; of those that would overlap the highest stays."""
    page = drawn(
        *(
            Stretch(n * DAY_NS, (n + 1) * DAY_NS, (n + 1) * DAY_NS, Decimal(text))
            for n, text in enumerate(("0.1", "98.3200000000000000001"))
        )
    )
    assert {"0.1", "98.3200000000000000001"} <= {one.text for one in page.all("text")}
    amounts = [Decimal("1"), Decimal("1.001"), Decimal("9")]
    assert readable(amounts, Scale(0.0, 10.0, 200.0, 0.0)) == [Decimal("1"), Decimal("9")]
