"""Writes the figures of a study into `docs/explanation/nvml-on-real-gpus.md`, between its marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path("docs/explanation/nvml-on-real-gpus.md")
BEGIN, END = "<!-- figures: make gpu WRITE=1 -->", "<!-- end -->"


def table(header: str, rows: Iterator[str]) -> str:
    """A table of Markdown."""
    columns = header.count("|") - 1
    return "\n".join([header, "|" + "---|" * columns, *rows]) + "\n"


def shown(number: float | None, form: str) -> str:
    """A number, or that there is none."""
    return "not seen" if number is None else format(number, form)


def text(found: dict[str, Any]) -> str:
    """The figures as sections of the page. Raises ValueError for those of a stand-in, which tell nothing of real GPUs."""
    if found["simulated"]:
        raise ValueError("these are figures of a stand-in driver: run it on a machine with a real GPU")
    stamps, cost, energy, effect = found["stamps"], found["cost_us"], found["energy"], found["observer"]
    ring = found["ring"]
    ring_words = (
        f"{ring['samples']} samples, {shown(ring['spacing_s'], '.4g')} s apart" if ring["supported"] else f"not supported: {ring['reason']}"
    )
    return "\n".join(
        [
            f"{found['product']} ({found['gpus']} in the machine), {found['driver']}, Joulemark {found['joulemark']}.\n",
            f"Load: {found['load']}.\n",
            table(
                "| field | whose moment is the stamp | refresh, s | age when first seen, s |",
                (f"| {name} | {s['stamp']} | {shown(s['refresh_s'], '.4f')} | {shown(s['age_s'], '.4f')} |" for name, s in stamps.items()),
            ),
            table("| call | p50, us | p99, us |", (f"| `{name}` | {c['p50']:.1f} | {c['p99']:.1f} |" for name, c in cost.items())),
            table(
                "| | by counter, J | from power, J | counter over power, minus 1 | mean power, W |",
                (
                    f"| {name} | {shown(e['energy_counter_j'], '.1f')} | {shown(e['energy_trapezoid_j'], '.1f')} |"
                    f" {shown(e['disagreement_rel'], '+.4f')} | {shown(e['mean_of_samples_w'], '.1f')} |"
                    for name, e in energy.items()
                ),
            ),
            table(
                "| agent at | slowdown of the load | 95 % interval | rise of power | 95 % interval | pairs |",
                (
                    f"| {name} | {e['slowdown']:+.3%} | +-{shown(e['u95'], '.3%')} |"
                    f" {e['power_rise']:+.3%} | +-{shown(e['power_u95'], '.3%')} | {e['pairs']} |"
                    for name, e in effect.items()
                ),
            ),
            table(
                "| field | " + " | ".join(next(iter(found["scopes"].values()))) + " |",
                (f"| {name} | " + " | ".join(by.values()) + " |" for name, by in found["scopes"].items()),
            ),
            f"Ring of power samples (`nvmlDeviceGetSamples`): {ring_words}.",
        ]
    )


def fill(found: dict[str, Any], page: Path = PAGE) -> None:
    """Put the figures in the place of what stands between the marks."""
    figures = text(found)
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{figures}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
