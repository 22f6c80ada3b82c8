"""The report of a ring test: one page, every laboratory, nothing from elsewhere."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from joulemark.calibration.ring_page import TEXT, Axis, apart, page
from joulemark.calibration.rounds import Artefact, Evaluation, Laboratory, Round


def evaluated(worked: dict[str, Any], *, count: int = 8, names: str = "ABCDEFGH") -> Evaluation:
    """Example E, or the first of its laboratories."""
    labs = list(worked["ring"]["labs"].values())[:count]
    laboratories = tuple(Laboratory(name, value=one["x"], u95=one["U95"]) for name, one in zip(names, labs, strict=False))
    return Evaluation.of(
        Round("2026-1", Artefact.TRAVELLING, "ab" * 32, laboratories, date="2026-11-20", reference=Laboratory("x", value=250.0, u95=1.5))
    )


def drawing(html: str) -> ElementTree.Element:
    """The plot of a page."""
    found = re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())


def test_values_stand_in_order_and_to_scale(worked: dict[str, Any]) -> None:
    """From left to right the values grow, heights follow them linearly, and both limits of z' are drawn on either side."""
    svg = drawing(page(evaluated(worked)))
    order = [group.findtext("text") for group in svg.iter("g")]
    assert order == list("HCFDAGBE")
    heights = {group.findtext("text"): float(group.find("circle").get("cy")) for group in svg.iter("g")}  # type: ignore[union-attr,arg-type]  # every group has one
    per_joule = (heights["H"] - heights["E"]) / (261.8 - 243.5)
    assert (heights["H"] - heights["A"]) / per_joule == pytest.approx(250.3 - 243.5, abs=0.02)
    labels = [text.text for text in svg.iter("text")]
    assert {"z' = +2", "z' = -2", "z' = +3", "z' = -3", "assigned"} <= set(labels)
    hollow = [group.findtext("text") for group in svg.iter("g") if "style" in group.find("circle").attrib]  # type: ignore[union-attr]  # every group has one
    assert hollow == ["H", "E"]


def test_the_page_needs_nothing_from_elsewhere(worked: dict[str, Any]) -> None:
    """No script, no address, no font or picture from outside; light and dark."""
    html = page(evaluated(worked))
    assert not re.search(r"<script|https?:|url\(|@import|<img|<link", html)
    assert "prefers-color-scheme: dark" in html


def test_names_are_text(worked: dict[str, Any]) -> None:
    """A laboratory called like a tag stays a name."""
    labs = tuple(Laboratory(f"<b onload=x>{n}&", value=250.0 + n, u95=3.0) for n in range(6))
    html = page(Evaluation.of(Round("<i>", Artefact.IMAGE, "ab" * 32, labs, date="2026-11-20")))
    assert "<b onload" not in html
    assert "<i>" not in html
    drawing(html)


def test_few_laboratories_are_shown_against_the_reference(worked: dict[str, Any]) -> None:
    """Without assigned value the plot has the reference in its place and no limits of z."""
    html = page(evaluated(worked, count=3))
    labels = [text.text for text in drawing(html).iter("text")]
    assert "reference" in labels
    assert not any("z" in (label or "") for label in labels)
    assert "Fewer than six laboratories" in html


@pytest.mark.parametrize(("low", "high"), [(234.0, 268.0), (0.001, 0.0017), (1e5, 3e6)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    """Between three and eight ticks, all inside the axis, at even steps."""
    ticks = Axis(low, high).ticks()
    assert 3 <= len(ticks) <= 8
    assert low <= min(ticks) < max(ticks) <= high


def test_labels_of_near_lines_do_not_overlap() -> None:
    """Lines far apart keep their labels beside them; near ones have theirs a line of text apart, about the same middle."""
    assert apart([10.0, 60.0, 110.0]) == [10.0, 60.0, 110.0]
    near = apart([100.0, 102.0, 104.0])
    assert [b - a for a, b in pairwise(near)] == [TEXT, TEXT]
    assert sum(near) == pytest.approx(306.0)
    assert apart([]) == []
